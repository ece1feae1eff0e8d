"""Sound and music models published for transformers: AST, LAION's CLAP, MERT.

How each is used is described in ``hf_spectrogram.py`` (AST, CLAP) and ``hf_waveform.py`` (MERT, whose own code is not
run). Microsoft's CLAP is in ``msclap.py``.
"""

from __future__ import annotations

from encoders.parts.hf_published import build_published_spec

CLAP = ("audioset", "clotho", "audiocaps", "freesound", "bbc sound effects")  # LAION-Audio-630K, among others

ast = build_published_spec(
    "ast",
    "MIT/ast-finetuned-audioset-10-10-0.4593",
    revision="f826b80d28226b62986cc218e5cec390b1096902",
    width=768,
    hop_in_ms=100.0,
    licence="BSD-3-Clause",
    trained_on=("imagenet", "audioset"),
)
clap_htsat = build_published_spec(
    "clap-htsat-unfused",
    "laion/clap-htsat-unfused",
    revision="8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a",
    width=768,
    rate=48_000,
    hop_in_ms=312.5,
    licence="Apache-2.0",
    trained_on=CLAP,
)
clap_larger = build_published_spec(
    "larger-clap-general",
    "laion/larger_clap_general",
    revision="ada0c23a36c4e8582805bb38fec3905903f18b41",
    width=1024,
    rate=48_000,
    hop_in_ms=312.5,
    licence="Apache-2.0",
    trained_on=CLAP,
)
mert_95m = build_published_spec(
    "mert-v1-95m",
    "m-a-p/MERT-v1-95M",
    revision="12af15fef9d0ac838c3f475bfbbf26d2060dd4f5",
    width=768,
    rate=24_000,
    hop_in_ms=1000 / 75,
    licence="CC-BY-NC-4.0",
    trained_on=("20,000 hours of music, not published",),
)
mert_330m = build_published_spec(
    "mert-v1-330m",
    "m-a-p/MERT-v1-330M",
    revision="0e06c986db0527c0fd1b47181c40f006805e3de0",
    width=1024,
    rate=24_000,
    hop_in_ms=1000 / 75,
    licence="CC-BY-NC-4.0",
    trained_on=("160,000 hours of music, not published",),
)
