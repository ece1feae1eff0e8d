"""Speech models of transformers, used as their authors do: ``hf:openai/whisper-base[@revision]``, ``hf:folder``.

Whisper (Radford et al. 2022): the encoder. Every clip gets its own log-mel spectrum padded to 30 s, which is what the
model is defined on; frames beyond the clip are cut, T = ceil(n / 320) at 20 ms. A clip longer than 30 s is encoded in
consecutive pieces of 30 s whose frames are joined.

wav2vec 2.0, HuBERT, WavLM, data2vec-audio: every clip is normalised by itself to zero mean and unit variance where the
feature extractor says so. Models with layer normalisation in the feature encoder take an attention mask, so padded
batches; those with group normalisation see the padding, and data2vec's stacked positional convolutions carry it back,
so those take no ``lengths`` and are only given clips of one length.

Only safetensors weights are read, no code from a hub is run, and HF_HUB_OFFLINE=1 keeps to local files.
"""

from __future__ import annotations

import functools
import json
import math
import os
import warnings
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from bench.audio import torchaudio_safe
from bench.types import Encoder, EncoderError, EncoderSpec

WAVEFORM_MODELS = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")
SUPPORTED = ("whisper", *WAVEFORM_MODELS)
WHISPER_ROWS = 8  # 30 s pieces in one forward pass
NOT_THE_MODEL = {"_commit_hash", "_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"}


def spec(text: str) -> EncoderSpec:
    """The model ``text``: a local folder, or a hub id with an optional ``@revision``."""
    if Path(text).is_dir():
        identity, revision = text, ""
    else:
        identity, _, revision = text.partition("@")
    name = Path(identity).resolve().name if Path(text).is_dir() else identity.rpartition("/")[2]
    source = name if Path(text).is_dir() else f"https://huggingface.co/{identity}"
    return EncoderSpec(
        name=name, load=functools.partial(load, identity, revision or None), source=source, revision=revision
    )


def load(identity: str, revision: str | None, device: str) -> Encoder:
    """Raises EncoderError when the model cannot be had, is of another kind or has no safetensors weights."""
    torchaudio_safe.install()
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()  # "Loading weights" across the harness's own
    options: dict[str, Any] = {"revision": revision, "local_files_only": os.environ.get("HF_HUB_OFFLINE") == "1"}
    try:
        config = AutoConfig.from_pretrained(identity, **options)
        if config.model_type not in SUPPORTED or getattr(config, "add_adapter", False):
            kind = config.model_type + (" with an adapter" if getattr(config, "add_adapter", False) else "")
            raise EncoderError("model type", got=kind, expected=f"one of {', '.join(SUPPORTED)}", where=identity)
        extractor = AutoFeatureExtractor.from_pretrained(identity, **options)
        model = AutoModel.from_pretrained(identity, use_safetensors=True, dtype=torch.float32, **options)
        files = [config.get_config_dict(identity, **options)[0]]
        files.append(extractor.get_feature_extractor_dict(identity, **options)[0])
    except (OSError, ValueError, ImportError) as error:  # what transformers raises for anything it cannot find or read
        lines = str(error).strip().splitlines() or [type(error).__name__]
        expected = "a hub id or folder with config.json, preprocessor_config.json and safetensors weights"
        raise EncoderError("transformers model", got=lines[0], expected=expected, where=identity) from error
    encoder: nn.Module
    if config.model_type == "whisper":
        encoder = Whisper(model.get_encoder(), extractor, files)
    elif config.model_type != "data2vec-audio" and config.feat_extract_norm == "layer":
        encoder = MaskedWaveform(model, extractor, files)
    else:
        encoder = Waveform(model, extractor, files)
    return cast(Encoder, encoder.eval().requires_grad_(False).to(device))


