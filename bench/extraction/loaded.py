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
from bench.extraction.engine.budget import Budget, calibrate_batch
from bench.extraction.engine.local import LoadedEncoder, use_one_thread
from bench.extraction.engine.measures import build_timer, check_precision
from bench.loading.adapt import adapt
from bench.loading.certificate import certify
from bench.loading.fingerprint import compute_fingerprint
from bench.store.files import Store, compute_address
from bench.types import Certificate, Check, Encoder, EncoderSpec, Settings


def load_encoder_for(settings: Settings, spec: EncoderSpec) -> LoadedEncoder:
    """``freeze`` as the settings of a run say."""
    return load_encoder(
        spec,
        device=settings.device,
        precision=settings.precision,
        cache=settings.cache,
        compiled=settings.compiled,
    )


def load_encoder(
    spec: EncoderSpec, *, device: str, precision: str, cache: Path, compiled: bool = False
) -> LoadedEncoder:
    """Load an encoder; certify it now unless its certificate is stored. Raises EncoderError for a broken contract.

    In another precision than fp32, or compiled, the certificate also says whether its embeddings are those of fp32.
    """
    if device.startswith("cuda") and precision == "fp32":
        import torch

        torch.backends.cudnn.allow_tf32 = False  # torch's default rounds convolutions to 10 bits and calls it fp32
    encoder = adapt(spec.load(device), device)
    print_of_weights = compute_fingerprint(encoder, device=device)
    key = compute_address(
        encoder=print_of_weights,
        device=device.partition(":")[0],
        certifier=[
            compute_sha256(Path(str(module.__file__)))
            for module in (bench.loading.certificate, bench.loading.frame_rule, bench.loading.adapt)
        ],
    )

    def make() -> Mapping[str, Any]:
        with use_one_thread():
            return asdict(certify(encoder, device=device))

    store = Store(cache)
    certificate = _restore_certificate(store.get_or_make_record(key, make))
    loaded = LoadedEncoder(spec.name, encoder, print_of_weights, certificate, device, precision, spec.trained_on)
    if compiled or precision != "fp32":
        loaded = _change_precision(loaded, key, store, compiled)
    return replace(loaded, budget=_find_budget(loaded, store)) if device.startswith("cuda") else loaded


def _change_precision(loaded: LoadedEncoder, key: str, store: Store, compiled: bool) -> LoadedEncoder:
    """Return the encoder in its precision, compiled if asked for, with a check of what that does to embeddings."""
    import torch

    faster = loaded
    if compiled:
        module = cast(Encoder, torch.compile(cast(Any, loaded.encoder), dynamic=True))
        faster = replace(loaded, encoder=module, compiled=True)

    def make() -> Mapping[str, Any]:
        with use_one_thread():
            return asdict(check_precision(faster, loaded))

    key = compute_address(certificate=key, precision=loaded.precision, compiled=compiled, torch=torch.__version__)
    check = Check(**store.get_or_make_record(key, make))
    return replace(faster, certificate=replace(loaded.certificate, checks=(*loaded.certificate.checks, check)))


def _find_budget(loaded: LoadedEncoder, store: Store) -> Budget:
    """Return how much audio a GPU gets at a time: measured once, lowered for good when memory runs out."""
    import torch

    key = compute_address(
        budget=loaded.fingerprint,
        gpu=torch.cuda.get_device_name(loaded.device),
        precision=loaded.precision,
        compiled=loaded.compiled,
        policy=loaded.policy,
    )
    stored = store.get_or_make_record(
        key, lambda: {"batch_in_s": calibrate_batch(build_timer(loaded)), "fits_in_s": None}
    )

    def record(fits_in_s: float) -> None:
        store.replace_record(key, {**stored, "fits_in_s": fits_in_s})

    return Budget(stored["batch_in_s"], stored["fits_in_s"] or math.inf, record)


def _restore_certificate(stored: Mapping[str, Any]) -> Certificate:
    checks = tuple(Check(**check) for check in stored["checks"])
    return Certificate(**{**stored, "checks": checks})
