"""BYOL-A: convolutional networks that bring two views of a sound together (Niizumi et al., "BYOL for Audio", IJCNN 2021
and TASLP 2023; github.com/nttcslab/byol-a).

16 kHz; 64 mel bands, 60 to 7800 Hz, of 64 ms every 10 ms; log(power + 2^-23), normalised; 3 x 3 convolutions, batch
normalisation, ReLU and pooling by 2 in both directions, three times (2020) or twice (2022); the bands and channels of a
frame through two linear layers. One vector of d every 80 ms (2020), T = max(1, floor((floor(n / 160) + 1) / 8)), or
every 40 ms (2022), there beside the 1024 numbers that went into the linear layers. The first generation's bands are
HTK's, the second's Slaney's. Clips too short for a frame have zeros after them; there is no longest clip.

These are the authors' frames (``encode_frames`` in their EVAR wrapper). Their clip embedding is the mean plus the
maximum of the frames, which a mean over time cannot give. They normalise by the mean and deviation of the task's data;
here it is by those of their README's example, the same for all data: -5.4919195, 5.0389895 (2020) and -9.660292,
4.7219563 (2022, those of Speech Commands).

The file of the second generation is called d2048 and read with d = 3072 by the authors' configuration: byola_2022 is
that; byola_2022_2048 is the narrower network.

Padded batches: after each pooling what lies behind a clip is set to zero, which is what a convolution meets at its end.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.spectra import Mel, apply_to_each, standardise
from encoders.parts.weights import Weights, load, load_file

BANDS = 64
CHANNELS = 64
PARTS = 4  # modules of ``features`` for each convolution
EPS = torch.finfo(torch.float32).eps
PAGE = "https://github.com/nttcslab/byol-a"


@dataclass(frozen=True, slots=True)
class Config:
    dim: int  # of a frame
    convolutions: int = 3
    hidden: int = 0  # between the linear layers; as many as come out when 0
    stacked: bool = False  # the input of the linear layers goes before their output
    window: int = 1024  # samples
    slaney: bool = False
    mean: float | None = -5.4919195  # None: the clip's own mean and deviation
    deviation: float = 5.0389895

    @property
    def hop_in_ms(self) -> float:
        return 10.0 * (1 << self.convolutions)


class AudioNtt(nn.Module):
    """[B, N] -> [B, T, D]."""

    sampling_rate = 16_000

    def __init__(self, config: Config) -> None:
        super().__init__()
        factor = 2**config.convolutions
        inputs = CHANNELS * BANDS // factor
        outputs = config.dim - inputs if config.stacked else config.dim
        hidden = config.hidden or outputs
        self.output_dim, self.hop_size_in_ms = config.dim, config.hop_in_ms
        self.mean, self.deviation, self.stacked = config.mean, config.deviation, config.stacked
        self.mel = Mel(
            fft=1024, window=config.window, hop=160, bands=BANDS, low=60, high=7800, slaney=config.slaney
        )  # fmt: skip
        self.shortest = max(self.mel.shortest, 160 * (factor - 1))  # samples that fill a frame
        parts: list[nn.Module] = []
        for i in range(config.convolutions):
            convolution = nn.Conv2d(CHANNELS if i else 1, CHANNELS, 3, padding=1)
            parts += [convolution, nn.BatchNorm2d(CHANNELS), nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*parts)
        self.fc = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(0.3), nn.Linear(hidden, outputs), nn.ReLU()
        )

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        x, counts = apply_to_each(self.compute_spectrum, audio, lengths, self.shortest)
        x = x[:, None]
        for start in range(0, len(self.features), PARTS):
            x = self.features[start : start + PARTS](x)  # [B, channels, bands, T]
            if counts is not None:
                counts = counts // 2
                x = x * (torch.arange(x.shape[3], device=x.device) < counts[:, None])[:, None, None]
        frames = x.permute(0, 3, 2, 1).flatten(2)
        out = cast(Tensor, self.fc(frames))
        return torch.cat([frames, out], dim=2) if self.stacked else out

    def compute_spectrum(self, audio: Tensor) -> Tensor:
        """Compute the spectrum, [B, N] -> [B, 64, 1 + floor(N / 160)], normalised."""
        level: Tensor = (self.mel(audio) + EPS).log()
        if self.mean is not None:
            return (level - self.mean) / self.deviation
        return standardise(level)


def rename(name: str) -> str | None:
    return name.removeprefix("model.")


D512 = Config(512)
D1024 = Config(1024)
D2048 = Config(2048)
SECOND = Config(
    3072, convolutions=2, hidden=2048, stacked=True, slaney=True, mean=-9.660292, deviation=4.7219563
)  # fmt: skip
SECOND_2048 = Config(
    2048, convolutions=2, hidden=2048, stacked=True, slaney=True, mean=-9.660292, deviation=4.7219563
)  # fmt: skip


def _build_spec(name: str, config: Config, file: str) -> EncoderSpec:
    make = functools.partial(AudioNtt, config)
    weights = Weights(page=f"{PAGE}/blob/master/{file}")
    return EncoderSpec(
        name=name,
        load=functools.partial(load, make, rename, weights),
        load_weights=functools.partial(load_file, make, rename),
        source=weights.page,
        licence="NTT, for evaluation (LICENSE of the repository)",
        verified="random weights: tensor names; the 2020 network equal to s3prl 0.4.18, the 2022 one rebuilt on "
        "nnAudio 0.3.4; certificate",
        trained_on=("AudioSet",),
        sampling_rate=AudioNtt.sampling_rate,
        output_dim=config.dim,
        hop_in_ms=config.hop_in_ms,
    )


byola_512 = _build_spec("byola_2020_512", D512, "pretrained_weights/AudioNTT2020-BYOLA-64x96d512.pth")
byola_1024 = _build_spec("byola_2020_1024", D1024, "pretrained_weights/AudioNTT2020-BYOLA-64x96d1024.pth")
byola_2048 = _build_spec("byola_2020_2048", D2048, "pretrained_weights/AudioNTT2020-BYOLA-64x96d2048.pth")
byola_2022 = _build_spec("byola_2022", SECOND, "v2/AudioNTT2022-BYOLA-64x96d2048.pth")
byola_2022_2048 = _build_spec("byola_2022_2048", SECOND_2048, "v2/AudioNTT2022-BYOLA-64x96d2048.pth")
