"""YAMNet: MobileNet trained to tag AudioSet (Plakal and Ellis 2019; Howard et al., "MobileNets", 2017;
github.com/tensorflow/models/tree/master/research/audioset/yamnet, as tensors in package ``torch-vggish-yamnet`` 0.2.1).

VGGish's bands (``encoders.vggish``) as log(band + 0.001); patches of 96 frames, half of one after the start of the
last: 1024 numbers every 480 ms, T = 1 + ceil(max(0, n - 15600) / 7680). As with its authors zeros after the clip fill
the last patch, so all of it is heard. A patch goes through 14 convolutions, all but the first separable, and its mean
over time and bands is taken. Convolutions of stride 2 pad behind only, as TensorFlow's. The classifier is left out.

The package of these tensors computes other bands (centred frames, triangles straight in Hz, zeros on both sides); here
they are those that the network was trained with. Patches do not hear each other, so padding changes nothing.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from bench.types import EncoderSpec
from encoders.parts.spectra import apply_to_each
from encoders.parts.weights import Weights, load, load_file
from encoders.vggish import FRAMES, HOP, RATE, SHORTEST, LogMel

BETWEEN = FRAMES // 2  # frames from patch to patch
EPS = 1e-4  # of batch normalisation
LAYERS = (  # stride, channels
    (2, 32), (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *((1, 512),) * 5, (2, 1024), (1, 1024),
)  # fmt: skip
WEIGHTS = Weights(page="https://github.com/w-hc/torch_audioset/releases/download/v0.1/yamnet.pth")


class Convolution(nn.Module):
    """Convolution, batch normalisation, ReLU: [B, C, H, W] -> [B, C', H / stride, W / stride] of even H and W."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        padding = kernel // 2 if stride == 1 else 0
        self.behind = 0 if stride == 1 else 1
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs, EPS)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(nn.functional.pad(x, (0, self.behind, 0, self.behind)))))


class Yamnet(nn.Module):
    """[B, N] -> [B, T, 1024]."""

    sampling_rate, hop_size_in_ms = RATE, 10.0 * BETWEEN

    def __init__(self, layers: tuple[tuple[int, int], ...] = LAYERS) -> None:
        super().__init__()
        (stride, inputs), *rest = layers
        self.log_mel = LogMel(0.001)
        parts: list[nn.Module] = [Convolution(1, inputs, 3, stride)]
        for stride, outputs in rest:
            depthwise = Convolution(inputs, inputs, 3, stride, groups=inputs)
            parts.append(nn.Sequential(depthwise, Convolution(inputs, outputs, 1, 1)))
            inputs = outputs
        self.layers = nn.Sequential(*parts)
        self.output_dim = inputs

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        spectrum, _ = apply_to_each(self.compute_spectrum, audio, lengths, 1)
        patches = spectrum.transpose(1, 2).unfold(1, FRAMES, BETWEEN).transpose(2, 3)  # [B, T, 96, 64]
        x: Tensor = self.layers(patches.flatten(0, 1)[:, None])
        return x.mean(dim=(2, 3)).reshape(*patches.shape[:2], -1)

    def compute_spectrum(self, audio: Tensor) -> Tensor:
        """Compute the spectrum, [B, N] -> [B, 64, frames that fill whole patches]."""
        n = audio.shape[1]
        more = -(-max(0, n - SHORTEST) // (BETWEEN * HOP))  # patches after the first
        filled: Tensor = self.log_mel(nn.functional.pad(audio, (0, SHORTEST + more * BETWEEN * HOP - n)))
        return filled


def rename(name: str) -> str | None:
    """Map the package's name of a tensor to ours."""
    if name.startswith("classifier."):
        return None
    layer, _, rest = name.removeprefix("layer").partition(".")
    for theirs, ours in (("fused.", ""), ("depthwise_conv.", "0."), ("pointwise_conv.", "1.")):
        rest = rest.replace(theirs, ours)
    return f"layers.{int(layer) - 1}.{rest}" if layer.isdigit() else name


yamnet = EncoderSpec(
    name="yamnet",
    load=functools.partial(load, Yamnet, rename, WEIGHTS),
    load_weights=functools.partial(load_file, Yamnet, rename),
    source=WEIGHTS.source,
    licence="Apache-2.0",
    verified="random weights: tensor names and output of torch-vggish-yamnet 0.2.1; certificate",
    trained_on=("AudioSet",),
    sampling_rate=Yamnet.sampling_rate,
    output_dim=LAYERS[-1][1],
    hop_in_ms=Yamnet.hop_size_in_ms,
)
