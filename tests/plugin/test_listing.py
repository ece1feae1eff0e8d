"""The table of bundled encoders."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.discovery import listing
from bench.loading.sources import discover_encoders
from bench.types import EncoderSpec

BUNDLED, _ = discover_encoders(Path(__file__).parents[2] / "encoders")
WEIGHTLESS = [spec for spec in BUNDLED.values() if spec.load_weights is None and not spec.extra]


def test_every_encoder_has_a_line_and_columns_align() -> None:
    head, *rows, blank, note = listing.format_encoder_table(BUNDLED.values()).splitlines()
    assert [row.split()[0] for row in rows] == list(BUNDLED)
    assert blank == ""
    assert note.startswith("weights")
    for name in ("weights", "licence", "source"):
        start = head.index(name)
        assert all(row[start - 2 : start] == "  " for row in rows)


def test_a_line_says_what_is_needed() -> None:
    lines = {line.split()[0]: line for line in listing.format_encoder_table(BUNDLED.values()).splitlines() if line}
    assert "default" in lines["logmel"]
    assert "default" not in lines["whisper-base"]
    assert lines["whisper-base"].split() == [
        "whisper-base",
        "512",
        "16",
        "20",
        "pinned",
        "Apache-2.0",
        "openai/whisper-base",
    ]
    assert "13.3333" in lines["mert-v1-95m"]
    assert " latest " in lines["data2vec-audio-base"]
    assert " own copy " in lines["wespeaker-simam-resnet34-ft"]  # known to lie on a hub, but at no commit
    assert " opensmile " in lines["egemaps"]
    bare = listing.format_encoder_table([EncoderSpec("bare", lambda _: None)]).splitlines()[1]  # type: ignore[arg-type,return-value]
    assert bare.split() == ["bare"]


@pytest.mark.parametrize("spec", WEIGHTLESS, ids=lambda spec: spec.name)
def test_what_a_line_says_is_what_the_encoder_is(spec: EncoderSpec) -> None:
    encoder = spec.load("cpu")
    said = (spec.sampling_rate, spec.output_dim, spec.hop_in_ms)
    assert said == (encoder.sampling_rate, encoder.output_dim, encoder.hop_size_in_ms)
