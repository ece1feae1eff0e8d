"""Spectrogram models, audio towers and MERT: tiny random ones against their own forward with the authors' processor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.audio import torchaudio_safe
from bench.loading.adapt import adapt
from bench.loading.certificate import TOLERANCE, certify, make_signal, measure_difference
from bench.loading.fingerprint import compute_fingerprint
from bench.loading.frame_rule import count_valid_frames
from bench.types import EncoderError
from encoders import hf
from encoders.parts import hf_towers

torchaudio_safe.install()

AUDIO = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 24, "num_mel_bins": 80}
FLAMINGO = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
TEXT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
        "intermediate_size": 16, "vocab_size": 40}  # fmt: skip
SWIN = {"patch_embeds_hidden_size": 8, "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2],
        "hidden_size": 64, "num_hidden_layers": 4}  # fmt: skip
BERT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 40}
HUBERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
          "conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}  # fmt: skip
WHISPER = ("WhisperFeatureExtractor", {"feature_size": 80, "chunk_length": 5})
TINY: dict[str, tuple[str, dict[str, Any], tuple[str, dict[str, Any]]]] = {
    "w2v-bert": ("Wav2Vec2Bert", {**BERT, "num_hidden_layers": 2}, ("SeamlessM4TFeatureExtractor", {})),
    "ast": ("AST", {**BERT, "num_hidden_layers": 2, "max_length": 256}, ("ASTFeatureExtractor", {"max_length": 256})),
    "clap": ("Clap", {"audio_config": SWIN, "text_config": BERT},
             ("ClapFeatureExtractor", {"truncation": "rand_trunc"})),
    "clap-fused": ("Clap", {"audio_config": {**SWIN, "enable_fusion": True}, "text_config": BERT},
                   ("ClapFeatureExtractor", {"truncation": "fusion"})),
    "qwen2-audio": ("Qwen2Audio", {"audio_config": {**AUDIO, "max_source_positions": 250}, "text_config": TEXT},
                    WHISPER),
    "af3": ("AudioFlamingo3", {"audio_config": {**AUDIO, **FLAMINGO, "max_source_positions": 250},
                               "text_config": TEXT}, WHISPER),
    "voxtral": ("Voxtral", {"audio_config": {**AUDIO, **FLAMINGO, "max_source_positions": 250},
                            "text_config": TEXT}, WHISPER),
    "omni": ("Qwen2_5Omni", {"thinker_config": {"audio_config": {**AUDIO, "output_dim": 12}, "text_config": TEXT}},
             ("WhisperFeatureExtractor", {"feature_size": 80, "chunk_length": 300})),
    "mert": ("Hubert", HUBERT, ("Wav2Vec2FeatureExtractor", {"sampling_rate": 24_000, "do_normalize": True})),
}  # fmt: skip
RULES = {  # name -> batches, hop and first frame in samples
    "w2v-bert": ("padded", 320, 560),
    "ast": ("padded", 1600, 2800),
    "clap": ("padded", 15_000, 1),
    "clap-fused": ("padded", 15_000, 1),
    "qwen2-audio": ("padded", 640, 321),
    "af3": ("padded", 640, 321),
    "voxtral": ("padded", 320, 1),
    "omni": ("padded", 640, 321),
    "mert": ("equal_length", 320, 400),
}
PIECES = {"ast": 25 * 1600, "clap": 480_000, "qwen2-audio": 80_000, "af3": 80_000, "voxtral": 80_000}
"""samples from one piece to the next, for those that have short ones"""


def save(folder: Path, name: str) -> Path:
    """A random model as a hub folder, towers under the names that the published files use."""
    import transformers
    from safetensors.torch import save_file

    kind, values, (extractor, options) = TINY[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**values)
    if name in {"qwen2-audio", "af3", "voxtral", "omni"}:
        sub = config.thinker_config.audio_config if name == "omni" else config.audio_config
        tower = hf_towers.build_tower(sub)
        random(tower)
        config.save_pretrained(folder)
        prefix = "thinker.audio_tower." if name == "omni" else "audio_tower."
        tensors = {prefix + key: value.clone() for key, value in tower.state_dict().items()}
        save_file(tensors, folder / "one.safetensors")
        save_file({"language_model.x": torch.zeros(1)}, folder / "two.safetensors")
        where = {**dict.fromkeys(tensors, "one.safetensors"), "language_model.x": "absent.safetensors"}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    else:
        model = getattr(transformers, f"{kind}Model")(config)
        random(model)
        model.save_pretrained(folder)
    getattr(transformers, extractor)(**options).save_pretrained(folder)
    if name == "mert":
        written = json.loads((folder / "config.json").read_text())
        mert = {"model_type": "mert_model", "feature_extractor_cqt": False, "deepnorm": False, "attention_relax": 32.0}
        (folder / "config.json").write_text(json.dumps({**written, **mert, "auto_map": {"AutoModel": "x.MERTModel"}}))
    return folder


def random(model: nn.Module) -> None:
    for parameter in model.parameters():  # so that every part of the model matters
        nn.init.normal_(parameter, std=0.1)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    made: dict[str, Any] = {}

    def load(name: str) -> Any:
        if name not in made:
            made[name] = adapt(hf.build_spec(str(save(tmp_path_factory.mktemp("m") / name, name))).load("cpu"))
        return made[name]

    return load


Loaded = Callable[[str], Any]
every = pytest.mark.parametrize("name", TINY)


@every
def test_certificate(name: str, loaded: Loaded) -> None:
    certificate = certify(loaded(name))
    assert {c.name: c.measured for c in certificate.checks if not c.passed} == {}
    assert (certificate.policy, certificate.hop_in_samples, certificate.first_frame_in_samples) == RULES[name]


def own(name: str, encoder: Any, clip: Tensor) -> Tensor:
    """[T, D] of one clip, no longer than a piece, by the model's own forward and the authors' processor."""
    array, rate, model = clip.numpy(), encoder.sampling_rate, encoder.model
    extract = encoder.extractor
    if name == "clap":
        inputs = extract([array], sampling_rate=rate, return_tensors="pt")
        return model(**inputs).last_hidden_state[0].mean(1).T
    if name == "clap-fused":
        inputs = extract([array], sampling_rate=rate, return_tensors="pt")
        return model(inputs.input_features, is_longer=torch.tensor([[False]])).last_hidden_state[0].mean(1).T
    if name == "ast":
        hidden = model(**extract(array, sampling_rate=rate, return_tensors="pt")).last_hidden_state[0, 2:]
        return torch.stack([hidden[t::25].mean(0) for t in range(25)])
    if name in {"w2v-bert", "mert"}:
        inputs = extract(array, sampling_rate=rate, return_tensors="pt")
        output = model(**inputs).last_hidden_state[0]
        return output[: int(inputs.attention_mask.sum())] if name == "w2v-bert" else output
    inputs = extract(array, sampling_rate=rate, return_attention_mask=True, padding="max_length", return_tensors="pt")
    count = int(inputs.attention_mask.sum())
    if name == "omni":
        lengths = torch.tensor([count])
        return model(inputs.input_features[0, :, :count], feature_lens=lengths).last_hidden_state
    if name == "af3":
        return model(inputs.input_features, input_features_mask=inputs.attention_mask).last_hidden_state[0]
    if name == "voxtral":
        return model(inputs.input_features).last_hidden_state[0]
    blocked = torch.zeros(1, 1, 250, 250)
    blocked[..., (count - 1) // 2 + 1 :] = -np.inf
    return model(inputs.input_features, attention_mask=blocked).last_hidden_state[0]


def clips(encoder: Any, *seconds: float) -> list[Tensor]:
    return [make_signal(int(encoder.sampling_rate * s), seed=i) * (i + 1) for i, s in enumerate(seconds)]


@every
def test_agrees_with_the_model_s_own_forward(name: str, loaded: Loaded) -> None:
    encoder = loaded(name)
    with torch.inference_mode():
        for clip in clips(encoder, 2.5, 0.8321):
            mine = encoder(clip[None])[0]
            wanted = own(name, encoder, clip)[: len(mine)]
            assert wanted.shape == mine.shape
            assert nn.functional.cosine_similarity(wanted, mine).min() > 0.9999
            assert measure_difference(wanted, mine) <= TOLERANCE


@pytest.mark.parametrize("name", PIECES)
def test_long_clips_are_heard_in_pieces(name: str, loaded: Loaded) -> None:
    encoder, step = loaded(name), PIECES[name]
    (clip,) = clips(encoder, (2.4 * step) / encoder.sampling_rate)
    overlap = encoder.piece - step
    with torch.inference_mode():
        whole = encoder(clip[None])[0]
        parts = [own(name, encoder, clip[k : k + step + overlap]) for k in range(0, len(clip), step)]
    assert len(whole) == max(1, (len(clip) - RULES[name][2]) // RULES[name][1] + 1)
    wanted = torch.cat([part[: encoder.frames] for part in parts])[: len(whole)]
    assert measure_difference(wanted, whole) <= TOLERANCE


@pytest.mark.parametrize("name", [name for name in TINY if name != "mert"])
def test_alone_or_in_any_batch(name: str, loaded: Loaded) -> None:
    encoder = loaded(name)
    some = clips(encoder, 0.01, 1.3, 0.4003, 2.2)
    lengths = torch.tensor([len(clip) for clip in some])
    with torch.inference_mode():
        together = encoder(nn.utils.rnn.pad_sequence(some, batch_first=True), lengths)
        for clip, row in zip(some, together, strict=True):
            alone = encoder(clip[None])[0]
            assert len(alone) == max(1, (len(clip) - RULES[name][2]) // RULES[name][1] + 1)
            assert measure_difference(alone, row[: len(alone)]) <= TOLERANCE


@pytest.mark.parametrize("name", [name for name in TINY if name not in {"clap", "clap-fused", "omni"}])
def test_hidden_states_end_in_the_output(name: str, loaded: Loaded) -> None:
    encoder = loaded(name)
    (clip,) = clips(encoder, 4.3 if name == "w2v-bert" else 7.3)
    seen: list[Tensor] = []
    blocks = encoder.model.encoder.layers if name in {"w2v-bert", "mert"} else encoder.model.layers

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        seen.append(output[0] if isinstance(output, tuple) else output)

    hook = blocks[0].register_forward_hook(note)
    with torch.inference_mode():
        states, output = encoder.hidden_states(clip[None]), encoder(clip[None])
    hook.remove()
    assert len(states) == 3
    assert {state.shape for state in states} == {output.shape}
    assert torch.equal(states[-1], output)
    assert measure_difference(states[0][0], states[1][0]) > 1e-3
    if name in {"w2v-bert", "mert"}:
        assert torch.equal(states[1][0], seen[0][0, : output.shape[1]])
    if name == "voxtral":  # pieces of 5 s, joined
        assert torch.equal(states[1][0], seen[0].flatten(0, 1)[: output.shape[1]])


def test_clap_of_ten_seconds_pools_to_the_tower_s_own_output(loaded: Loaded) -> None:
    encoder = loaded("clap")
    (clip,) = clips(encoder, 10.0)
    with torch.inference_mode():
        inputs = encoder.extractor([clip.numpy()], sampling_rate=48_000, return_tensors="pt")
        wanted = encoder.model(**inputs).pooler_output[0]
        assert measure_difference(wanted[None], encoder(clip[None])[0].mean(0)[None]) <= TOLERANCE


def test_mert_with_more_than_hubert_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "mert", "mert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "feature_extractor_cqt": True}))
    with pytest.raises(EncoderError, match="got feature_extractor_cqt, expected MERT-v1"):
        hf.build_spec(str(folder)).load("cpu")


def test_a_tower_is_loaded_whole_and_follows_its_weights(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save(tmp_path / "qwen", "qwen2-audio")
    before = compute_fingerprint(adapt(hf.build_spec(str(folder)).load("cpu")))
    stored = load_file(folder / "one.safetensors")
    save_file({key: value.half() for key, value in stored.items()}, folder / "one.safetensors")
    loaded = hf.build_spec(str(folder)).load("cpu")
    assert loaded.dtype == torch.float32  # type: ignore[attr-defined]
    assert compute_fingerprint(adapt(loaded)) != before
    lost = stored.pop("audio_tower.layers.1.fc1.bias")
    save_file(stored, folder / "one.safetensors")
    with pytest.raises(EncoderError, match=r"missing weights: got layers\.1\.fc1\.bias"):
        hf.build_spec(str(folder)).load("cpu")
    save_file(
        {**stored, "audio_tower.layers.1.fc1.bias": lost, "audio_tower.more": lost.clone()}, folder / "one.safetensors"
    )
    with pytest.raises(EncoderError, match="unexpected weights: got more"):
        hf.build_spec(str(folder)).load("cpu")


def test_frames_follow_the_rule_of_the_certificate(loaded: Loaded) -> None:
    certificate = certify(loaded("qwen2-audio"))
    assert [count_valid_frames(certificate, n) for n in (1, 960, 961, 80_000)] == [1, 1, 2, 125]