class _Model(nn.Module):
    """A transformers model and what its files say beyond the weights, which enters the fingerprint."""

    def __init__(self, model: nn.Module, extractor: Any, files: list[dict[str, Any]]) -> None:
        super().__init__()
        self.model, self.extractor, self.files = model, extractor, files
        self.sampling_rate = int(extractor.sampling_rate)

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    def get_extra_state(self) -> str:
        kept = [{k: v for k, v in file.items() if k not in NOT_THE_MODEL} for file in self.files]
        return json.dumps(kept, sort_keys=True, default=str)

    def set_extra_state(self, state: str) -> None:
        """Nothing to restore: the config came with the model."""


class Whisper(_Model):
    """[B, N] -> [B, max ceil(n / 320), D]."""

    def __init__(self, model: nn.Module, extractor: Any, files: list[dict[str, Any]]) -> None:
        super().__init__(model, extractor, files)
        config = cast(Any, model).config
        self.output_dim = int(config.d_model)
        self.piece = int(extractor.n_samples)  # 30 s
        self.hop = self.piece // int(config.max_source_positions)  # 320 samples
        self.hop_size_in_ms = 1000 * self.hop / self.sampling_rate

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        sizes = [audio.shape[1]] * len(audio) if lengths is None else [int(n) for n in lengths]
        clips = [row[:size] for row, size in zip(audio, sizes, strict=True)]
        pieces = [piece.float().cpu().numpy() for clip in clips for piece in clip.split(self.piece)]
        hidden = []
        for start in range(0, len(pieces), WHISPER_ROWS):
            some = pieces[start : start + WHISPER_ROWS]
            with torch.autocast("cpu", enabled=False):  # the spectrogram is computed there, and in fp32
                mel = self.extractor(some, sampling_rate=self.sampling_rate, return_tensors="pt").input_features
            hidden.extend(self.model(mel.to(audio.device, self.dtype)).last_hidden_state)
        rows, first = [], 0
        for size in sizes:
            count = max(1, math.ceil(size / self.piece))
            rows.append(torch.cat(hidden[first : first + count])[: max(1, math.ceil(size / self.hop))])
            first += count
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)


class Waveform(_Model):
    """[B, N] of equal length -> [B, T, D]."""

    def __init__(self, model: nn.Module, extractor: Any, files: list[dict[str, Any]]) -> None:
        super().__init__(model, extractor, files)
        config = cast(Any, model).config
        self.output_dim = int(config.hidden_size)
        self.hop_size_in_ms = 1000 * math.prod(config.conv_stride) / self.sampling_rate
        self.field = 1  # samples that one frame sees
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
            self.field = (self.field - 1) * stride + kernel

    def forward(self, audio: Tensor) -> Tensor:
        whole = torch.full((len(audio),), audio.shape[1], device=audio.device)
        return cast(Tensor, self.model(self.prepared(audio, whole)).last_hidden_state)

    def prepared(self, audio: Tensor, lengths: Tensor) -> Tensor:
        """Each clip normalised over its own samples as the feature extractor does, zeros after it."""
        keep = torch.arange(audio.shape[1], device=audio.device) < lengths[:, None]
        if self.extractor.do_normalize:
            count = lengths[:, None]
            mean = (audio * keep).sum(1, keepdim=True) / count
            variance = ((audio - mean).square() * keep).sum(1, keepdim=True) / count
            audio = (audio - mean) / (variance + 1e-7).sqrt()
        return nn.functional.pad(audio * keep, (0, max(0, self.field - audio.shape[1]))).to(self.dtype)


class MaskedWaveform(Waveform):
    """[B, N] of any lengths -> [B, T, D]; padding is masked in the model."""

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            return super().forward(audio)
        values = self.prepared(audio, lengths.to(audio.device))
        heard = lengths.to(audio.device).clamp(min=self.field)  # at least one frame
        mask = (torch.arange(values.shape[1], device=audio.device) < heard[:, None]).long()
        with warnings.catch_warnings():  # WavLM's attention mixes two kinds of mask on purpose
            warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
            return cast(Tensor, self.model(values, attention_mask=mask).last_hidden_state)
