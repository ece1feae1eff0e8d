"""Encoder files as X-ARES's and XARES-LLM's examples are built, with tiny random models: they run as they are, and the
certificate names the faults that the published ones are known for.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.audio import torchaudio_safe
from bench.loading.certificate import certify
from bench.loading.sources import resolve_encoder
from bench.types import Certificate, EncoderSpec

SMALL = """dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, conv_dim=[8] * 7,
             num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2)"""
WAVEFORM = '''
import torch
from transformers import {model}Config, {model}Model, Wav2Vec2FeatureExtractor


class {name}Encoder(torch.nn.Module):
    """Hands the whole batch to the feature extractor as if it were one clip."""

    def __init__(self):
        super().__init__()
        self.sampling_rate, self.output_dim, self.hop_size_in_ms = 16000, 16, 20
        self.feature_extractor = Wav2Vec2FeatureExtractor(do_normalize=True)
        torch.manual_seed(0)
        self.model = {model}Model({model}Config(**{small}))

    def forward(self, audio):
        if audio.ndim == 1:
            audio = audio.unsqueeze(0)
        values = self.feature_extractor(audio, sampling_rate=16000, return_tensors="pt").input_values.squeeze(0)
        return self.model(values).last_hidden_state
'''
WHISPER = '''
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel


class WhisperEncoder(torch.nn.Module):
    """Says 10 ms where it is 20, and returns the frames of 5 s whatever the clip."""

    def __init__(self):
        super().__init__()
        self.sampling_rate, self.output_dim, self.hop_size_in_ms = 16000, 16, 10
        self.extractor = WhisperFeatureExtractor(feature_size=80, chunk_length=5)
        torch.manual_seed(0)
        self.model = WhisperModel(WhisperConfig(
            d_model=16, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=24, decoder_layers=1,
            decoder_attention_heads=2, decoder_ffn_dim=24, vocab_size=60, pad_token_id=0, bos_token_id=1,
            eos_token_id=2, decoder_start_token_id=3, max_target_positions=8, max_source_positions=250))

    def forward(self, audio):
        clips = [clip.numpy() for clip in audio]
        features = self.extractor(clips, sampling_rate=16000, return_tensors="pt").input_features
        return self.model.encoder(features).last_hidden_state
'''
SPECTROGRAM = '''
import torch


class DashengEncoder(torch.nn.Module):
    """Patches of 40 ms of a spectrogram, then a transformer; as far as it goes, without fault."""

    def __init__(self):
        super().__init__()
        self.sampling_rate, self.output_dim, self.hop_size_in_ms = 16000, 16, 40
        torch.manual_seed(0)
        self.patch = torch.nn.Linear(640, 16)
        self.block = torch.nn.TransformerEncoderLayer(16, 2, 24, batch_first=True)

    def forward(self, audio):
        audio = torch.nn.functional.pad(audio, (0, max(0, 640 - audio.shape[-1])))
        return self.block(self.patch(audio.unfold(-1, 640, 640)))
'''
LLM = '''
import torch


class HalfEncoder(torch.nn.Module):
    """XARES-LLM's interface; halves the number of valid frames once too often, so the end goes unheard."""

    def __init__(self):
        super().__init__()
        self.output_dim = 16
        torch.manual_seed(0)
        self.patch = torch.nn.Linear(320, 16)

    def forward(self, audio, mask=None):
        frames = self.patch(audio.unfold(-1, 320, 320))
        if mask is None:
            return frames, None
        valid = mask.sum(dim=1) // 320 // 2
        return frames, torch.arange(frames.shape[1])[None] < valid[:, None]
'''
EXAMPLES = {
    "wav2vec2": (WAVEFORM.format(model="Wav2Vec2", name="Wav2vec2", small=SMALL), {"batch invariance"}),
    "data2vec": (
        WAVEFORM.format(model="Data2VecAudio", name="Data2vec", small=SMALL.replace("embeddings=16", "embeddings=3")),
        {"batch invariance"},
    ),
    "whisper": (WHISPER, {"hop", "frames for the duration"}),
    "dasheng": (SPECTROGRAM, set()),
    "xares_llm": (LLM, {"whole clip used"}),
}


def no_hub(text: str) -> EncoderSpec:
    raise AssertionError(text)


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Certificate, set[str]]:
    torchaudio_safe.install()
    source, faults = EXAMPLES[request.param]
    (tmp_path / f"{request.param}_encoder.py").write_text(source)
    spec = resolve_encoder(str(tmp_path / f"{request.param}_encoder.py"), {}, hf=no_hub)
    return certify(spec.load("cpu")), faults


def test_an_example_runs_and_its_faults_have_names(example: tuple[Certificate, set[str]]) -> None:
    certificate, faults = example
    failed = {check.name for check in certificate.checks if not check.passed}
    assert faults <= failed
    assert bool(failed) == bool(faults)
