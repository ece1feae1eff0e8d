"""musicnn: its published tensors, its authors' output, checkpoints of TensorFlow, its certificate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from bench.types import EncoderError
from encoders import musicnn
from encoders.parts import tensorflow_checkpoint
from tests.helpers import encoder_facts as recorded

FACTS = recorded.read_facts("musicnn")
WRITTEN: dict[str, Any] = json.loads((recorded.FOLDER.parent / "tensorflow_checkpoint.json").read_text())
INDEX, DATA = (bytes.fromhex(WRITTEN[part]) for part in ("index", "data"))
NAMES = {  # shapes as torch has them
    name: (shape[3], shape[2], shape[0], shape[1]) if len(shape) == 4 else tuple(shape)
    for name, shape in FACTS["tensors"].items()
}


@pytest.fixture(scope="module")
def filled() -> musicnn.Musicnn:
    module = musicnn.Musicnn()
    module.load_state_dict(recorded.plant_weights({name: value.shape for name, value in module.state_dict().items()}))
    return module.eval().requires_grad_(False)


def test_published_tensors() -> None:
    recorded.assert_is_the_published_model(musicnn.Musicnn(), NAMES, musicnn.rename)
    for spec in (musicnn.musicnn_mtt, musicnn.musicnn_msd):
        assert (spec.sampling_rate, spec.output_dim, spec.hop_in_ms) == (16_000, 753, 16)


def test_other_weights_are_refused() -> None:
    recorded.assert_other_weights_are_refused(musicnn.Musicnn(), NAMES, musicnn.rename)


def test_the_authors_graph_answers_the_same() -> None:
    recorded.assert_golden(musicnn.Musicnn(), NAMES, musicnn.rename, FACTS["golden"])


def test_certificate(filled: musicnn.Musicnn) -> None:
    certificate = certify(adapt(filled))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "padded"
    assert (certificate.hop_in_samples, certificate.first_frame_in_samples) == (256, 0)


def test_hidden_layers_are_the_parts_of_a_frame(filled: musicnn.Musicnn) -> None:
    audio = torch.stack([make_signal(8000, seed=1), torch.nn.functional.pad(make_signal(3000, seed=2), (0, 5000))])
    lengths = torch.tensor([8000, 3000])
    layers = filled.hidden_states(audio, lengths)
    assert [layer.shape for layer in layers] == [(2, 32, 561), *[(2, 32, 64)] * 3]
    assert torch.equal(torch.cat(layers, 2), filled(audio, lengths))
    assert measure_difference(filled(audio[1:, :3000])[0], filled(audio, lengths)[1, :12]) < 1e-5


def test_loud_tones_stay_finite(filled: musicnn.Musicnn) -> None:
    assert filled(torch.sin(torch.arange(8000) * 0.3)[None]).isfinite().all()


# ------------------------------------------------------------------------------------------------------ checkpoints


def written(folder: Path, index: bytes = INDEX, data: bytes = DATA) -> Path:
    (folder / "w.index").write_bytes(index)
    (folder / "w.data-00000-of-00001").write_bytes(data)
    return folder


def test_what_tensorflow_wrote_is_read(tmp_path: Path) -> None:
    found = tensorflow_checkpoint.read_tensors(written(tmp_path), "w")
    assert {name: value.tolist() for name, value in found.items()} == WRITTEN["tensors"]


def test_kernels_are_turned(tmp_path: Path) -> None:
    for file in written(tmp_path).glob("w.*"):
        file.rename(tmp_path / file.name.removeprefix("w"))
    kernel = musicnn.read_published(tmp_path)["model/conv2d/kernel"]
    wanted = torch.tensor(WRITTEN["tensors"]["model/conv2d/kernel"])  # [height 1, width 2, in 2, out 3]
    assert kernel.shape == (3, 2, 1, 2)
    assert all(kernel[o, i, 0, w] == wanted[0, w, i, o] for o in range(3) for i in range(2) for w in range(2))


@given(at=st.integers(0, len(INDEX) - 1), byte=st.integers(0, 255), end=st.integers(0, len(INDEX)))
@settings(max_examples=300)
def test_a_damaged_index_is_an_error_or_another_index(
    at: int, byte: int, end: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    damaged = INDEX[:at] + bytes([byte]) + INDEX[at + 1 :]
    for index in (damaged, damaged[end:], damaged[:end]):
        try:
            found = tensorflow_checkpoint.read_tensors(written(folder, index), "w")
        except EncoderError as error:
            assert "an index of TensorFlow" in str(error)  # noqa: PT017
        else:
            assert all(value.numel() * 4 <= len(DATA) for value in found.values())


def test_files_that_are_missing_or_short_are_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"expected w\.index and w\.data-00000-of-00001"):
        tensorflow_checkpoint.read_tensors(tmp_path, "w")
    with pytest.raises(EncoderError, match="bytes at"):
        tensorflow_checkpoint.read_tensors(written(tmp_path, data=DATA[:-30]), "w")
    with pytest.raises(EncoderError, match="missing weights"):
        musicnn.load_weights("MTT", _unnamed(tmp_path), "cpu")


def _unnamed(folder: Path) -> Path:
    """A folder in which a checkpoint of nothing that musicnn has lies under its authors' file names."""
    (folder / "own").mkdir()
    (folder / "own" / ".index").write_bytes(INDEX.replace(b"model/", b"dense/").replace(b"step", b"stop"))
    (folder / "own" / ".data-00000-of-00001").write_bytes(DATA)
    return folder / "own"
