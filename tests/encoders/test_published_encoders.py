"""The published checkpoints that are bundled: what a row of the list says, and that a folder of one's own loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.loading.sources import discover_encoders, resolve_encoder
from bench.types import Encoder, EncoderSpec
from encoders import hf
from tests.encoders.test_encoders import save

BUNDLED, _ = discover_encoders(Path(__file__).parents[2] / "encoders")
PUBLISHED = {name: spec for name, spec in BUNDLED.items() if spec.load_weights is hf.load_folder}


def test_the_speech_models_of_the_x_ares_paper_are_there() -> None:
    wanted = {"data2vec-audio-base", "hubert-base", "wav2vec2-large-100k-voxpopuli", "wavlm-base-plus", "whisper-base"}
    assert wanted <= PUBLISHED.keys()
    assert {"whisper-large-v3", "w2v-bert-2.0", "mert-v1-95m", "ast", "clap-htsat-unfused"} <= PUBLISHED.keys()
    assert {"qwen2-audio", "qwen2.5-omni", "af-whisper"} <= PUBLISHED.keys()


@pytest.mark.parametrize("spec", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_a_row_says_where_from_under_what_licence_and_trained_on_what(
    spec: EncoderSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spec.source.startswith("https://huggingface.co/")
    assert spec.licence
    assert spec.trained_on
    assert not spec.default
    assert spec.revision == "" or (len(spec.revision) == 40 and int(spec.revision, 16) > 0)
    assert len({other.source for other in PUBLISHED.values()}) == len(PUBLISHED)


def test_a_folder_of_one_s_own(tmp_path: Path) -> None:
    folder = save(tmp_path / "mine", "hubert-group")
    spec = resolve_encoder(f"hubert-base={folder}", BUNDLED, hf.build_spec)
    assert (spec.name, spec.revision) == ("hubert-base", "mine of the user")
    encoder = spec.load("cpu")
    assert isinstance(encoder, Encoder)
    assert encoder.output_dim == 16
