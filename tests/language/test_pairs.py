"""The command line of pairs: a list, a training set, a question to an encoder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.commands import pairs
from bench.datasets import shards
from bench.verification import trial_lists
from tests.helpers.toys import RATE


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = ["key,path,speaker,gender,device"]
    for speaker in range(6):
        for take in range(4):
            name = f"s{speaker}-{take}"
            (tmp_path / "audio").mkdir(exist_ok=True)
            soundfile.write(tmp_path / f"audio/{name}.flac", np.full(RATE // 10, 0.1 * speaker), RATE)
            rows.append(f"{name},audio/{name}.flac,s{speaker},{'fm'[speaker % 2]},{('phone', 'lamp')[take % 2]}")
    (tmp_path / "recordings.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "recordings.csv"


RULE = ["--fix", "gender", "--flip", "device", "--targets", "20", "--nontargets", "40"]


def test_a_list_is_drawn(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "hard.txt"
    assert pairs.main(["list", str(table), *RULE, "-o", str(out)]) == 0
    ids = [f"s{speaker}-{take}" for speaker in range(6) for take in range(4)]
    listed = trial_lists.read_trial_list(out, ids, "label first")
    assert listed.labels is not None
    assert (len(listed), int(listed.labels.sum())) == (60, 20)
    assert json.loads(capsys.readouterr().out)["counts"]["target device=lamp/phone"] == 20
    first = out.read_bytes()
    assert pairs.main(["list", str(table), *RULE, "-o", str(out)]) == 0
    assert out.read_bytes() == first
    assert pairs.main(["list", str(table), *RULE[:-1], "999", "-o", str(out)]) == 2
    assert "too few hard nontarget pairs by gender" in capsys.readouterr().err
    assert out.read_bytes() == first


def test_a_training_set_is_written(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "set")
    assert pairs.main(["write", str(table), *RULE, "--layout", "concat_silence", "--per-shard", "40", "-o", out]) == 0
    samples = list(shards.read_samples(shards.verify_shard(tmp_path / "set/pairs-000000.tar")))
    assert len(samples) == 40
    assert {sample.sidecar["answer"] for sample in samples} == {"One", "Two"}
    (tmp_path / "audio/s0-0.flac").unlink()
    assert pairs.main(["write", str(table), *RULE, "-o", str(tmp_path / "other")]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_an_encoder_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.datasets.test_corpora import tidyvoice

    tidyvoice(tmp_path)
    where = ["--data", str(tmp_path), "--cache", str(tmp_path / "cache")]
    assert pairs.main(["ask", "--encoder", "tests.helpers.verification_toys:Oracle", *where]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["layout"] for one in told] == ["separate", "concat", "concat_silence", "mix"]
    assert told[0]["accuracy"] > 0.9
    assert told[0]["EER"] < 0.1
    assert told[0]["order flips"] == 0.0
    assert pairs.main(["ask", "--encoder", "tests.helpers.verification_toys:Oracle", "--task", "cnceleb", *where]) == 2
    assert "no trials to ask about" in capsys.readouterr().err
