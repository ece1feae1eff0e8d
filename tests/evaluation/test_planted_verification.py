"""Encoders of known faults on verification: the subsets of trials must say what the fault is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench.datasets.dataset import prepare_dataset
from bench.evaluation.trials import embed_trials, evaluate_trials
from bench.extraction.loaded import load_encoder
from bench.probes import Cosine
from bench.types import EncoderSpec, Score, Settings, Splits, Trials
from bench.verification.hard_pairs import HardPairSampler
from bench.verification.pair_lists import PairList, Recording
from bench.verification.phrase_pairs import draw_phrase_pairs
from tests.helpers import verification_toys as hums


class PhraseOnly(hums.Oracle):
    """Hears the second tone, which stands for words, and nothing of the speaker."""

    output_dim = 50

    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return self.power(audio)[..., 60:]


class Both(hums.Oracle):
    """Hears speaker and words, in parts of their own."""

    output_dim = 62

    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return torch.cat([super().forward(audio) / 3, self.power(audio)[..., 60:]], dim=-1)


ENCODERS = {
    "speaker only": hums.Oracle,
    "phrase only": PhraseOnly,
    "both": Both,
    "confounded": hums.Confounded,
}
PEOPLE = [
    Recording(
        f"test{speaker:02d}/{take}.wav",
        f"test{speaker:02d}",
        {"text": hums.LANGUAGES[take % 2], "language": hums.LANGUAGES[take % 2], "gender": "fm"[speaker % 2]},
    )
    for speaker in range(hums.SPEAKERS["test"])
    for take in range(hums.TAKES)
]


def lines(pairs: PairList, targets: tuple[str, ...]) -> list[str]:
    return [
        f"{int(pairs.sides[side] in targets)} {pairs.keys[a]} {pairs.keys[b]}\n"
        for a, b, side in zip(pairs.enrol, pairs.test, pairs.side, strict=True)
    ]


def scored(encoder: str, listed: list[str], tmp_path: Path, **asked: object) -> Score:
    hums.write(tmp_path / "data/hums", listed)
    target = Trials("trials.txt", utterance="id", **asked)  # type: ignore[arg-type]
    task = hums.task(split=Splits(train=None, valid=None), target=target, probes=(Cosine(),))
    how = Settings("full", "strict", "cpu", "fp32", (0,), tmp_path / "cache", tmp_path / "data", threads=1)
    spec = EncoderSpec(encoder, lambda device: ENCODERS[encoder]())  # type: ignore[arg-type, return-value]
    loaded = load_encoder(spec, device="cpu", precision="fp32", cache=how.cache)
    data = prepare_dataset(task, "full", cache=how.cache, data=how.data)
    labelled = embed_trials(task, data, loaded, how, lambda clips, now: None)
    return evaluate_trials(labelled, loaded, task.probes[0], how).score


WRONG_WORDS = "non-targets of same speaker, other language"  # TW
IMPOSTOR = "non-targets of other speaker, same language"  # IC
NEITHER = "non-targets of other speaker, other language"  # IW


@pytest.mark.parametrize(
    ("encoder", "fails", "passes"),
    [
        ("speaker only", (WRONG_WORDS,), (IMPOSTOR, NEITHER)),
        ("phrase only", (IMPOSTOR,), (WRONG_WORDS, NEITHER)),
        ("both", (), (WRONG_WORDS, IMPOSTOR, NEITHER)),
    ],
)
def test_the_types_of_trials_say_what_an_encoder_lacks(
    encoder: str, fails: tuple[str, ...], passes: tuple[str, ...], tmp_path: Path
) -> None:
    pairs = draw_phrase_pairs(PEOPLE, {"TC": 32, "TW": 48, "IC": 96, "IW": 96}, seed=0)
    score = scored(encoder, lines(pairs, ("TC",)), tmp_path, nontargets=("speaker", "language"))
    for name in fails:
        assert score.subsets[name] > 0.35, name
    for name in passes:
        assert score.subsets[name] < 0.05, name
    assert (score.value > 0.1) == bool(fails)


def test_a_confounded_encoder_shows_in_the_buckets(tmp_path: Path) -> None:
    pairs = draw_phrase_pairs(PEOPLE, {"TC": 32, "TW": 48, "IC": 96, "IW": 96}, seed=1)
    listed = lines(pairs, ("TC", "TW"))
    confounded = scored("confounded", listed, tmp_path / "c", agree=("language",)).subsets
    hardest, easiest = (
        "different language in targets, same in non-targets",
        "same language in targets, different in non-targets",
    )
    assert confounded["different language"] > confounded["same language"] + 0.05
    assert confounded[hardest] > 0.9 > 0.1 > confounded[easiest]
    oracle = scored("speaker only", listed, tmp_path / "o", agree=("language",)).subsets
    assert max(oracle[name] for name in ("different language", "same language", hardest, easiest)) < 0.01


def test_hard_pairs_are_hard_for_a_confounded_encoder(tmp_path: Path) -> None:
    sampler = HardPairSampler(fix=("language",), flip=("language",))
    values = {}
    for kind in ("hard", "random", "easy"):
        pairs = sampler(PEOPLE, targets=30, nontargets=120, seed=0, kind=kind)  # type: ignore[arg-type]
        values[kind] = scored("confounded", lines(pairs, ("target",)), tmp_path / kind).value
    assert values["hard"] > values["random"] + 0.1
    assert values["random"] > values["easy"] + 0.1
