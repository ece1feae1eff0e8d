"""Encoders with one planted fault each, on top of one that has none; and encoder files as other projects write them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

RATE, HOP, WINDOW, WIDTH = 16_000, 160, 400, 12


class Good(nn.Module):
    """[B, N] -> [B, T, 12]: absolute values of random projections of 25 ms frames; no fault."""

    sampling_rate = RATE
    output_dim = WIDTH
    hop_size_in_ms = 1000 * HOP / RATE

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.weight = nn.Parameter(torch.randn(WINDOW, WIDTH, generator=generator) / 4)

    def frames(self, audio: Tensor) -> Tensor:
        audio = nn.functional.pad(audio, (0, max(0, WINDOW - audio.shape[1])))
        return (audio.unfold(1, WINDOW, HOP) @ self.weight).abs()

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.frames(audio)


class GoodWithoutLengths(Good):
    def forward(self, audio: Tensor) -> Tensor:
        return self.frames(audio)


class PaddingSensitive(Good):
    """Takes ``lengths`` and ignores them: what is averaged over the clip includes the padding."""

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        frames = self.frames(audio)
        return frames - frames.mean(dim=1, keepdim=True)


class BatchNormalising(Good):
    """Normalises the whole batch at once, as X-ARES's wav2vec2 example does."""

    def forward(self, audio: Tensor) -> Tensor:
        return self.frames((audio - audio.mean()) / audio.std())


class LyingHop(GoodWithoutLengths):
    """Says 20 ms, does 10 ms."""

    hop_size_in_ms = 20.0


class LyingWidth(GoodWithoutLengths):
    """Says 24 dimensions, gives 12."""

    output_dim = 24


class WrongRank(GoodWithoutLengths):
    """Gives one vector per clip."""

    def forward(self, audio: Tensor) -> Tensor:
        return self.frames(audio).mean(dim=1)


class NotANumber(GoodWithoutLengths):
    """NaN in one value of every clip."""

    def forward(self, audio: Tensor) -> Tensor:
        frames = self.frames(audio)
        frames[:, -1, 0] = torch.nan
        return frames


class NaNOnSilence(GoodWithoutLengths):
    """Divides by the level of the clip."""

    def forward(self, audio: Tensor) -> Tensor:
        return self.frames(audio / audio.abs().amax(dim=1, keepdim=True))


class FailsOnShort(GoodWithoutLengths):
    def forward(self, audio: Tensor) -> Tensor:
        if audio.shape[1] < RATE // 10:
            raise ValueError("kernel size can't be greater than actual input size")
        return self.frames(audio)


class FailsOnBatches(GoodWithoutLengths):
    def forward(self, audio: Tensor) -> Tensor:
        if len(audio) > 1:
            raise ValueError("one clip at a time")
        return self.frames(audio)


class TrainingDropout(GoodWithoutLengths):
    """Undoes ``eval()``, so its dropout stays on."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.1)

    def train(self, mode: bool = True) -> TrainingDropout:
        super().train(True)
        return self

    def forward(self, audio: Tensor) -> Tensor:
        dropped: Tensor = self.dropout(self.frames(audio))
        return dropped


class Nondeterministic(GoodWithoutLengths):
    """Adds noise (dither)."""

    def forward(self, audio: Tensor) -> Tensor:
        return self.frames(audio + 0.01 * torch.randn_like(audio))


class OrderSensitive(GoodWithoutLengths):
    """What a clip gets depends on its place in the batch; the first place is right."""

    def forward(self, audio: Tensor) -> Tensor:
        return self.frames(audio) + 0.01 * torch.arange(len(audio))[:, None, None]


class IgnoresEnd(GoodWithoutLengths):
    """Only hears the first half of a clip, as XARES-LLM's Whisper example does."""

    def forward(self, audio: Tensor) -> Tensor:
        frames = self.frames(audio)
        return torch.cat(
            [frames[:, : frames.shape[1] // 2], torch.zeros_like(frames[:, frames.shape[1] // 2 :])], dim=1
        )


class OddWindow(GoodWithoutLengths):
    """First frame after 537 samples: its rule is only found by bisection."""

    def forward(self, audio: Tensor) -> Tensor:
        return self.frames(nn.functional.pad(audio, (0, max(0, 537 - audio.shape[1])))[:, 137:])


FAULTS: dict[type[nn.Module], str] = {
    PaddingSensitive: "padding invariance",
    BatchNormalising: "batch invariance",
    LyingHop: "hop",
    NotANumber: "finite output",
    NaNOnSilence: "silence",
    FailsOnShort: "50 ms clip",
    FailsOnBatches: "batch invariance",
    TrainingDropout: "eval mode",
    Nondeterministic: "determinism",
    OrderSensitive: "order invariance",
    IgnoresEnd: "whole clip used",
}
"""Encoder -> the check that names its fault."""

BROKEN = (LyingWidth, WrongRank)
"""Encoders that cannot be scored at all."""

XARES_FILE = '''"""An encoder file in the style of X-ARES."""

import torch


class MeanPowerEncoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.sampling_rate = 16000
        self.output_dim = 8
        self.hop_size_in_ms = 20
        self.layer = torch.nn.Linear(320, 8)
        with torch.no_grad():
            self.layer.weight.copy_(torch.linspace(-1, 1, 2560).reshape(8, 320).sin())
            self.layer.bias.zero_()

    def forward(self, audio: torch.Tensor):
        if audio.ndim == 1:
            audio = audio.unsqueeze(0)
        count = max(1, audio.shape[-1] // 320)
        audio = torch.nn.functional.pad(audio, (0, max(0, 320 - audio.shape[-1])))
        return self.layer(audio[:, : count * 320].reshape(len(audio), count, 320)).abs()


if __name__ == "__main__":
    from xares.audio_encoder_checker import check_audio_encoder

    assert check_audio_encoder(MeanPowerEncoder())
'''

XARES_LLM_FILE = '''"""An encoder file in the style of XARES-LLM."""

import torch


class MaskedPowerEncoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.output_dim = 8
        self.register_buffer("weight", torch.linspace(-1, 1, 5120).reshape(640, 8).sin())

    def forward(self, audio, audio_attention_mask=None):
        audio = torch.nn.functional.pad(audio, (0, max(0, 640 - audio.shape[-1])))
        count = audio.shape[-1] // 640
        features = (audio[:, : count * 640].reshape(len(audio), count, 640) @ self.weight).abs()
        if audio_attention_mask is None:
            return features, None
        lengths = (audio_attention_mask.sum(dim=-1) // 640).clamp(min=1)
        mask = torch.arange(count)[None] < lengths[:, None]
        mean = (features * mask[..., None]).sum(1, keepdim=True) / mask.sum(1)[:, None, None]
        return features - mean, mask.long()
'''
