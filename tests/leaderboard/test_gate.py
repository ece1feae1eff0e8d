"""The gate's statistics: how often it cries wolf at the limit, what it finds, and by-hand values."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.leaderboard.ranking import gate
from bench.leaderboard.ranking.gate import Drop, Evidence, Limits, combine_drops, judge_drop, judge_row, judge_summary
from bench.leaderboard.terminal.gate_table import render_paired_timings, render_verdicts
from bench.metrics import accuracy
from bench.scoring.paired import SeedNoise, compute_paired_difference, compute_seed_noise, compute_seed_variance
from bench.throughput.paired_timing import compute_ratio, time_in_turns
from tests.leaderboard.test_board_json import score
from tests.leaderboard.test_compare import clips


def evidence(a, b, name="esc50", weight=1.0, seed=0):
    own = compute_paired_difference(accuracy, clips(a), clips(b), where=name, seed=seed, resamples=300, flips=0)
    seeds = tuple(np.atleast_2d(a).mean(axis=1))
    base = score(name, weight=weight, seed_values=seeds)
    return Evidence(base, replace(base, encoder="new", seed_values=seeds), own)


def test_the_drop_is_a_t_test_of_paired_clips():
    rng = np.random.default_rng(0)
    a, b = rng.random(400) < 0.6, rng.random(400) < 0.4
    drop = evidence(a, b).drop
    theirs = stats.ttest_1samp(a.astype(float) - b, 0.01, alternative="greater")
    assert drop.value == pytest.approx(a.mean() - b.mean())
    assert drop.error == pytest.approx((a.astype(float) - b).std(ddof=1) / 20, rel=0.1)
    found = judge_drop(drop, Limits(), 1)
    assert found["p"] == pytest.approx(theirs.pvalue, rel=0.9)
    assert (found["status"], found["level"]) == (gate.REGRESSION, 0.025)


def test_verdicts():
    limits = Limits(max_drop=0.01, alpha=0.05, gate="tasks")
    assert judge_drop(Drop(0.2, 0.01, 100), limits, 10)["status"] == gate.REGRESSION
    assert judge_drop(Drop(-0.2, 0.01, 100), limits, 10)["status"] == gate.PASSED
    unsure = judge_drop(Drop(0.02, 0.02, 1e9), limits, 10)
    assert unsure["status"] == gate.UNDETECTABLE
    expected = 0.01 + (stats.norm.isf(0.005) + stats.norm.ppf(0.8)) * 0.02
    assert unsure["detectable"] == pytest.approx(expected, rel=1e-6)
    assert judge_drop(Drop(0.0, 0.3, 5, equal=True), limits, 10)["status"] == gate.PASSED


@given(st.floats(-1, 1), st.floats(1e-6, 1), st.floats(1, 1e6), st.integers(1, 100))
def test_a_larger_drop_is_never_better(value, error, freedom, tests):
    order = [gate.PASSED, gate.UNDETECTABLE, gate.REGRESSION]
    less, more = (judge_drop(Drop(value + add, error, freedom), Limits(), tests)["status"] for add in (0, 0.1))
    assert order.index(less) <= order.index(more)


def test_false_alarms_at_the_limit_stay_below_alpha():
    """Drops of exactly what is allowed, on few clips: the worst case of the hypothesis."""
    rng, limits = np.random.default_rng(1), Limits(max_drop=0.1, alpha=0.05, gate="tasks")
    alarms = [
        judge_row(evidence(rng.random(60) < 0.6, rng.random(60) < 0.5, seed=i), limits, 1).fails for i in range(300)
    ]
    assert np.mean(alarms) <= 0.08  # 0.05 and its sampling error


def test_seeds_add_what_clips_do_not_explain():
    rng = np.random.default_rng(2)
    by_clip = rng.random((2, 8, 500)) < 0.5  # seeds differ by chance, clip by clip
    own = compute_paired_difference(accuracy, clips(by_clip[0]), clips(by_clip[1]), where="", resamples=500, flips=0)
    assert own.seeds.freedom == 14
    assert own.seeds.shared == pytest.approx(2 * 0.25 / 500 / 8, rel=0.2)
    steady = np.vstack([[0.4, 0.5, 0.6], np.repeat(rng.normal(0.5, 0.01, (500, 1)), 3, axis=1)])
    noise = compute_seed_noise([steady, steady], (3, 3))
    assert noise.scatter == pytest.approx(2 * 0.01 / 3)
    assert noise.shared == pytest.approx(0.0, abs=1e-12)
    variance, freedom = compute_seed_variance([(1.0, noise)])
    assert freedom == pytest.approx(4)
    assert variance == pytest.approx(4 * noise.scatter / stats.chi2.ppf(0.2, 4))
    assert compute_seed_variance([(1.0, noise), (1.0, noise)])[1] == pytest.approx(8)
    assert compute_seed_variance([(1.0, compute_seed_noise([steady[:, :1]] * 2, (1, 1)))]) == (0.0, 1.0)


def test_false_alarms_of_seeds_stay_rare():
    """Twice as much noise from three seeds as from clips, which is where three seeds mislead most."""
    rng, level, alarms = np.random.default_rng(6), 0.0125, []
    for _ in range(2000):
        seeds = rng.normal(0, 0.02 * 3**0.5 / 2**0.5, (2, 3))
        noise = SeedNoise(float(seeds.var(axis=1, ddof=1).sum() / 3), 0.0, 4)
        variance, freedom = compute_seed_variance([(1.0, noise)])
        drop = seeds[0].mean() - seeds[1].mean() + rng.normal(0, 0.01)
        error = (0.01**2 + variance) ** 0.5
        whole = error**4 / (variance**2 / freedom + 0.01**4 / 100)
        found = judge_drop(Drop(drop, error, whole), Limits(0.0, level, "tasks"), 1)
        alarms.append(found["status"] == gate.REGRESSION)
    assert np.mean(alarms) <= level


def test_a_summary_weighs_and_sees_more_than_a_task():
    rng = np.random.default_rng(3)
    rows = [
        evidence(rng.random(200) < 0.6, rng.random(200) < 0.55, f"t{i}", weight, seed=i)
        for i, weight in enumerate((1.0, 2.0, 1.0, 1.0))
    ]
    whole = combine_drops(rows)
    drops = [row.drop for row in rows]
    assert whole.value == pytest.approx(np.average([drop.value for drop in drops], weights=[1, 2, 1, 1]))
    independent = (sum((w * d.error / 5) ** 2 for w, d in zip((1, 2, 1, 1), drops, strict=True))) ** 0.5
    assert whole.error == pytest.approx(independent, rel=0.15)
    assert whole.freedom > max(drop.freedom for drop in drops)
    unweighted = combine_drops([replace(row, base=replace(row.base, weight=0.0)) for row in rows])
    assert unweighted.value == pytest.approx(np.mean([drop.value for drop in drops]))
    verdict = judge_summary(rows, Limits(), 2, lacking=3)
    assert verdict.note == "over 4 tasks, 3 of the baseline's not in this run"


def test_lines():
    rng = np.random.default_rng(4)
    bad = judge_row(evidence(rng.random(300) < 0.9, rng.random(300) < 0.3), Limits(), 4)
    missing = gate.Verdict("gtzan", "new", "logmel", "knn", gate.MISSING, note="in the baseline, not in this run")
    text = render_verdicts([missing, bad], Limits(), width=200)
    lines = text.splitlines()
    assert lines[0] == "gtzan, new, knn: missing: in the baseline, not in this run" or lines[1].startswith("gtzan")
    assert lines[-2] == "gate: 1 missing, 1 regression; allowed drop 0.01" or "1 regression" in text
    assert render_verdicts([], Limits()).startswith("gate: nothing to compare")
    assert render_paired_timings([]) == ""


@pytest.mark.parametrize(("slower", "alarm"), [(1.0, False), (1.05, False), (1.3, True)])
def test_speed_is_a_ratio_of_turns(slower, alarm):
    """Times of a machine that slows down fourfold while it is measured: absolute times would say nothing."""
    rng = np.random.default_rng(5)
    drift = np.linspace(1, 4, 20)
    base, own = (factor * drift * np.exp(rng.normal(0, 0.03, 20)) for factor in (1.0, slower))
    base[3] *= 5  # one turn that something else disturbed
    found = compute_ratio(base.tolist(), own.tolist(), 0.1)
    assert found.value == pytest.approx(slower, rel=0.04)
    assert found.ci95[0] <= found.value <= found.ci95[1]
    assert (found.p < 0.05 / 6 and found.value > found.band[1]) is alarm


def test_turns_alternate():
    order = []
    first, second = time_in_turns(lambda: order.append("a"), lambda: order.append("b"))
    assert len(first) == len(second) >= 12
    assert order[4:12] == list("abbaabba")
