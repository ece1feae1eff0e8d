"""What a run over all layers of an encoder says: the curve over layers, and the layer that validation data chose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.engine.local import Frozen
from bench.layers import AllLayers
from bench.probes.layered import LayeredProbe
from bench.types import Predictions, Probe, ProbeResult, Problem

CHOSEN = "chosen layer"  # mean over folds


def on_layers(
    probe: Probe,
    frozen: Frozen,
    quality: Callable[[Problem, Predictions], float],
    clusters: NDArray[np.int64] | None,
) -> Probe:
    """``probe`` for clips of these ``clusters`` [N], choosing the layer where the encoder gives all of them.

    See ``bench.probes.layered``.
    """
    grouped = getattr(probe, "grouped", None)  # of a probe that holds out training clips itself
    if grouped is not None:
        probe = grouped(clusters)
    if not isinstance(frozen.encoder, AllLayers):
        return probe
    return LayeredProbe(probe, frozen.encoder.widths, quality, clusters)


def curve(results: Sequence[ProbeResult], value: Callable[[Predictions], float]) -> dict[str, float]:
    """The mean over seeds of ``value``, of the predictions of one seed for all folds, at each layer."""
    found: dict[str, float] = {}
    for layer in range(min(len(result.info.get("layers", ())) for result in results)):
        predictions = np.concatenate([result.info["layers"][layer] for result in results], axis=1)
        found[f"layer {layer}"] = float(np.mean([value(row) for row in predictions]))
    return found


def chosen(results: Sequence[ProbeResult]) -> dict[str, float]:
    """Nothing, or which layer was chosen."""
    layers = [result.info["layer"] for result in results if "layer" in result.info]
    return {CHOSEN: float(np.mean(layers))} if layers else {}
