"""A run over all layers of an encoder: the curve over layers, and the layer that validation data chose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from bench.extraction.engine.local import LoadedEncoder
    from bench.types import FitSplit, Predictions, Probe, ProbeResult

CHOSEN = "chosen layer"  # mean over folds
LAYER = "layer "


def prepare_probe(
    probe: Probe,
    loaded: LoadedEncoder,
    quality: Callable[[FitSplit, Predictions], float],
    clusters: NDArray[np.int64] | None,
) -> Probe:
    """Return ``probe`` for clips of these ``clusters`` [N], choosing the layer where the encoder gives all of them.

    See ``bench.probes.layered``.
    """
    from bench.loading.layers import HiddenLayers  # these need torch, which reading a curve does not
    from bench.probes.layered import LayeredProbe

    grouped = getattr(probe, "grouped", None)  # of a probe that holds out training clips itself
    if grouped is not None:
        probe = grouped(clusters)
    if not (isinstance(loaded.encoder, HiddenLayers) and loaded.encoder.index is None):
        return probe
    return LayeredProbe(probe, loaded.encoder.widths, quality, clusters)


def compute_layer_curve(results: Sequence[ProbeResult], value: Callable[[Predictions], float]) -> dict[str, float]:
    """Return the mean over seeds of ``value``, of the predictions of one seed for all folds, at each layer."""
    values: dict[str, float] = {}
    for layer in range(min(len(result.info.get("layers", ())) for result in results)):
        predictions = np.concatenate([result.info["layers"][layer] for result in results], axis=1)
        values[f"{LAYER}{layer}"] = float(np.mean([value(row) for row in predictions]))
    return values


def average_chosen_layer(results: Sequence[ProbeResult]) -> dict[str, float]:
    """Return the chosen layer, the mean over folds, or nothing where none was chosen."""
    layers = [result.info["layer"] for result in results if "layer" in result.info]
    return {CHOSEN: float(np.mean(layers))} if layers else {}


def find_contradiction(
    value: float, subsets: Mapping[str, float], secondary: Mapping[str, float]
) -> tuple[str, str] | None:
    """Return an impossible statement of a row on its layers and what is expected; None if there is none.

    Without folds there is one choice, and the row's value is that layer's; folds may choose differently.
    """
    layers = {name: at_layer for name, at_layer in subsets.items() if name.startswith(LAYER)}
    choice = secondary.get(CHOSEN)
    if not layers and choice is None:
        return None
    expected = [f"{LAYER}{layer}" for layer in range(len(layers))]
    if not layers or set(layers) != set(expected):
        return f"subsets {', '.join(layers) or 'without layers'}", f"{LAYER}0 and every one up to the last"
    if choice is None or not 0 <= choice < len(layers):
        return f"{CHOSEN} {choice}", f"0 to {len(layers) - 1}"
    if not any(name.startswith("fold ") for name in subsets):
        chosen = layers.get(f"{LAYER}{choice:g}")
        if chosen is None or not np.isclose(chosen, value, rtol=0, atol=1e-12):
            return f"{CHOSEN} {choice:g} of value {chosen}", f"the row's value {value}"
    return None
