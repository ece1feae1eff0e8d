"""Every way of naming an encoder, and what a wrong name says."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
import torch

from bench.loading.sources import discover_encoders, resolve_encoder
from bench.types import ChoiceError, EncoderError, EncoderSpec
from tests.helpers import planted

BUNDLED = {name: EncoderSpec(name, lambda _: planted.Good()) for name in ("alpha", "beta")}  # type: ignore[arg-type,return-value]
SPECS = """
from bench.types import EncoderSpec
from tests.helpers.planted import Good, GoodWithoutLengths

def _load(device):
    return Good()

class HiddenEncoder(Good):
    pass

mine = EncoderSpec(name="my-encoder", load=_load, licence="MIT")
"""


def hf(text: str) -> EncoderSpec:
    return EncoderSpec(f"hf {text}", lambda _: planted.Good())  # type: ignore[arg-type,return-value]


def found(text: object) -> EncoderSpec:
    return resolve_encoder(str(text), BUNDLED, hf)


def test_bundled_hub_and_folder(tmp_path: Path) -> None:
    assert found("beta") is BUNDLED["beta"]
    assert found("hf:openai/whisper-base@abc").name == "hf openai/whisper-base@abc"
    (tmp_path / "config.json").write_text("{}")
    assert found(tmp_path).name == f"hf {tmp_path}"


@pytest.mark.parametrize("suffix", ["", ":MeanPowerEncoder"])
def test_xares_file_runs_unmodified(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "mean_power.py").write_text(planted.XARES_FILE)
    spec = found(f"{tmp_path}/mean_power.py{suffix}")
    assert (spec.name, spec.source) == ("MeanPowerEncoder", "mean_power.py")
    assert spec.load("cpu")(torch.randn(2, 3200)).shape == (2, 10, 8)


def test_xares_llm_file_runs_unmodified(tmp_path: Path) -> None:
    (tmp_path / "llm.py").write_text(planted.XARES_LLM_FILE)
    encoder = found(tmp_path / "llm.py").load("cpu")
    assert encoder.hop_size_in_ms == 40


def test_spec_in_a_file_wins_over_classes(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SPECS)
    spec = found(tmp_path / "a.py")
    assert (spec.name, spec.licence) == ("my-encoder", "MIT")
    assert not spec.load("cpu").training  # type: ignore[attr-defined]
    assert found(f"{tmp_path}/a.py:HiddenEncoder").name == "HiddenEncoder"
    assert found(f"{tmp_path}/a.py:mine").name == "my-encoder"


PLAIN = """
class Features:
    sampling_rate, output_dim, hop_size_in_ms = 16000, 1, 20.0

    def forward(self, audio):
        return audio[:, : audio.shape[1] // 320 * 320].reshape(len(audio), -1, 320).std(dim=2, keepdim=True)


def build():
    return Features()
"""


def test_a_plain_class_or_a_function_that_returns_one(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(PLAIN)
    for name in ("Features", "build"):
        assert found(f"{tmp_path}/plain.py:{name}").load("cpu")(torch.randn(2, 3200)).shape == (2, 10, 1)
    with pytest.raises(ChoiceError, match="got no encoder"):  # no name that ends in Encoder
        found(tmp_path / "plain.py")


def test_neighbours_of_a_file_can_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "neighbour_of_it.py").write_text(planted.XARES_FILE)
    (tmp_path / "b.py").write_text("from neighbour_of_it import MeanPowerEncoder as B\nclass BEncoder(B):\n    pass\n")
    assert found(tmp_path / "b.py").load("cpu").output_dim == 8


def test_module_and_name() -> None:
    assert found("tests.helpers.planted:Good").load("cpu").output_dim == 12
    for text, message in [
        ("tests.helpers.planted:Nothing", "got Nothing"),
        ("tests.helpers.planted:FAULTS", "got FAULTS"),
    ]:
        with pytest.raises(ChoiceError, match=message):
            found(text)
    with pytest.raises(EncoderError, match="No module named 'no_such_package'"):
        found("no_such_package.encoders:Mine")


@pytest.mark.parametrize(
    ("text", "got", "choices"),
    [
        ("class AEncoder: pass\nclass BEncoder: pass\n", "got 2 encoders", "there: AEncoder, BEncoder"),
        ("x = 1\n", "got no encoder", "none"),
        ("from tests.helpers.planted import Good as GoodEncoder\n", "got no encoder", "none"),
    ],
)
def test_ambiguous_or_empty_file(tmp_path: Path, text: str, got: str, choices: str) -> None:
    (tmp_path / "c.py").write_text(text)
    with pytest.raises(ChoiceError, match=got) as caught:
        found(tmp_path / "c.py")
    assert choices in str(caught.value)


def test_unknown_names_list_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ChoiceError, match="got 'gamma', expected one of alpha, beta; or hf:ID"):
        found("gamma")
    with pytest.raises(ChoiceError, match="a folder with config"):
        found(tmp_path)
    with pytest.raises(ChoiceError, match="an existing file"):
        found(tmp_path / "missing.py")
    (tmp_path / "d.py").write_text(planted.XARES_FILE)
    with pytest.raises(ChoiceError, match="got Wrong, expected one of: MeanPowerEncoder"):
        found(f"{tmp_path}/d.py:Wrong")


def test_faulty_files_say_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "e.py").write_text("def broken(:\n")
    with pytest.raises(EncoderError, match="SyntaxError"):
        found(tmp_path / "e.py")
    (tmp_path / "f.py").write_text("import no_such_library\n")
    with pytest.raises(EncoderError, match="No module named 'no_such_library'"):
        found(tmp_path / "f.py")
    (tmp_path / "g.py").write_text("class GEncoder:\n    def __init__(self, size): pass\n")
    with pytest.raises(EncoderError, match="missing 1 required positional argument: 'size'"):
        found(tmp_path / "g.py").load("cpu")
    (tmp_path / "h.py").write_text("class HEncoder:\n    def __call__(self, audio): pass\n")
    with pytest.raises(EncoderError, match="no sampling_rate, output_dim, hop_size_in_ms"):
        found(tmp_path / "h.py").load("cpu")


def test_discover_finds_what_is_bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs, factories = discover_encoders(Path(__file__).parents[2] / "encoders")
    assert {"logmel", "random_conv", "constant"} <= set(specs)
    assert {name for name, spec in specs.items() if spec.default} == {"logmel", "random_conv"}
    assert list(factories) == ["hf"]
    assert all(dataclasses.is_dataclass(spec) for spec in specs.values())
    folder = tmp_path / "doubled"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.py").write_text("from bench.types import EncoderSpec\nx = EncoderSpec('same', print)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ChoiceError, match="'same' twice"):
        discover_encoders(folder)
