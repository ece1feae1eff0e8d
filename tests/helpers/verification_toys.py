"""A toy task of speaker verification: each speaker hums a tone, each language adds one; and encoders of known worth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from bench.metrics import equal_error_rate
from bench.probes import PLDA, Cosine, SNorm
from bench.types import ShardSet, Splits, Task, Trials
from bench.verification.trial_lists import TrialList, format_trial_list
from tasks.mini.write import Sample, write_shards
from tests.helpers.toys import RATE

SPEAKERS = {"train": 36, "test": 16}
LANGUAGES = ("ada", "oberon")
TAKES = 4  # of each speaker, in languages by turns
FRAME = 320  # samples: 50 Hz between lines of the spectrum


class Oracle(torch.nn.Module):
    """[B, N] -> [B, T, 12]: which of the speakers' tones sounds, whatever the language, in a code of few dimensions."""

    sampling_rate, hop_size_in_ms, output_dim = RATE, 1000 * FRAME / RATE, 12

    def __init__(self) -> None:
        super().__init__()
        self.code = torch.nn.Parameter(torch.randn(60, 12, generator=torch.Generator().manual_seed(3)))

    def power(self, audio: torch.Tensor) -> torch.Tensor:
        """Amplitudes at 500 to 6000 Hz: speakers hum below 3500, languages above."""
        audio = torch.nn.functional.pad(audio, (0, max(0, FRAME - audio.shape[1])))
        return torch.fft.rfft(audio.unfold(1, FRAME, FRAME)).abs()[..., 10:120] / FRAME

    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return self.power(audio)[..., :60] @ self.code


class Confounded(Oracle):
    """Hears the language better than the speaker."""

    output_dim = 62

    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return torch.cat([super().forward(audio), 6 * self.power(audio)[..., 60:]], dim=-1)


class Chance(Oracle):
    """What it says depends on the clip's noise alone: a digest of the first samples chooses a direction."""

    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        heard = super().forward(audio, lengths)
        rows = []
        for clip in audio:
            seed = int.from_bytes(hashlib.sha256(b"2" + clip[:1000].numpy().tobytes()).digest()[:4], "big")
            rows.append(torch.randn(self.output_dim, generator=torch.Generator().manual_seed(seed)))
        return torch.stack(rows)[:, None].expand(heard.shape).clone()


class Constant(Oracle):
    def forward(self, audio: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return torch.full_like(super().forward(audio, lengths), 0.37)


def clip(split: str, speaker: int, take: int) -> Sample:
    """0.3 or 0.4 s of the speaker's tone, that of a language and noise."""
    rng = np.random.default_rng((len(split), speaker, take))
    time = np.arange(round((0.3 + 0.1 * (take // 2)) * RATE)) / RATE
    place = speaker + (SPEAKERS["test"] if split == "train" else 0)
    hum = np.sin(2 * np.pi * (600 + 50 * place) * time + rng.uniform(0, 6))
    tongue = np.sin(2 * np.pi * (4000 + 500 * (take % 2)) * time + rng.uniform(0, 6))
    wave = 0.25 * hum + 0.25 * tongue + 0.02 * rng.standard_normal(len(time))
    sidecar = {
        "id": f"{split}{speaker:02d}/{take}.wav",
        "speaker": f"{split}{speaker:02d}",
        "language": LANGUAGES[take % 2],
        "gender": "fm"[speaker % 2],
    }
    return Sample(f"{split}{speaker:02d}-{take}", np.rint(wave * 32767).astype(np.int16), RATE, sidecar)


def write(folder: Path, lines: Sequence[str] | None = None) -> None:
    """The shards and the list of all pairs of utterances, or ``lines``."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = {split: [clip(split, s, t) for s in range(n) for t in range(TAKES)] for split, n in SPEAKERS.items()}
    for split, made in clips.items():
        write_shards(folder, split, made, per_shard=40)
    ids = [str(sample.sidecar["id"]) for sample in clips["test"]]
    speakers = np.arange(len(ids)) // TAKES
    first, second = (side.astype(np.int32) for side in np.triu_indices(len(ids), k=1))
    pairs = TrialList(first, second, (speakers[first] == speakers[second]).astype(np.uint8))
    (folder / "trials.txt").write_text("".join(lines or format_trial_list(pairs, ids, "label first")))


def task(**changes: object) -> Task:
    values: dict[str, object] = {
        "name": "hums",
        "domain": "speech",
        "shards": ShardSet({split: f"{split}_*.tar" for split in SPEAKERS}),
        "split": Splits(valid=None),
        "target": Trials(
            "trials.txt",
            utterance="id",
            agree=("language",),
            each=("gender",),
            durations_in_s=(0.35,),
            corpora=("Hums",),
        ),
        "metric": equal_error_rate,
        "probes": (Cosine(), Cosine(centred=True), SNorm(top_n=24), PLDA(), Cosine(calibrate=True)),
        "weight": 0.0,
    }
    return Task(**{**values, **changes})  # type: ignore[arg-type]
