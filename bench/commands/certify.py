"""``python -m bench.certify ENCODER``: one line for each check; exits 1 unless all of them pass."""

from __future__ import annotations

import argparse
import sys

from bench.discovery.bundled import find_bundled_encoders, find_hugging_face_factory
from bench.loading.adapt import adapt
from bench.loading.certificate import certify, format_certificate
from bench.loading.sources import resolve_encoder
from bench.types import BenchError


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0 certified, 1 not."""
    parser = argparse.ArgumentParser(prog="python -m bench.certify", description="Check an encoder before using it.")
    parser.add_argument("encoder", help="bundled name, hf:ID, folder, file.py[:Name] or package.module:Name")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    try:
        spec = resolve_encoder(options.encoder, find_bundled_encoders(), find_hugging_face_factory())
        certificate = certify(adapt(spec.load(options.device), options.device), device=options.device)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print(format_certificate(spec.name, certificate))
    return 0 if certificate.passed else 1
