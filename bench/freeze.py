"""From an EncoderSpec to an encoder that is loaded, fingerprinted and certified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bench.adapt
import bench.certify
import bench.frame_rule
from bench.adapt import adapt
from bench.audio.shards import checksum
from bench.certify import certify
from bench.engine.local import Frozen, single_threaded
from bench.fingerprint import fingerprint
from bench.store import Store, address
from bench.types import Certificate, Check, EncoderSpec


def freeze(spec: EncoderSpec, *, device: str, precision: str, cache: Path) -> Frozen:
    """Load an encoder; certify it now unless its certificate is stored. Raises EncoderError for a broken contract."""
    if device.startswith("cuda") and precision == "fp32":
        import torch

        torch.backends.cudnn.allow_tf32 = False  # torch's default rounds convolutions to 10 bits and calls it fp32
    encoder = adapt(spec.load(device), device)
    print_of_weights = fingerprint(encoder, device=device)
    key = address(
        encoder=print_of_weights,
        device=device.partition(":")[0],
        certifier=[checksum(Path(str(module.__file__))) for module in (bench.certify, bench.frame_rule, bench.adapt)],
    )

    def make() -> Mapping[str, Any]:
        with single_threaded():
            return asdict(certify(encoder, device=device))

    certificate = _certificate(Store(cache).certificate(key, make))
    return Frozen(spec.name, encoder, print_of_weights, certificate, device, precision, spec.trained_on)


def _certificate(stored: Mapping[str, Any]) -> Certificate:
    checks = tuple(Check(**check) for check in stored["checks"])
    return Certificate(**{**stored, "checks": checks})
