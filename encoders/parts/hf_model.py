"""What every model of transformers has in common here, and those that hear a clip in pieces of fixed length."""

from __future__ import annotations

import json
import math
from typing import Any

import torch
from torch import Tensor, nn

ROWS = 8  # pieces in one forward pass
NOT_THE_MODEL = {"_commit_hash", "_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"}


class Model(nn.Module):
    """A transformers model and what its files say beyond the weights, which enters the fingerprint."""

    output_dim: int
    hop_size_in_ms: float

    def __init__(self, model: nn.Module, extractor: Any, files: list[dict[str, Any]]) -> None:
        super().__init__()
        self.model, self.extractor, self.files = model, extractor, files
        self.sampling_rate = int(extractor.sampling_rate)

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    def get_extra_state(self) -> str:
        kept = [{k: v for k, v in file.items() if k not in NOT_THE_MODEL} for file in self.files]
        return json.dumps(kept, sort_keys=True, default=str)

    def set_extra_state(self, state: str) -> None:
        """Restore nothing: the config came with the model."""

    def run_extractor(self, clips: list[Tensor], **options: Any) -> Any:
        """Run the authors' feature extractor on clips [n]: on the CPU and in fp32."""
        arrays = [clip.float().cpu().numpy() for clip in clips]
        with torch.autocast("cpu", enabled=False):
            return self.extractor(arrays, sampling_rate=self.sampling_rate, return_tensors="pt", **options)


def split_clips(audio: Tensor, lengths: Tensor | None) -> list[Tensor]:
    """Return the rows of [B, N], each cut to its own length."""
    sizes = [audio.shape[1]] * len(audio) if lengths is None else [int(n) for n in lengths]
    return [row[:size] for row, size in zip(audio, sizes, strict=True)]


def list_layers(output: Any, every: bool) -> list[Tensor]:
    """Return [B, T, D] of every layer (0: before the first block, i: after block i) or of the last alone."""
    return [*output.hidden_states[:-1], output.last_hidden_state] if every else [output.last_hidden_state]


class ChunkedModel(Model):
    """[B, N] -> [B, T, D], T = max(1, floor((n - first) / hop) + 1): clips are heard in pieces, frames are joined.

    A piece is ``piece`` samples and gives ``frames`` frames; the next one begins ``frames * hop`` samples later.
    Frames beyond the clip are cut.
    """

    hop: int  # samples
    first: int  # the shortest clip that fills a frame, samples
    piece: int  # samples
    frames: int  # of a piece

    def encode(self, pieces: list[Tensor], every: bool) -> list[Tensor]:
        """Encode pieces, [n] each, n <= piece -> the layers, [len(pieces), frames or fewer, D]."""
        raise NotImplementedError

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self._join_chunks(audio, lengths, every=False)[0]

    def hidden_states(self, audio: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Return the input of the first block, then each block's output, [B, T, D]; the last is that of ``forward``."""
        return self._join_chunks(audio, lengths, every=True)

    def _join_chunks(self, audio: Tensor, lengths: Tensor | None, every: bool) -> list[Tensor]:
        clips, step = split_clips(audio, lengths), self.frames * self.hop
        wanted = [max(1, (len(clip) - self.first) // self.hop + 1) for clip in clips]
        counts = [math.ceil(t / self.frames) for t in wanted]
        pieces = [
            clip[k * step :][: self.piece] for clip, count in zip(clips, counts, strict=True) for k in range(count)
        ]
        encoded = [self.encode(pieces[k : k + ROWS], every) for k in range(0, len(pieces), ROWS)]
        result = []
        for parts in zip(*encoded, strict=True):
            rows = iter([row for part in parts for row in part])
            joined = [
                torch.cat([next(rows) for _ in range(count)])[:t] for count, t in zip(counts, wanted, strict=True)
            ]
            result.append(nn.utils.rnn.pad_sequence(joined, batch_first=True))
        return result
