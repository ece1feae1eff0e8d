"""Microsoft's CLAP: its published tensors, its authors' output, its frames, its certificate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from bench.types import EncoderError, UnavailableError
from encoders import msclap
from tests.helpers import encoder_facts as recorded

FACTS = recorded.read_facts("msclap")["encoders"]
SPECS = {spec.name: spec for spec in (msclap.msclap_2022, msclap.msclap_2023)}
RENAME = {"msclap-2022": msclap.rename_cnn14, "msclap-2023": msclap.rename_htsat}
RULES = {"msclap-2022": (10_240, 9920), "msclap-2023": (9646, 29)}
both = pytest.mark.parametrize("name", SPECS)


def narrow(name: str) -> nn.Module:
    golden = FACTS[name]["golden"]
    if name == "msclap-2023":
        return msclap.Htsat(**golden["options"])
    return msclap.build_cnn14(dataclasses.replace(msclap.CNN14, channels=tuple(golden["channels"])))


def shapes(name: str, module: nn.Module) -> dict[str, tuple[int, ...]]:
    """The authors' names of the tensors that ``module`` has, with the shapes they have for the authors."""
    state, rename, found = module.state_dict(), RENAME[name], {}
    for theirs in recorded.expand_names(FACTS[name]["tensors"]):
        ours = rename(theirs.replace(".qkv.", ".query."))
        if ours not in state:
            continue
        rows, *rest = tuple(state[ours].shape) or (0,)
        joint, turned = ".qkv." in theirs, theirs.endswith(msclap.FILTERS)
        found[theirs] = (3 * rows, *rest) if joint else (*rest, rows) if turned else tuple(state[ours].shape)
    return found


def checkpoint(name: str, module: nn.Module) -> dict[str, Tensor]:
    """Planted weights under the authors' names, as the recorded answers were made with."""
    wanted = shapes(name, module)
    indices = {theirs for theirs in wanted if theirs.endswith("relative_position_index")}
    given = recorded.plant_weights({theirs: shape for theirs, shape in wanted.items() if theirs not in indices})
    given = {theirs: value.abs() if theirs.endswith(msclap.FILTERS) else value for theirs, value in given.items()}
    return given | {theirs: module.state_dict()[str(RENAME[name](theirs))] for theirs in indices}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Narrow encoders, loaded from files as the authors' are: inside ``model``, beside the text tower."""
    folder, found = tmp_path_factory.mktemp("msclap"), {}
    for name in SPECS:
        stored = {theirs.removeprefix("model."): value for theirs, value in checkpoint(name, narrow(name)).items()}
        beside = {"logit_scale": torch.ones(()), "caption_encoder.base.wte.weight": torch.ones(2, 2)}
        torch.save({"model": stored | beside}, folder / f"{name}.pth")
        path = folder / f"{name}.pth"
        found[name] = adapt(msclap.load_file(lambda name=name: narrow(name), RENAME[name], path, "cpu"))
    return found


@both
def test_published_tensors(name: str) -> None:
    names = recorded.expand_names(FACTS[name]["tensors"])
    spec = SPECS[name]
    with torch.device("meta"):
        module = msclap.build_cnn14() if name == "msclap-2022" else msclap.Htsat()
        given = msclap.read_published({theirs: torch.empty(shape) for theirs, shape in names.items()})
    renamed = {theirs: tuple(tensor.shape) for theirs, tensor in given.items()}
    recorded.assert_is_the_published_model(module, renamed, RENAME[name])
    said = (spec.sampling_rate, spec.output_dim, spec.hop_in_ms)
    encoder: Any = module
    assert said == (encoder.sampling_rate, encoder.output_dim, encoder.hop_size_in_ms)


@both
def test_the_authors_code_answers_the_same(name: str, loaded: dict[str, Any]) -> None:
    recorded.assert_cases(loaded[name], FACTS[name]["golden"]["cases"])


@both
def test_other_weights_are_refused(name: str, tmp_path: Path) -> None:
    given, path = checkpoint(name, narrow(name)), tmp_path / "w.pt"
    joint = next((theirs for theirs in given if ".qkv." in theirs), None)
    wrong: Sequence[tuple[Mapping[str, Tensor], str]] = [
        ({k: v for k, v in given.items() if not k.endswith(msclap.FILTERS)}, r"missing weights: got mel\.filters"),
        (given | {"model.audio_encoder.base.surprise": torch.ones(1)}, "unexpected weights: got surprise"),
        (given | {"surprise": torch.ones(1)}, "unexpected weights: got surprise"),
        *([({k: v for k, v in given.items() if k != joint}, "missing weights: got .*key")] if joint else []),
    ]
    for tensors, message in wrong:
        torch.save(dict(tensors), path)
        with pytest.raises(EncoderError, match=message):
            msclap.load_file(lambda: narrow(name), RENAME[name], path, "cpu")


@both
def test_certificate(name: str, loaded: dict[str, Any]) -> None:
    certificate = certify(loaded[name])
    assert {check.name: check.measured for check in certificate.checks if not check.passed} == {}
    assert certificate.policy == "padded"
    assert (certificate.hop_in_samples, certificate.first_frame_in_samples) == RULES[name]


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (9674, 1), (9675, 2), (308_700, 32), (308_701, 33)])
def test_pieces_of_seven_seconds(samples: int, frames: int, loaded: dict[str, Any]) -> None:
    """A frame counts from its 29th sample on, so that 7 s are one piece."""
    with torch.inference_mode():
        assert loaded["msclap-2023"](make_signal(samples, seed=1)[None]).shape[1] == frames


def test_the_second_piece_is_heard_as_a_clip_of_its_own(loaded: dict[str, Any]) -> None:
    clip = make_signal(400_000, seed=1)
    with torch.inference_mode():
        whole, first = loaded["msclap-2023"](clip[None])[0], loaded["msclap-2023"](clip[None, :308_700])[0]
        second = loaded["msclap-2023"](clip[None, 32 * 9646 :])[0]
    assert measure_difference(first, whole[:32]) < 1e-5
    assert measure_difference(second, whole[32:]) < 1e-5


def test_no_address_is_pinned() -> None:
    for spec in SPECS.values():
        with pytest.raises(UnavailableError, match="your own copy"):
            spec.load("cpu")
