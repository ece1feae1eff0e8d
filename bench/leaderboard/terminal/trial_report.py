"""What stands behind a row of speaker verification: subsets, how the back-end was made, non-targets to listen to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.leaderboard.files import predictions
from bench.leaderboard.terminal import cells
from bench.metrics.detection import compute_det, is_cost_implausible, rank_trials
from bench.scoring.trials import PRIORS, TrialPredictions, compute_trial_metrics, find_highest_nontargets
from bench.types import DataError

if TYPE_CHECKING:
    from pathlib import Path

MOST_POINTS = 1000  # of a DET curve


def read_trials(path: Path) -> TrialPredictions:
    """Read the trials in a predictions file.

    Raises:
        DataError: the file is of another kind.
    """
    found = predictions.read_predictions(path)
    if not isinstance(found, TrialPredictions):
        raise DataError("no trials", got="other predictions", expected="those of speaker verification", where=path)
    return found


def render_trials(answers: TrialPredictions, count: int, *, width: int, colour: bool) -> str:
    """Render tables of the subsets and of the ``count`` highest-scoring non-targets. Ends with a newline."""
    found = compute_trial_metrics(answers)
    cost = f"minDCF({PRIORS[0]:g})"
    notes = [f"{name} {value:.4f}" for name, value in found.secondary.items()]
    how = answers.info.get("backend", {})
    said = [", ".join(notes), f"back-end: {', '.join(f'{name} {value}' for name, value in how.items())}"]
    crop = answers.info.get("crop_in_s")
    said.append("embedded whole" if crop is None else f"embedded in crops of {crop:g} s")
    if is_cost_implausible(found.eer, found.secondary[cost], PRIORS[0], len(answers.targets)):
        said.append(
            f"{cost} does not fit the EER: a few non-targets score like targets; listen to the highest (wrong labels?)"
        )
    names = [name for name in found.subsets if f"{name}: {cost}" in found.subsets]
    rows = [_format_row(name, *(found.subsets[key] for key in (name, *_list_keys(name, cost)))) for name in names]
    targets = int(answers.targets.sum())
    rows.append(_format_row("all", found.eer, found.secondary[cost], targets, len(answers.targets) - targets))
    whole = cells.render_table(("trials", ">EER", f">{cost}", ">targets", ">non-targets"), rows, said, width=width)
    audit = [[enrol, test, f"{score:.4f}"] for enrol, test, score in find_highest_nontargets(answers, count)]
    columns = ("highest non-targets: enrolled", "tested", ">score")
    return whole + "\n" + cells.render_table(columns, audit, (), width=width, colour=colour)


def format_det_csv(answers: TrialPredictions) -> str:
    """Format points of the detection error trade-off: ``miss,false_alarm``, from the highest threshold down."""
    misses, false = compute_det(rank_trials(answers.targets, answers.predictions[0]), MOST_POINTS)
    return "miss,false_alarm\n" + "".join(
        f"{miss:.9g},{alarm:.9g}\n" for miss, alarm in zip(misses, false, strict=True)
    )


def _list_keys(name: str, cost: str) -> tuple[str, str, str]:
    return f"{name}: {cost}", f"{name}: targets", f"{name}: non-targets"


def _format_row(name: str, rate: float, cost: float, targets: float, others: float) -> list[str]:
    return [name, f"{rate:.4f}", f"{cost:.4f}", f"{targets:.0f}", f"{others:.0f}"]
