"""eGeMAPS: 88 acoustic parameters of voice research (Eyben et al. 2016, IEEE Trans. Affective Computing 7:190).

Set eGeMAPSv02 of openSMILE, functionals: pitch, loudness, formants, spectral shape, jitter and shimmer, summarised over
the clip, in their own units (semitones, Hz, dB, ...). They say one thing about a clip and stand in each of its frames
of 10 ms, as the low-level descriptors have; their mean over any frames is openSMILE's output. Clips under 0.1 s are
filled with silence, without which openSMILE answers nothing.

The package opensmile carries its own licence: free for research and education, not for commercial use.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.extras import import_package

RATE = 16_000
HOP = 160
SHORTEST = 1_600
WIDTH = 88
EXTRA = "opensmile"


class Egemaps(nn.Module):
    """[B, N] at 16 kHz -> [B, max ceil(n / 160), 88], the same in every frame of a clip; computed on the CPU."""

    sampling_rate, output_dim, hop_size_in_ms = RATE, WIDTH, 1000 * HOP / RATE

    def __init__(self) -> None:
        super().__init__()
        opensmile = import_package("opensmile", EXTRA)
        self.version = str(opensmile.__version__)
        self.smile: Any = opensmile.Smile(
            feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
        )

    def get_extra_state(self) -> str:
        return json.dumps({"opensmile": self.version, "set": "eGeMAPSv02 functionals"})

    def set_extra_state(self, state: str) -> None:
        """Restore nothing: there are no weights."""

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        sizes = [audio.shape[1]] * len(audio) if lengths is None else [int(n) for n in lengths]
        rows = []
        for row, size in zip(audio, sizes, strict=True):
            samples = row[:size].float().cpu().numpy()
            samples = np.pad(samples, (0, max(0, SHORTEST - size)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pandas's deprecations inside opensmile
                values = np.asarray(self.smile(samples, RATE), dtype=np.float32).reshape(WIDTH)
            rows.append(torch.from_numpy(values).expand(max(1, -(-size // HOP)), WIDTH))
        return nn.utils.rnn.pad_sequence(rows, batch_first=True).to(audio.device)


def load(device: str) -> Egemaps:
    return Egemaps().eval().to(device)


egemaps = EncoderSpec(
    name="egemaps",
    load=load,
    source="https://github.com/audeering/opensmile-python",
    revision="eGeMAPSv02 functionals",
    licence="audEERING Research",
    verified="equal to opensmile 2.6.0; certificate",
    extra=EXTRA,
    sampling_rate=Egemaps.sampling_rate,
    output_dim=Egemaps.output_dim,
    hop_in_ms=Egemaps.hop_size_in_ms,
)
