"""musicnn, a network for music tags (Pons and Serra 2019, arXiv 1909.06654), with the authors' weights (ISC).

Log mel spectrum (librosa's 96 bands, 32 ms every 16 ms, log10(1 + 10000 x)); convolutions that look for timbre (along
frequency) and tempo (along time), then three dense ones. A frame is what the authors pool over time for their
classifier: the front end's 561 numbers and 64 of each of three layers behind it, so its mean is their ``mean_pool``.
Hidden layers are those four parts.

The authors cut songs into pieces of 3 s and drop the last; here the network, which takes any length, sees the clip at
once. They round the spectrum to 16 bits, in which loud tones overflow; here it has 32. Convolutions see zeros beyond
the clip's end, as beyond a piece's there. ``--encoder musicnn_mtt=PATH`` takes the folder ``MTT_musicnn`` or the wheel
(``pip download --no-deps musicnn==0.1.0``), whose TensorFlow checkpoint is read without TensorFlow.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.types import Encoder, EncoderSpec
from encoders.parts import tensorflow_checkpoint
from encoders.parts.spectra import Mel, apply_to_each
from encoders.parts.weights import Weights, fetch, fill_encoder
from encoders.parts.wheels import open_member

RATE = 16_000
FFT = 512
HOP = 256
BANDS = 96
TIMBRE = 204
TIMBRE_BANDS = (38, 67)
TIMBRE_FRAMES = 7
TEMPO = 51
TEMPO_FRAMES = (128, 64, 32)
FRONTS = 5  # layers side by side
FRONT = 2 * TIMBRE + 3 * TEMPO  # their width
LAYERS = 3  # one after another
BEHIND = 64  # the width of each
EPS = 1e-3
WHEEL = Weights(
    url=(
        "https://files.pythonhosted.org/packages/1b/6f/38229e7d99c438e11114bbfa39c8c39185458c398011d0b6d7d7c7401617/"
        "musicnn-0.1.0-py3-none-any.whl"
    ),
    sha256="f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
)


class Norm(nn.Module):
    """Batch normalisation of [B, C, ...] as it was learnt, never of the batch."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((width,), value))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=EPS)


class Layer(nn.Module):
    """Convolution, ReLU, normalisation, the loudest along frequency: [B, 1, T, F] -> [B, C, T]."""

    def __init__(self, outputs: int, frames: int, bands: int) -> None:
        super().__init__()
        self.frames = frames
        self.convolution = nn.Conv2d(1, outputs, (frames, bands))
        self.norm = Norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        before = (self.frames - 1) // 2  # TensorFlow: where the kernel is even, more zeros behind
        x = nn.functional.pad(x, (0, 0, before, self.frames - 1 - before))
        result: Tensor = self.norm(torch.relu(self.convolution(x))).amax(3)
        return result


class Musicnn(nn.Module):
    """[B, N] at 16 kHz -> [B, T, 753], T = floor(N / 256) + 1."""

    sampling_rate, output_dim, hop_size_in_ms = RATE, FRONT + LAYERS * BEHIND, 1000 * HOP / RATE

    def __init__(self) -> None:
        super().__init__()
        self.mel = Mel(fft=FFT, window=FFT, hop=HOP, bands=BANDS, low=0.0, high=RATE / 2, slaney=True)
        self.norm = Norm(1)
        timbre = (Layer(TIMBRE, TIMBRE_FRAMES, bands) for bands in TIMBRE_BANDS)
        tempo = (Layer(TEMPO, frames, 1) for frames in TEMPO_FRAMES)
        self.front = nn.ModuleList([*timbre, *tempo])
        self.behind = nn.ModuleList(
            Layer(BEHIND, TIMBRE_FRAMES, FRONT if number == 0 else BEHIND) for number in range(LAYERS)
        )

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return torch.cat(self.hidden_states(audio, lengths), dim=2)

    def hidden_states(self, audio: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Return the output of the front end [B, T, 561] and of the three layers behind it [B, T, 64]."""
        spectrum, counts = apply_to_each(self.compute_spectrum, audio, lengths, self.mel.shortest)
        x = self.norm(spectrum.transpose(1, 2)[:, None])  # [B, 1, T, 96]
        frames = torch.arange(x.shape[2], device=x.device)
        mask = torch.ones(len(x), 1, 1, device=x.device) if counts is None else (frames < counts[:, None])[:, None]
        x = x * mask[..., None]
        layers = [torch.cat([layer(x) for layer in self.front], dim=1) * mask]
        for number, layer in enumerate(self.behind):
            y = layer(layers[-1].transpose(1, 2)[:, None])
            layers.append((y + layers[-1] if number else y) * mask)
        return [layer.transpose(1, 2) for layer in layers]

    def compute_spectrum(self, audio: Tensor) -> Tensor:
        """Compute the spectrum, [B, N] -> [B, 96, floor(N / 256) + 1]."""
        return torch.log10(1 + 10_000 * self.mel(audio))


def _list_scopes() -> dict[str, str]:
    """Map our names to TensorFlow's scopes, which number layers in the order in which they were made."""
    parts = [*(f"front.{i}" for i in range(FRONTS)), *(f"behind.{i}" for i in range(LAYERS))]
    scopes = {"batch_normalization": "norm"}
    for i, part in enumerate(parts):
        scopes[f"conv2d_{i}" if i else "conv2d"] = f"{part}.convolution"
        scopes[f"batch_normalization_{i + 1}"] = f"{part}.norm"
    return scopes


SCOPES = _list_scopes()
KINDS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def rename(name: str) -> str | None:
    """Map the name of a tensor of the checkpoint to that in ``Musicnn``; None for classifier and optimiser."""
    scope, _, kind = name.partition("/")
    classifier = {"dense", "dense_1", *(f"batch_normalization_{FRONTS + LAYERS + i}" for i in (1, 2))}
    if scope in {*classifier, "beta1_power", "beta2_power"} or name.endswith(("/Adam", "/Adam_1")):
        return None
    return f"{SCOPES[scope]}.{KINDS[kind]}" if scope in SCOPES and kind in KINDS else name


def read_published(folder: Path) -> dict[str, Tensor]:
    """Read the checkpoint with kernels as torch has them: [height, width, in, out] -> [out, in, height, width]."""
    tensors = tensorflow_checkpoint.read_tensors(folder)
    return {name: value.permute(3, 2, 0, 1) if value.ndim == 4 else value for name, value in tensors.items()}


def load_weights(songs: str, path: Path, device: str) -> Encoder:
    with open_member(path, f"musicnn/{songs}_musicnn") as folder:
        return fill_encoder(Musicnn(), read_published(folder), rename, path, device)


def load(songs: str, device: str) -> Encoder:
    return load_weights(songs, fetch(WHEEL), device)


def _build_spec(songs: str, trained_on: str) -> EncoderSpec:
    return EncoderSpec(
        name=f"musicnn_{songs.lower()}",
        load=partial(load, songs),
        source="https://github.com/jordipons/musicnn",
        revision="0.1.0",
        licence="ISC",
        verified="real weights: frames above cosine .9999999 with the authors' graph in TensorFlow 2.21 on "
        "real speech; certificate",
        trained_on=(trained_on,),
        load_weights=partial(load_weights, songs),
        sampling_rate=Musicnn.sampling_rate,
        output_dim=Musicnn.output_dim,
        hop_in_ms=Musicnn.hop_size_in_ms,
    )


musicnn_mtt = _build_spec("MTT", "magnatagatune")
musicnn_msd = _build_spec("MSD", "million song dataset")
