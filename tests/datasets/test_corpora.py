"""Corpora in their own layout: small generated trees through the real loaders, scored without network."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.commands import submit
from bench.datasets.dataset import locate_folder, prepare_dataset
from bench.discovery import bundled
from bench.evaluation.trials import embed_trials, evaluate_trials
from bench.extraction.estimates import survey_tasks
from bench.extraction.loaded import load_encoder
from bench.types import DataError, EncoderSpec, Settings, Task
from tests.helpers.toys import RATE
from tests.helpers.verification_toys import Oracle

TASKS = {task.name: task for task in bundled.find_bundled_tasks()}


def hum(speaker: int, take: int) -> np.ndarray:
    """A fifth of a second of the speaker's tone in noise."""
    rng, time = np.random.default_rng((speaker, take)), np.arange(RATE // 5) / RATE
    wave_ = 0.3 * np.sin(2 * np.pi * (600 + 100 * speaker) * time + rng.uniform(0, 6))
    return np.rint(32767 * (wave_ + 0.02 * rng.standard_normal(len(time)))).astype(np.int16)


def put(path: Path, speaker: int, take: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, hum(speaker, take), RATE, subtype="PCM_16")


def lines(path: Path, rows: Iterable[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows))


def pairs(ids: list[str]) -> list[tuple[str, str, int]]:
    """All pairs of four speakers' utterances, speaker by speaker."""
    each = len(ids) // 4
    return [(a, b, int(i // each == j // each)) for j, b in enumerate(ids) for i, a in enumerate(ids) if i < j]


def voxceleb(root: Path) -> None:
    folder, ids = root / "voxceleb1", []
    for speaker in range(4):
        for take in range(3):
            ids.append(f"id1027{speaker}/vid{take // 2}AbCdE/{take:05d}.wav")
            put(folder / "wav" / ids[-1], speaker, take)
    put(folder / "wav/id10999/other/00001.wav", 9, 0)  # of no list
    listed = [f"{label} {a} {b}" for a, b, label in pairs(ids)]
    for name in ("veri_test.txt", "veri_test2.txt", "list_test_all2.txt", "list_test_hard2.txt"):
        lines(folder / name, [*listed, listed[0]])  # published lists name some pairs twice
    header = "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet"
    rows = [f"id1027{speaker}\tName_{speaker}\t{'mf'[speaker % 2]}\tNorway\ttest" for speaker in range(4)]
    lines(folder / "vox1_meta.csv", [header, *rows])


def cnceleb(root: Path) -> None:
    folder, trials = root / "CN-Celeb_flac/eval", []
    for speaker in range(4):
        put(folder / f"enroll/id0080{speaker}-enroll.flac", speaker, 0)
        for take, genre in enumerate(("singing", "interview")):
            put(folder / f"test/id0080{speaker}-{genre}-01-00{take + 1}.flac", speaker, take + 1)
            for other in range(4):
                test = f"test/id0080{speaker}-{genre}-01-00{take + 1}.wav"
                trials.append(f"id0080{other}-enroll {test} {int(other == speaker)}")
    lines(folder / "lists/trials.lst", trials)


def three_d_speaker(root: Path) -> None:
    folder, ids, scp, spk = root / "3dspeaker", [], [], []
    for speaker in range(4):
        for take in range(3):
            ids.append(f"3D_SPK_0000{speaker}_00{take}_Device0{take}_Distance0{take % 2}_Dialect00")
            scp.append(f"{ids[-1]} /3D_SPK_0000{speaker}/{ids[-1]}.wav")
            spk.append(f"{ids[-1]} 3D_SPK_0000{speaker}")
            put(folder / f"test/3D_SPK_0000{speaker}/{ids[-1]}.wav", speaker, take)
    lines(folder / "files/test_wav.scp", scp)
    lines(folder / "files/test_utt2spk", spk)
    listed = [f"{a} {b} {'target' if label else 'nontarget'}" for a, b, label in pairs(ids)]
    for what in ("device", "distance", "dialect"):
        lines(folder / f"files/trials_cross_{what}", listed)


def tidyvoice(root: Path) -> None:
    folder, ids, flat = root / "tidyvoice", [], []
    for speaker in range(4):
        for take, language in enumerate(("lt", "fa", "lt")):
            ids.append(f"id01391{speaker}/{language}/{language}_3647860{take}.wav")
            put(folder / "TidyVoiceX_Dev" / ids[-1], speaker, take)
            put(folder / f"TidyVoiceX_Train/id00000{speaker}/{language}/{language}_1{take}.wav", 10 + speaker, take)
            flat.append(f"utt{speaker:02d}{take:04d}.wav")
            put(folder / "TidyVoiceX2_ASV" / flat[-1], speaker, take)
    lines(folder / "TidyVoiceX_Dev.txt", [f"{label} {a} {b}" for a, b, label in pairs(ids)])
    for letter, every in (("A", 1), ("U", 3)):
        lines(folder / f"tv26_eval-{letter}.txt", [f"{a} {b}" for a, b, _ in pairs(flat)[::every]])


def own(folder: Path, trials: str) -> None:
    """A user's own recordings, with a table."""
    rows, ids = ["key,path,speaker,text,device"], []
    for speaker in range(4):
        for take in range(4):
            ids.append(f"r{speaker}{take}")
            put(folder / f"audio/{ids[-1]}.wav", speaker, take)
            rows.append(
                f"r{speaker}{take},audio/r{speaker}{take}.wav,s{speaker},words {take % 2},{'phone' if take else ''}"
            )
    lines(folder / "recordings.csv", rows)
    # of one speaker only those that say the same: another phrase would make them non-targets of text_dependent
    listed = [(a, b, label) for a, b, label in pairs(ids) if not int(label) or int(a[-1]) % 2 == int(b[-1]) % 2]
    lines(folder / trials, [f"{label} {a} {b}" for a, b, label in listed])


LAYOUTS: dict[str, Callable[[Path], None]] = {
    **dict.fromkeys(("voxceleb1_verification", "voxceleb1_o", "voxceleb1_e", "voxceleb1_h"), voxceleb),
    "cnceleb": cnceleb,
    **dict.fromkeys((f"three_d_speaker_{what}" for what in ("device", "distance", "dialect")), three_d_speaker),
    "tidyvoice": tidyvoice,
    "hardpairs": lambda root: own(root / "hardpairs", "hard.txt"),
    "text_dependent": lambda root: own(root / "text_dependent", "phrases.txt"),
}
SPEC = EncoderSpec("oracle", lambda device: Oracle())  # type: ignore[arg-type, return-value]


def settings(tmp_path: Path) -> Settings:
    return Settings("full", "strict", "cpu", "fp32", (0,), tmp_path / "cache", tmp_path / "data", threads=1)


def scored(task: Task, tmp_path: Path):  # type: ignore[no-untyped-def]
    how = settings(tmp_path)
    data = prepare_dataset(task, "full", cache=how.cache, data=how.data)
    loaded = load_encoder(SPEC, device="cpu", precision="fp32", cache=how.cache)
    labelled = embed_trials(task, data, loaded, how, lambda clips, now: None)
    return labelled, evaluate_trials(labelled, loaded, task.probes[0], how)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_tree_in_the_real_layout_is_scored(name: str, tmp_path: Path) -> None:
    LAYOUTS[name](tmp_path / "data")
    labelled, evaluated = scored(TASKS[name], tmp_path)
    score = evaluated.score
    assert score.value < 0.01
    assert not score.data.synthetic
    assert score.n == len(labelled.targets)
    (material,) = survey_tasks([TASKS[name]], settings(tmp_path))
    assert material.clips == len(labelled.ids)
    if name == "voxceleb1_h":
        assert {utterance.attributes for utterance in labelled.utterances} == {("m",), ("f",)}
        assert len(labelled.ids) == 12
    if name == "cnceleb":
        assert labelled.ids[0] == "id00800-enroll"
    if name == "three_d_speaker_device":
        assert "different device" in str(sorted(score.subsets))
    if name == "tidyvoice":
        assert "different language in targets, same in non-targets" in score.subsets
        assert len(labelled.problems[0].train) == 12
    if name == "text_dependent":
        assert any("other speaker" in subset for subset in score.subsets)


def test_every_verification_task_has_a_layout() -> None:
    unlabelled = {"tidyvoice_eval_a", "tidyvoice_eval_u"}
    same_tree = {"hardpairs_random", "hardpairs_easy"}
    assert {name for name, task in TASKS.items() if task.shards.corpus} == {*LAYOUTS, *unlabelled, *same_tree}


def test_lists_of_one_corpus_share_embeddings(tmp_path: Path) -> None:
    voxceleb(tmp_path / "data")
    scored(TASKS["voxceleb1_o"], tmp_path)
    stored = sorted((tmp_path / "cache/embeddings").rglob("*.safetensors"))
    stamps = [path.stat().st_mtime_ns for path in stored]
    scored(TASKS["voxceleb1_e"], tmp_path)
    assert sorted((tmp_path / "cache/embeddings").rglob("*.safetensors")) == stored
    assert [path.stat().st_mtime_ns for path in stored] == stamps
    assert len(stored) == 4  # by speaker


def test_a_changed_file_is_another_one_and_a_missing_one_an_error(tmp_path: Path) -> None:
    voxceleb(tmp_path / "data")
    task, how = TASKS["voxceleb1_o"], settings(tmp_path)
    before = prepare_dataset(task, "full", cache=how.cache, data=how.data)
    path = tmp_path / "data/voxceleb1/wav/id10270/vid0AbCdE/00000.wav"
    stamp = path.stat().st_mtime_ns
    put(path, 0, 77)
    os.utime(path, ns=(stamp, stamp + 10**9))
    after = prepare_dataset(task, "full", cache=how.cache, data=how.data)
    assert after.sha256 != before.sha256
    assert sum(a.sha256 != b.sha256 for a, b in zip(before.splits["test"], after.splits["test"], strict=True)) == 1
    path.unlink()
    with pytest.raises(DataError, match=r"unknown utterance.*id10270/vid0AbCdE/00000.wav.*veri_test.txt, line 1"):
        scored(task, tmp_path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    how = settings(tmp_path)
    task = TASKS["tidyvoice"]
    with pytest.raises(DataError, match="no data for tidyvoice"):
        prepare_dataset(task, "full", cache=how.cache, data=None)
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match=r"no trial list of tidyvoice.*tidyvoice/TidyVoiceX_Dev.txt"):
        prepare_dataset(task, "full", cache=how.cache, data=how.data)
    assert locate_folder(task, tmp_path / "data") is None
    tidyvoice(tmp_path / "data")
    assert locate_folder(task, tmp_path / "data/tidyvoice") == tmp_path / "data/tidyvoice"  # the folder itself will do
    lines(tmp_path / "data/hardpairs/recordings.csv", ["key,path,speaker", "a,,s"])
    lines(tmp_path / "data/hardpairs/hard.txt", ["1 a b"])
    with pytest.raises(DataError, match=r"no recording.*line 2"):
        prepare_dataset(TASKS["hardpairs"], "full", cache=how.cache, data=how.data)


def test_the_submission_of_the_evaluation_lists(tmp_path: Path) -> None:
    """The challenge's form: one zip of exactly two files named as the lists, one score a line, in the list's order."""
    tidyvoice(tmp_path / "data")
    where = [
        f"--data={tmp_path / 'data'}",
        f"--cache={tmp_path / 'cache'}",
        "--encoder=tests.helpers.verification_toys:Oracle",
    ]
    out = tmp_path / "submission.zip"
    assert submit.main(["tidyvoice_eval_a", "tidyvoice_eval_u", *where, "-o", str(out)]) == 0
    with zipfile.ZipFile(io.BytesIO(out.read_bytes())) as archive:
        assert archive.namelist() == ["tv26_eval-A.txt", "tv26_eval-U.txt"]
        scores = {name: archive.read(name) for name in archive.namelist()}
    for letter in "AU":
        listed = (tmp_path / f"data/tidyvoice/tv26_eval-{letter}.txt").read_text().splitlines()
        told = scores[f"tv26_eval-{letter}.txt"]
        assert told.endswith(b"\n")
        assert b"\r" not in told
        values = [float(line) for line in told.decode("ascii").split("\n")[:-1]]
        assert len(values) == len(listed)
        same = np.array([row.split()[0][:5] == row.split()[1][:5] for row in listed])
        assert np.array(values)[same].min() > np.array(values)[~same].max()
    first = out.read_bytes()
    assert submit.main(["tidyvoice_eval_a", "tidyvoice_eval_u", *where, "-o", str(out)]) == 0
    assert out.read_bytes() == first
