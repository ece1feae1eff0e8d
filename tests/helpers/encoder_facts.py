"""What is recorded of published checkpoints (tests/facts/encoders/*.json), and how encoders are held against it.

A file has, per encoder, ``tensors``: the authors' names with ranges in braces, and shapes; where that was read
(``derived_from``); and where the authors' own code could be run, ``golden``: its output with the weights of ``planted``
on a fixed signal.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.audio import torchaudio_safe
from bench.loading.certificate import make_signal
from bench.types import EncoderError
from encoders.parts.weights import fill

FOLDER = Path(__file__).parents[1] / "facts" / "encoders"
Rename = Callable[[str], str | None]
ROUNDING = 4 * torch.finfo(torch.float32).eps


def read_facts(family: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{family}.json").read_text())
    return found


def expand_names(tensors: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    """``blocks.{0-2}.norm.weight`` stands for three names."""
    names: dict[str, tuple[int, ...]] = {}
    for pattern, shape in tensors.items():
        ranges = re.findall(r"\{(\d+)-(\d+)\}", pattern)
        todo = [pattern]
        for low, high in ranges:
            todo = [
                name.replace(f"{{{low}-{high}}}", str(i), 1) for name in todo for i in range(int(low), int(high) + 1)
            ]
        names |= dict.fromkeys(todo, tuple(shape))
    return names


def plant_weights(shapes: Mapping[str, Sequence[int]], gain: float = 1.0) -> dict[str, Tensor]:
    """Make weights from the names and shapes alone, different everywhere, scaled by fan-in.

    Activations should stay near 1, as trained networks keep them, or rounding grows from layer to layer: where they
    grow, take a ``gain`` below 1. Where the output hardly depends on the input, take one above 1.
    """
    made = {}
    for i, name in enumerate(sorted(shapes)):
        shape = tuple(shapes[name])
        n = math.prod(shape)
        if name.endswith("num_batches_tracked"):
            made[name] = torch.tensor(1)
            continue
        wave = np.sin(1.3 * i + 0.37 * np.arange(n) + 0.001 * np.arange(n) ** 1.5)
        fan = max(1, math.prod(shape[1:]))
        value = (
            1 + 0.3 * wave
            if name.endswith(("running_var", "moving_variance")) or (len(shape) == 1 and "weight" in name)
            else None
        )
        if value is None:
            value = wave * (1.5 * gain / math.sqrt(fan) if len(shape) > 1 else 0.2)
        made[name] = torch.from_numpy(value.astype(np.float32).reshape(shape))
    return made


def select_names(module: nn.Module, names: Mapping[str, Sequence[int]], rename: Rename) -> dict[str, tuple[int, ...]]:
    """The authors' names of the tensors that ``module``, smaller than the published one, has, with its shapes."""
    state = module.state_dict()
    return {name: tuple(state[own].shape) for name in names if (own := rename(name)) in state}


def assert_is_the_published_model(module: nn.Module, names: Mapping[str, Sequence[int]], rename: Rename) -> None:
    """Every recorded tensor has its place, of its shape, and no place is left."""
    renamed = {own: tuple(shape) for name, shape in names.items() if (own := rename(name)) is not None}
    assert renamed == {name: tuple(value.shape) for name, value in module.state_dict().items()}


def assert_other_weights_are_refused(module: nn.Module, names: Mapping[str, Sequence[int]], rename: Rename) -> None:
    given = plant_weights(select_names(module, names, rename))
    fill(module, given, rename, where="here")
    for lost in (min(given), max(given)):
        with pytest.raises(EncoderError, match="missing weights"):
            fill(module, {k: v for k, v in given.items() if k != lost}, rename, where="here")
    with pytest.raises(EncoderError, match="unexpected weights"):
        fill(module, given | {"blocks.99.surprise": torch.ones(1)}, rename, where="here")
    name = next(name for name, value in given.items() if value.ndim > 1)
    with pytest.raises(EncoderError, match="shape of"):
        fill(module, given | {name: torch.ones(3)}, rename, where="here")


def assert_golden(module: nn.Module, names: Mapping[str, Sequence[int]], rename: Rename, golden: Any) -> None:
    """Assert that, filled with planted weights, the encoder answers as the authors' code did, rounded anyhow."""
    fill(module, plant_weights(select_names(module, names, rename), golden.get("gain", 1.0)), rename, where="here")
    module.eval()
    assert_cases(module, golden["cases"])


def assert_cases(module: nn.Module, cases: Sequence[Any]) -> None:
    """Assert that ``module`` gives the recorded frames to 0.1%, and also when every layer rounds otherwise.

    Processors add the terms of a product in other orders, and a deep network may amplify that. A recorded output that
    needs one processor's order fails here on every processor; plant smaller weights (``gain``) then.
    """
    for case in cases:
        clip = make_signal(case["samples"], seed=case["seed"])[None]
        wanted = torch.tensor(case["frames"])
        with torch.inference_mode():
            output = module(clip)[0]
            with rounding_otherwise(module):
                disturbed = module(clip)[0]
        assert list(output.shape) == case["shape"]
        for frames in (output, disturbed):
            chosen = frames[case["at"]][:, :: case["step"]]
            assert nn.functional.cosine_similarity(chosen, wanted).min() > 0.9999
            torch.testing.assert_close(chosen, wanted, atol=1e-3, rtol=1e-3)


@contextlib.contextmanager
def rounding_otherwise(module: nn.Module) -> Iterator[None]:
    """Disturb the output of every layer by a few units in the last place of its mean magnitude."""
    generator = torch.Generator().manual_seed(0)

    def disturb(_layer: nn.Module, _inputs: object, output: object) -> object:
        if not isinstance(output, Tensor) or not output.is_floating_point():
            return output
        noise = torch.randn(output.shape, generator=generator)
        return output + ROUNDING * output.abs().mean() * noise

    layers = [layer for layer in module.modules() if not list(layer.children()) and layer is not module]
    handles = [layer.register_forward_hook(disturb) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def write_wheel(path: Path, *members: Path) -> Path:
    """A wheel with files that lie beside it; ``members`` are relative."""
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.write(path.parent / member, member.as_posix())
    return path


def import_torchaudio(module: str) -> Any:
    """A module of torchaudio, or the test is skipped."""
    if torchaudio_safe.load() is None:
        pytest.skip("to run it: pip install torchaudio, of the version of torch")
    return importlib.import_module(f"torchaudio.{module}")


def record_case(output: Tensor, samples: int, seed: int) -> dict[str, Any]:
    """How such a case is recorded: three frames of [T, D], at most 32 numbers of each."""
    step = math.ceil(output.shape[1] / 32)
    at = sorted({0, len(output) // 2, len(output) - 1})
    return {
        "samples": samples,
        "seed": seed,
        "shape": list(output.shape),
        "at": at,
        "step": step,
        "frames": [[float(f"{value:.5g}") for value in output[i, ::step].tolist()] for i in at],
    }
