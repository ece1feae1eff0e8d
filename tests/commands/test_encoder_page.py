"""docs/encoders.md says what the specs say."""

from __future__ import annotations

from bench.commands.encoder_page import (
    PAGE,
    format_layers_table,
    format_scores_table,
    format_specs_table,
    replace_section,
)
from bench.discovery import bundled
from tests.leaderboard.test_board_json import score


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    table = format_specs_table(bundled.find_bundled_encoders().values())
    assert page == replace_section(page, "specs", table), "run python -m bench.commands.encoder_page"
    assert table in page


def test_links_are_addresses() -> None:
    for row in format_specs_table(bundled.find_bundled_encoders().values()).splitlines()[2:]:
        name = row.split("|")[1].strip()
        assert "](" not in name or " " not in name, name


def test_every_encoder_says_what_was_verified() -> None:
    for spec in bundled.find_bundled_encoders().values():
        assert spec.verified, spec.name
        assert spec.licence, spec.name
        assert spec.source, spec.name


def test_scores_stand_beside_the_baseline() -> None:
    rows = [
        score("esc50", encoder="logmel", value=0.2, ci95=(0.1, 0.3)),
        score("esc50", encoder="other", value=0.5, ci95=(0.4, 0.6)),
        score("esc50", encoder="third", value=0.25, ci95=(0.2, 0.3)),
        score("alone", encoder="other", value=0.5, ci95=(0.4, 0.6)),
    ]
    head, _, only = format_scores_table(rows).splitlines()
    assert head == "| task | probe | chance | logmel | other | third |"
    cells = [cell.strip() for cell in only.split("|")]
    assert (cells[1], *cells[4:7]) == ("esc50", "0.200 [0.10, 0.30]", "**0.500 [0.40, 0.60]**", "0.250 [0.20, 0.30]")


def test_layers_stand_beside_each_other() -> None:
    curve = {"layer 0": 0.1, "layer 1": 0.35, "fold 1": 0.3, "fold 2": 0.4}
    deep = score(
        encoder="deep.layers", value=0.3456, ci95=(0.3, 0.4), subsets=curve, secondary={"f1": 0.1, "chosen layer": 0.5}
    )
    flat = score(
        encoder="flat.layers", value=0.5, ci95=(0.4, 0.6), subsets={"layer 0": 0.5}, secondary={"chosen layer": 0}
    )
    head, _, first, second = format_layers_table([flat, deep]).splitlines()
    assert head == "| encoder | task | probe | 0 | 1 | chosen | score |"
    assert first == "| deep | esc50 | knn | 0.100 | 0.350 | 0.5 | 0.346 [0.30, 0.40] |"
    assert second == "| flat | esc50 | knn | 0.500 |  | 0 | 0.500 [0.40, 0.60] |"
