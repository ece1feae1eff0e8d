"""From an EncoderSpec to an encoder that is loaded, fingerprinted and certified."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import bench.loading.adapt
import bench.loading.certificate
import bench.loading.frame_rule
from bench.datasets.shards import compute_sha256
from bench.extraction.engine.budget import Budget, calibrated
from bench.extraction.engine.local import Frozen, single_threaded
from bench.extraction.engine.measures import equivalence, timer
from bench.loading.adapt import adapt
from bench.loading.certificate import certify
from bench.loading.fingerprint import fingerprint
from bench.store.files import Store, address
from bench.types import Certificate, Check, Encoder, EncoderSpec, Settings


def frozen_by(settings: Settings, spec: EncoderSpec) -> Frozen:
    """``freeze`` as the settings of a run say."""
    return freeze(
        spec,
        device=settings.device,
        precision=settings.precision,
        cache=settings.cache,
        compiled=settings.compiled,
    )


def freeze(spec: EncoderSpec, *, device: str, precision: str, cache: Path, compiled: bool = False) -> Frozen:
    """Load an encoder; certify it now unless its certificate is stored. Raises EncoderError for a broken contract.

    In another precision than fp32, or compiled, the certificate also says whether its embeddings are those of fp32.
    """
    if device.startswith("cuda") and precision == "fp32":
        import torch

        torch.backends.cudnn.allow_tf32 = False  # torch's default rounds convolutions to 10 bits and calls it fp32
    encoder = adapt(spec.load(device), device)
    print_of_weights = fingerprint(encoder, device=device)
    key = address(
        encoder=print_of_weights,
        device=device.partition(":")[0],
        certifier=[
            compute_sha256(Path(str(module.__file__)))
            for module in (bench.loading.certificate, bench.loading.frame_rule, bench.loading.adapt)
        ],
    )

    def make() -> Mapping[str, Any]:
        with single_threaded():
            return asdict(certify(encoder, device=device))

    store = Store(cache)
    certificate = _certificate(store.certificate(key, make))
    frozen = Frozen(spec.name, encoder, print_of_weights, certificate, device, precision, spec.trained_on)
    if compiled or precision != "fp32":
        frozen = _changed(frozen, key, store, compiled)
    return replace(frozen, budget=_budget(frozen, store)) if device.startswith("cuda") else frozen


def _changed(frozen: Frozen, key: str, store: Store, compiled: bool) -> Frozen:
    """The encoder in its precision and, if asked for, compiled, with a check of what that does to its embeddings."""
    import torch

    faster = frozen
    if compiled:
        module = cast(Encoder, torch.compile(cast(Any, frozen.encoder), dynamic=True))
        faster = replace(frozen, encoder=module, compiled=True)

    def make() -> Mapping[str, Any]:
        with single_threaded():
            return asdict(equivalence(faster, frozen))

    key = address(certificate=key, precision=frozen.precision, compiled=compiled, torch=torch.__version__)
    check = Check(**store.certificate(key, make))
    return replace(faster, certificate=replace(frozen.certificate, checks=(*frozen.certificate.checks, check)))


def _budget(frozen: Frozen, store: Store) -> Budget:
    """How much audio a GPU gets at a time: found once for each kind of GPU, lowered for good when memory runs out."""
    import torch

    key = address(
        budget=frozen.fingerprint,
        gpu=torch.cuda.get_device_name(frozen.device),
        precision=frozen.precision,
        compiled=frozen.compiled,
        policy=frozen.policy,
    )
    found = store.certificate(key, lambda: {"batch_in_s": calibrated(timer(frozen)), "fits_in_s": None})

    def record(fits_in_s: float) -> None:
        store.certify_again(key, {**found, "fits_in_s": fits_in_s})

    return Budget(found["batch_in_s"], found["fits_in_s"] or math.inf, record)


def _certificate(stored: Mapping[str, Any]) -> Certificate:
    checks = tuple(Check(**check) for check in stored["checks"])
    return Certificate(**{**stored, "checks": checks})
