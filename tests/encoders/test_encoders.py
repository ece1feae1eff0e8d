"""One contract for all bundled encoders: those without weights, and tiny random models of every transformers kind.

Encoders with published weights are held to their specs, and certified where the weights can be had.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.audio import torchaudio_safe
from bench.loading.adapt import accepts_lengths, adapt
from bench.loading.certificate import TOLERANCE, certify, make_signal, measure_difference
from bench.loading.fingerprint import compute_fingerprint
from bench.loading.frame_rule import count_valid_frames
from bench.loading.sources import discover_encoders
from bench.types import Certificate, Encoder, EncoderError, EncoderSpec, UnavailableError
from encoders import constant, hf, logmel, random_conv
from tests.helpers.skips import skip_without_weights

torchaudio_safe.install()

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
LAYER = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
TINY: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # name -> model, config, feature extractor
    "whisper": (
        "Whisper",
        {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_layers": 1,
         "decoder_attention_heads": 2, "decoder_ffn_dim": 24, "vocab_size": 60, "pad_token_id": 0, "bos_token_id": 1,
         "eos_token_id": 2, "decoder_start_token_id": 3, "max_target_positions": 8, "max_source_positions": 250},
        {"feature_size": 80, "chunk_length": 5},  # pieces of 5 s instead of 30
    ),
    "wav2vec2-layer": ("Wav2Vec2", SMALL | LAYER, {"return_attention_mask": True}),
    "wav2vec2-group": ("Wav2Vec2", SMALL, {}),
    "hubert-layer": ("Hubert", SMALL | LAYER, {"return_attention_mask": True}),
    "hubert-group": ("Hubert", SMALL, {}),
    "wavlm-layer": ("WavLM", SMALL | LAYER, {"return_attention_mask": True}),
    "wavlm-group-raw": ("WavLM", SMALL, {"do_normalize": False}),
    "data2vec-audio": ("Data2VecAudio", SMALL | {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 5}, {}),
}  # fmt: skip
SPECS, _ = discover_encoders(Path(__file__).parents[2] / "encoders")
BUNDLED = {name: spec for name, spec in SPECS.items() if spec.load_weights is None and not spec.extra}
PUBLISHED = {name: spec for name, spec in SPECS.items() if spec.load_weights is not None}
NAMES = [*BUNDLED, *TINY]
PADDED = {"constant", "logmel", "random_conv", "whisper", "wav2vec2-layer", "hubert-layer", "wavlm-layer"}
"""Encoders that take ``lengths``; another bundled one may or may not."""
KNOWN = PADDED | set(TINY)


def save(folder: Path, name: str, seed: int = 0) -> Path:
    """A random model of one kind, as a hub folder."""
    import transformers

    kind, config, extractor = TINY[name]
    torch.manual_seed(seed)
    model = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**config))
    for parameter in model.parameters():  # so that every part of the model matters
        nn.init.normal_(parameter, std=0.2)
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    processor = transformers.WhisperFeatureExtractor if kind == "Whisper" else transformers.Wav2Vec2FeatureExtractor
    processor(**extractor).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = save(tmp_path_factory.mktemp("models") / name, name)
        return made[name]

    return folder


@pytest.fixture(scope="session")
def loaded(folders: Callable[[str], Path]) -> Callable[[str], tuple[EncoderSpec, Encoder, Certificate]]:
    made: dict[str, tuple[EncoderSpec, Encoder, Certificate]] = {}

    def load(name: str) -> tuple[EncoderSpec, Encoder, Certificate]:
        if name not in made:
            spec = BUNDLED[name] if name in BUNDLED else hf.build_spec(str(folders(name)))
            encoder = adapt(spec.load("cpu"))
            made[name] = spec, encoder, certify(encoder)
        return made[name]

    return load


Loaded = Callable[[str], tuple[EncoderSpec, Encoder, Certificate]]
every = pytest.mark.parametrize("name", NAMES)


def clips(*seconds: float, rate: int = 16_000) -> list[Tensor]:
    return [make_signal(int(rate * s), seed=i) * (i + 1) for i, s in enumerate(seconds)]


@every
def test_certificate(name: str, loaded: Loaded) -> None:
    _, encoder, certificate = loaded(name)
    failed = {check.name: check.measured for check in certificate.checks if not check.passed}
    assert failed == ({"whole clip used": "end of the clip ignored"} if name == "constant" else {})
    assert certificate.policy == ("padded" if accepts_lengths(encoder) else "equal_length")
    assert certificate.first_frame_in_samples is not None


@every
def test_spec_and_contract(name: str, loaded: Loaded) -> None:
    spec, encoder, _ = loaded(name)
    assert spec.name == name
    assert spec.source
    assert spec.default == (name in {"logmel", "random_conv"})
    assert encoder.sampling_rate == (spec.sampling_rate or 16_000)
    assert isinstance(encoder, nn.Module)
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    if name in KNOWN:
        assert accepts_lengths(encoder) == (name in PADDED)
    assert inspect.getdoc(type(encoder))


@every
def test_alone_or_in_any_batch(name: str, loaded: Loaded) -> None:
    _, encoder, certificate = loaded(name)
    padded = accepts_lengths(encoder)
    seconds = (0.02, 1.3, 0.4003, 2.2) if padded else (1.3,) * 4
    some = clips(*seconds, rate=encoder.sampling_rate)
    lengths = torch.tensor([len(clip) for clip in some])
    batch = nn.utils.rnn.pad_sequence(some, batch_first=True)
    with torch.inference_mode():
        together = encoder(batch, lengths) if padded else encoder(batch)
        for clip, row in zip(some, together, strict=True):
            alone = encoder(clip[None])[0]
            assert len(alone) == count_valid_frames(certificate, len(clip))
            assert measure_difference(alone, row[: len(alone)]) <= TOLERANCE
            assert alone.dtype == torch.float32


@every
def test_input_and_random_state_are_left_alone_and_copies_agree(name: str, loaded: Loaded) -> None:
    spec, encoder, _ = loaded(name)
    torch.manual_seed(5)
    audio = torch.rand(2, 8000)
    before, state = audio.clone(), torch.get_rng_state()
    with torch.inference_mode():
        first, second = encoder(audio), copy.deepcopy(encoder)(audio)
    assert torch.equal(audio, before)
    assert torch.equal(first, second)
    if name in BUNDLED:
        spec.load("cpu")
    assert torch.equal(torch.get_rng_state(), state)


@every
def test_fingerprint_follows_the_weights(name: str, loaded: Loaded) -> None:
    spec, encoder, _ = loaded(name)
    again = spec.load("cpu")
    assert compute_fingerprint(adapt(again)) == compute_fingerprint(encoder)
    assert isinstance(again, nn.Module)
    tensor = next(value for value in again.state_dict().values() if isinstance(value, Tensor))
    tensor.view(-1)[0] += 1
    assert compute_fingerprint(adapt(again)) != compute_fingerprint(encoder)


# ----------------------------------------------------------------------------------------------- published weights


@pytest.mark.parametrize("name", PUBLISHED)
def test_spec_of_published_weights(name: str) -> None:
    spec = PUBLISHED[name]
    assert spec.name == name
    assert spec.source.startswith("https://") or spec.source.endswith(" on the Hugging Face hub")  # no pin, no link
    assert spec.licence
    assert spec.trained_on
    assert not spec.default


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_are_certified_where_they_can_be_had(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    try:
        encoder = adapt(PUBLISHED[name].load("cpu"))
    except UnavailableError as error:
        skip_without_weights(name, error)
    assert certify(encoder).passed


# ------------------------------------------------------------------------------------------------- without weights


def test_mel_filters_are_those_of_transformers() -> None:
    from transformers.audio_utils import mel_filter_bank

    wanted = mel_filter_bank(257, 64, 0.0, 8000.0, 16_000, norm=None, mel_scale="htk")
    np.testing.assert_allclose(logmel.compute_mel_filters(), wanted, atol=1e-9)


def test_logmel_pools_to_mean_and_standard_deviation() -> None:
    (clip,) = clips(1.0)
    pooled = logmel.load("cpu")(clip[None])[0].mean(dim=0).numpy()
    x = clip.double().numpy()
    window = np.hanning(401)[:400]
    frames = np.stack([x[i : i + 400] * window for i in range(0, len(x) - 399, 160)])
    mel = np.log(np.abs(np.fft.rfft(frames, 512)) ** 2 @ logmel.compute_mel_filters() + 1e-6)
    np.testing.assert_allclose(pooled, np.concatenate([mel.mean(0), mel.std(0)]), atol=1e-4)


def test_random_conv_is_a_strided_convolution() -> None:
    encoder = random_conv.load("cpu")
    (clip,) = clips(0.5)
    hidden = clip[None, None]
    for weight, (inputs, outputs, kernel, stride) in zip(encoder.weights, random_conv.LAYERS, strict=True):
        # rows are (kernel, inputs), except in the first layer, where inputs = 1
        conv = weight.T.reshape(outputs, kernel, inputs).transpose(1, 2)
        hidden = nn.functional.conv1d(hidden, conv, stride=stride)
        hidden = nn.functional.gelu(nn.functional.layer_norm(hidden.transpose(1, 2), (outputs,))).transpose(1, 2)
    assert measure_difference(hidden[0].T, encoder(clip[None])[0]) <= TOLERANCE


def test_random_conv_first_weights_are_fixed() -> None:
    first = random_conv.load("cpu").weights[0]
    assert [round(float(value), 5) for value in first.flatten()[:3]] == [0.72179, -0.2648, -0.11485]
    assert float(first.square().mean()) == pytest.approx(2 / 10, rel=0.1)  # He: 2 / fan-in


def test_constant_is_constant() -> None:
    encoder = constant.load("cpu")
    assert torch.equal(encoder(torch.randn(1, 3200)), encoder(torch.zeros(1, 3200)))


# ----------------------------------------------------------------------------------------------------- transformers


def own_whisper(encoder: Any, clip: Tensor) -> Tensor:
    mel = encoder.extractor(clip.numpy(), sampling_rate=16_000, return_tensors="pt").input_features
    hidden: Tensor = encoder.model(mel).last_hidden_state[0]
    return hidden


def test_whisper_is_the_model_s_own_cut_to_the_clip(loaded: Loaded) -> None:
    _, encoder, _ = loaded("whisper")
    with torch.inference_mode():
        for clip in clips(0.5001, 4.99, 5.0):
            wanted = own_whisper(encoder, clip)[: -(-len(clip) // 320)]
            assert measure_difference(wanted, encoder(clip[None])[0]) <= TOLERANCE


def test_whisper_encodes_long_clips_in_pieces(loaded: Loaded) -> None:
    _, encoder, certificate = loaded("whisper")
    long, short = clips(51.7, 3.0)
    wanted = torch.cat([own_whisper(encoder, piece) for piece in long.split(80_000)])[
        : count_valid_frames(certificate, len(long))
    ]
    batch = nn.utils.rnn.pad_sequence([short, long], batch_first=True)
    with torch.inference_mode():
        output = encoder(batch, torch.tensor([len(short), len(long)]))
    assert output.shape == (2, 2585, 16)
    assert measure_difference(wanted, output[1]) <= TOLERANCE
    assert measure_difference(own_whisper(encoder, short)[:150], output[0, :150]) <= TOLERANCE


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # WavLM, called directly
@pytest.mark.parametrize("name", [name for name in TINY if name != "whisper"])
def test_waveform_models_agree_with_their_own_feature_extractor(name: str, loaded: Loaded) -> None:
    _, found, certificate = loaded(name)
    encoder: Any = found
    some = clips(1.0, 0.6) if name in PADDED else clips(1.0, 1.0)
    inputs = encoder.extractor([clip.numpy() for clip in some], sampling_rate=16_000, padding=True, return_tensors="pt")
    assert ("attention_mask" in inputs) == (name in PADDED)
    batch = nn.utils.rnn.pad_sequence(some, batch_first=True)
    lengths = torch.tensor([len(clip) for clip in some])
    with torch.inference_mode():
        wanted = encoder.model(**inputs).last_hidden_state
        output = encoder(batch, lengths) if name in PADDED else encoder(batch)
    assert torch.allclose(encoder.prepare(batch, lengths), inputs["input_values"], atol=1e-4)
    for row, mine, clip in zip(wanted, output, some, strict=True):
        t = count_valid_frames(certificate, len(clip))
        assert nn.functional.cosine_similarity(row[:t], mine[:t]).min() > 0.9999
        assert measure_difference(row[:t], mine[:t]) <= 1e-4


def test_config_enters_the_fingerprint(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = save(tmp_path / "one", "wav2vec2-group", seed=0)
    before = compute_fingerprint(adapt(hf.load(str(folder), None, "cpu")))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "architectures": ["Other"], "_name_or_path": "elsewhere"})
    )
    assert compute_fingerprint(adapt(hf.load(str(folder), None, "cpu"))) == before
    (folder / "config.json").write_text(json.dumps({**config, "num_attention_heads": 4}))
    assert compute_fingerprint(adapt(hf.load(str(folder), None, "cpu"))) != before


def test_names_and_revisions(tmp_path: Path) -> None:
    spec = hf.build_spec("openai/whisper-base@abc123")
    assert (spec.name, spec.revision, spec.source) == (
        "whisper-base",
        "abc123",
        "https://huggingface.co/openai/whisper-base",
    )
    (tmp_path / "a@b").mkdir()
    spec = hf.build_spec(str(tmp_path / "a@b"))
    assert (spec.name, spec.revision, spec.source) == ("a@b", "", "a@b")


def test_other_models_are_refused_with_the_list(tmp_path: Path, folders: Callable[[str], Path]) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(
        EncoderError, match="got bert, expected one of whisper, wav2vec2, hubert, wavlm, data2vec-audio"
    ):
        hf.build_spec(str(tmp_path)).load("cpu")
    (tmp_path / "config.json").write_text('{"model_type": "wav2vec2", "add_adapter": true}')
    with pytest.raises(EncoderError, match="wav2vec2 with an adapter"):
        hf.build_spec(str(tmp_path)).load("cpu")


@pytest.mark.parametrize("lost", ["preprocessor_config.json", "model.safetensors", "config.json"])
def test_incomplete_folder(tmp_path: Path, lost: str) -> None:
    folder = save(tmp_path / "model", "hubert-group")
    (folder / lost).unlink()
    with pytest.raises(EncoderError, match=r"expected a hub id or folder with config\.json, preprocessor_config\.json"):
        hf.build_spec(str(folder)).load("cpu")


def test_weights_in_torch_s_format_are_read_without_code(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = save(tmp_path / "model", "hubert-group")
    before = compute_fingerprint(adapt(hf.build_spec(str(folder)).load("cpu")))
    stored = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(stored, folder / "pytorch_model.bin")
    assert compute_fingerprint(adapt(hf.build_spec(str(folder)).load("cpu"))) == before

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w').close()",))

    torch.save({**stored, "masked_spec_embed": Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="transformers model"):
        hf.build_spec(str(folder)).load("cpu")
    assert not (tmp_path / "ran").exists()


def test_lost_weights_are_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save(tmp_path / "model", "hubert-group")
    stored = load_file(folder / "model.safetensors")
    del stored["encoder.layers.1.attention.q_proj.weight"]
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match=r"missing weights: got encoder\.layers\.1\.attention\.q_proj\.weight"):
        hf.build_spec(str(folder)).load("cpu")


def test_offline_looks_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    seen: dict[str, Any] = {}

    def from_pretrained(identity: str, **options: Any) -> None:
        seen.update(options)
        raise OSError("not in the cache")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(transformers.PreTrainedConfig, "get_config_dict", from_pretrained)
    with pytest.raises(EncoderError, match="not in the cache"):
        hf.build_spec("someone/something@v1").load("cpu")
    assert seen == {"revision": "v1", "local_files_only": True}
