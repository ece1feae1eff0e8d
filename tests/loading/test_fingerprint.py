"""Two encoders have one fingerprint exactly when weights, wrapper source and contract are equal."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.loading.adapt import adapt
from bench.loading.fingerprint import compute_fingerprint
from bench.types import Encoder, EncoderError
from tests.helpers import planted


def loaded(path: Path, text: str, name: str) -> Encoder:
    path.write_bytes(text.encode())
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    exec(compile(path.read_text(), path, "exec"), vars(module))  # not a cached .pyc of the second before
    return adapt(getattr(module, name)())


def test_it_is_a_sha256_and_stable() -> None:
    first = compute_fingerprint(adapt(planted.Good()))
    assert len(bytes.fromhex(first)) == 32
    assert compute_fingerprint(adapt(planted.Good())) == first


def test_file_name_and_line_ends_do_not_enter_but_the_chosen_class_does(tmp_path: Path) -> None:
    text = planted.XARES_FILE
    a = compute_fingerprint(loaded(tmp_path / "one.py", text, "MeanPowerEncoder"))
    assert compute_fingerprint(loaded(tmp_path / "two.py", text.replace("\n", "\r\n"), "MeanPowerEncoder")) == a
    both = text + "\n\nclass OtherEncoder(MeanPowerEncoder):\n    pass\n"
    c = loaded(tmp_path / "three.py", both, "MeanPowerEncoder")
    d = loaded(tmp_path / "four.py", both, "OtherEncoder")
    assert len({compute_fingerprint(c), compute_fingerprint(d), a}) == 3


def test_a_setting_beside_the_weights_enters() -> None:
    deep, shallow = planted.Good(), planted.Good()
    shallow.layer = 6  # type: ignore[assignment]
    deep.layer = 12  # type: ignore[assignment]
    assert compute_fingerprint(deep) != compute_fingerprint(shallow)
    deep.layer = 6  # type: ignore[assignment]
    assert compute_fingerprint(deep) == compute_fingerprint(shallow)
    deep.weights_path = "/somewhere/weights.pt"  # type: ignore[assignment]
    assert compute_fingerprint(deep) == compute_fingerprint(shallow)


def test_source_of_the_wrapper_and_of_its_bases_enters(tmp_path: Path) -> None:
    text = planted.XARES_FILE
    a = compute_fingerprint(loaded(tmp_path / "fa.py", text, "MeanPowerEncoder"))
    assert compute_fingerprint(loaded(tmp_path / "fb.py", text.replace(".abs()", ".square()"), "MeanPowerEncoder")) != a


def test_source_of_a_base_class_in_another_file_enters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = "from the_base import MeanPowerEncoder\nclass ChildEncoder(MeanPowerEncoder):\n    pass\n"
    prints = set()
    for base in (planted.XARES_FILE, planted.XARES_FILE.replace(".abs()", ".square()")):
        loaded(tmp_path / "the_base.py", base, "MeanPowerEncoder")
        monkeypatch.setitem(sys.modules, "the_base", sys.modules["the_base"])
        prints.add(compute_fingerprint(loaded(tmp_path / "child.py", child, "ChildEncoder")))
    assert len(prints) == 2


def test_adapter_and_its_encoder_s_source(tmp_path: Path) -> None:
    text = planted.XARES_LLM_FILE
    a = compute_fingerprint(loaded(tmp_path / "la.py", text, "MaskedPowerEncoder"))
    assert a == compute_fingerprint(loaded(tmp_path / "lb.py", text, "MaskedPowerEncoder"))
    assert a != compute_fingerprint(loaded(tmp_path / "lc.py", text + "# changed\n", "MaskedPowerEncoder"))


@pytest.mark.parametrize("name", ["sampling_rate", "output_dim", "hop_size_in_ms"])
def test_contract_enters(name: str) -> None:
    encoder = planted.Good()
    before = compute_fingerprint(adapt(encoder))
    setattr(encoder, name, getattr(encoder, name) * 2)
    assert compute_fingerprint(adapt(encoder)) != before


def test_contract_attributes_of_any_number_type_are_equal() -> None:
    encoder = planted.Good()
    before = compute_fingerprint(adapt(encoder))
    encoder.hop_size_in_ms, encoder.sampling_rate = 10, 16000.0  # type: ignore[assignment]
    assert compute_fingerprint(adapt(encoder)) == before


@given(
    st.sampled_from(
        [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool]
    ),
    st.integers(0, 11),
)
@settings(max_examples=25)
def test_every_element_of_every_dtype_enters(dtype: torch.dtype, index: int) -> None:
    def with_buffer(values: Tensor) -> str:
        encoder = planted.Good()
        encoder.register_buffer("extra", values)
        return compute_fingerprint(adapt(encoder))

    values = torch.zeros(3, 4, dtype=dtype)
    before = with_buffer(values)
    assert with_buffer(values.clone()) == before
    assert with_buffer(torch.zeros(4, 3, dtype=dtype).T) == before  # the same tensor, laid out differently
    assert with_buffer(values.reshape(4, 3)) != before
    values.view(-1)[index] = 1
    assert with_buffer(values) != before


def test_dtype_name_scalar_and_empty_tensor_enter() -> None:
    prints = set()
    for name, values in [
        ("a", torch.zeros(2, dtype=torch.int32)),
        ("a", torch.zeros(2, dtype=torch.float32)),
        ("b", torch.zeros(2, dtype=torch.float32)),
        ("a", torch.zeros(())),
        ("a", torch.zeros(0)),
    ]:
        encoder = planted.Good()
        encoder.register_buffer(name, values)
        prints.add(compute_fingerprint(adapt(encoder)))
    assert len(prints) == 5


def test_extra_state_enters() -> None:
    class Extra(planted.Good):
        note = "a"

        def get_extra_state(self) -> str:
            return self.note

    encoder = Extra()
    before = compute_fingerprint(adapt(encoder))
    encoder.note = "b"
    assert compute_fingerprint(adapt(encoder)) != before


class Hidden:
    """Weights in a closure, as with ONNX: ``state_dict`` shows nothing."""

    sampling_rate, output_dim, hop_size_in_ms = 16_000, 12, 10.0

    def __init__(self, scale: float) -> None:
        inner = planted.Good()
        self.run = lambda audio: inner(audio) * scale

    def __call__(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        output: Tensor = self.run(audio)
        return output


def test_hidden_weights_are_seen_through_a_probe_signal() -> None:
    first = compute_fingerprint(adapt(Hidden(1.0)))
    assert compute_fingerprint(adapt(Hidden(1.0))) == first
    assert compute_fingerprint(adapt(Hidden(1.0000001))) == first  # rounding noise of another machine
    assert compute_fingerprint(adapt(Hidden(1.1))) != first
    assert len(bytes.fromhex(compute_fingerprint(adapt(Hidden(0.0))))) == 32
    assert compute_fingerprint(adapt(Hidden(float("nan")))) != first


def test_hidden_weights_and_a_failing_probe() -> None:
    class Failing(nn.Module):
        sampling_rate, output_dim, hop_size_in_ms = 16_000, 12, 10.0

        def forward(self, audio: Tensor) -> Tensor:
            raise ValueError("no session")

    with pytest.raises(EncoderError, match="no session"):
        compute_fingerprint(adapt(Failing()))


PART = """
from torch import nn

class Part(nn.Module):
    def forward(self, x):
        return x + {added}
"""
WHOLE = """
from torch import nn
from shared_part import Part
from tests.helpers.planted import Good

class Whole(Good):
    def __init__(self):
        super().__init__()
        self.part = Part()
"""


def test_the_files_of_its_parts_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transformer block that several encoder files share: its change is a change of each of them."""
    prints = []
    for place, added in enumerate((0, 1, 0)):
        folder = tmp_path / str(place)
        folder.mkdir()
        (folder / "shared_part.py").write_text(PART.format(added=added))
        monkeypatch.syspath_prepend(folder)
        sys.modules.pop("shared_part", None)
        prints.append(compute_fingerprint(loaded(folder / "whole.py", WHOLE, "Whole")))
    sys.modules.pop("shared_part", None)
    assert prints[0] == prints[2] != prints[1]
