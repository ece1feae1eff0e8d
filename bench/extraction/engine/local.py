"""One machine: forward passes of an encoder on this process's device.

On a CPU every operation runs on one thread and several batches run at a time, each on its own copy of the modules
around shared weights. Splitting one operation over threads would make its rounding depend on how many there are, and
with it the leaderboard's bytes on the number of workers.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.extraction.engine.budget import Budget, split_on_oom
from bench.extraction.engine.decoder_pool import DecoderPool, get_shared_pool
from bench.loading.frame_rule import count_valid_frames
from bench.types import Certificate, Encoder, EncoderError, Policy

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PASSES = 3  # on a GPU: one thread fills a batch, one queues its operations, one waits for results
Reduce = Callable[["Tensor", list[int]], "Tensor"]
"""What is taken from the device of an output [B, T, D] with so many valid frames a clip."""


@dataclass(frozen=True, slots=True)
class LoadedEncoder:
    """An encoder ready for use, with all that its scores have to say about it."""

    name: str
    encoder: Encoder
    fingerprint: str
    certificate: Certificate
    device: str
    precision: str
    trained_on: tuple[str, ...] = ()
    budget: Budget = field(default_factory=Budget)
    compiled: bool = False  # by torch.compile

    @property
    def policy(self) -> Policy:
        return self.certificate.policy

    @property
    def on_cpu(self) -> bool:
        return self.device.partition(":")[0] == "cpu"


@dataclass(frozen=True, slots=True)
class Engine:
    """An encoder's copies, and threads for the three stages: read shards, decode clips, run the encoder.

    On a CPU decoding and forward passes compete for the cores, so they share one pool, as large as the cores allow. A
    GPU has its own passes waiting while the CPU decodes.
    """

    loaded: LoadedEncoder
    pool: ThreadPoolExecutor  # decodes
    passes: ThreadPoolExecutor  # runs the encoder
    reader: ThreadPoolExecutor  # one thread, which prepares the next window
    copies: SimpleQueue[Encoder]
    decoders: DecoderPool | None = None  # processes that decode, each of which a thread of the pool waits for

    def forward(self, audio: Sequence[NDArray[np.float32]], *, where: str) -> tuple[NDArray[np.float64], list[int]]:
        """Return sums over valid frames [B, D] and how many each clip has, computed on the next free copy."""
        parts = self._parts(sum_frames, audio, where)
        return np.concatenate([sums.cpu().numpy() for sums, _ in parts]), [n for _, counts in parts for n in counts]

    def frames(self, audio: Sequence[NDArray[np.float32]], *, where: str) -> list[NDArray[np.float32]]:
        """Return valid frames [T, D] of each clip, computed on the next free copy."""
        return [
            clip
            for output, counts in self._parts(keep_all_frames, audio, where)
            for clip in cut_valid_frames(output, counts)
        ]

    def _parts(
        self, reduce: Reduce, audio: Sequence[NDArray[np.float32]], where: str
    ) -> list[tuple[Tensor, list[int]]]:
        """Return the outputs of a batch's passes, one unless memory runs out; they are still on the device."""
        rate = self.loaded.encoder.sampling_rate

        def one(part: Sequence[NDArray[np.float32]]) -> tuple[Tensor, list[int]]:
            batch = pad_on_device(part, self.loaded)  # while the copy is still busy with another batch
            encoder = self.copies.get()
            try:
                output, counts = run_batch(encoder, batch, [len(clip) for clip in part], self.loaded, where)
                return reduce(output, counts), counts
            finally:
                self.copies.put(encoder)

        return split_on_oom(one, audio, self.loaded.budget, rate=rate, name=self.loaded.name, where=where)


@contextlib.contextmanager
def start_engine(loaded: LoadedEncoder, threads: int, decoders: int = 0) -> Iterator[Engine]:
    """Give an engine of ``threads`` threads; what is still queued when its block fails is dropped, not waited for.

    With ``decoders`` so many other processes decode.
    """
    processes = get_shared_pool(decoders) if decoders else None
    if processes is not None:
        processes.start()
    pool, reader = ThreadPoolExecutor(decoders or threads), ThreadPoolExecutor(1)
    shares = loaded.on_cpu and not decoders
    passes = pool if shares else ThreadPoolExecutor(threads if loaded.on_cpu else PASSES)
    try:
        with use_one_thread() if loaded.on_cpu else nullcontext():
            copies = copy_encoder(loaded.encoder, threads if loaded.on_cpu else 1)
            yield Engine(loaded, pool, passes, reader, copies, processes)
    finally:
        for executor in (passes, pool, reader):  # the reader last: it may be waiting for what is dropped here
            executor.shutdown(cancel_futures=True)


@contextlib.contextmanager
def use_one_thread() -> Iterator[None]:
    """One thread per torch operation inside the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def copy_encoder(encoder: Encoder, n: int) -> SimpleQueue[Encoder]:
    """Up to ``n`` encoders that share their weights but no other state; one that cannot be copied stays alone."""
    copies: SimpleQueue[Encoder] = SimpleQueue()
    copies.put(encoder)
    tensors = [*getattr(encoder, "parameters", list)(), *getattr(encoder, "buffers", list)()]
    for _ in range(n - 1):
        try:
            copies.put(copy.deepcopy(encoder, {id(tensor): tensor for tensor in tensors}))
        except (TypeError, RuntimeError, AttributeError, NotImplementedError):  # sessions, handles, generators
            break
    return copies


def sum_frames(output: Tensor, counts: list[int]) -> Tensor:
    """Return sums over valid frames [B, D] in float64."""
    import torch

    if output.device.type == "cuda":
        return sum_masked_frames(output, counts)
    output = output.cpu()  # other devices may have no float64
    return torch.stack([output[row, :count].to(torch.float64).sum(0) for row, count in enumerate(counts)])


def sum_masked_frames(output: Tensor, counts: list[int]) -> Tensor:
    """``sums_of`` in a few operations on the whole batch, for a device where each costs the same, large or small."""
    import torch

    valid_until = to_tensor(counts, output.device)[:, None, None]
    frame = torch.arange(output.shape[1], device=output.device)[None, :, None]
    return torch.where(frame < valid_until, output, torch.zeros((), dtype=output.dtype, device=output.device)).sum(
        1, dtype=torch.float64
    )


def keep_all_frames(output: Tensor, counts: list[int]) -> Tensor:
    """All frames, in float32."""
    return output.float()


def cut_valid_frames(output: Tensor, counts: list[int]) -> list[NDArray[np.float32]]:
    """Return valid frames [T, D] of each clip of [B, T, D]."""
    frames = output.cpu().numpy()
    return [frames[row, :count].copy() for row, count in enumerate(counts)]


def pad_on_device(audio: Sequence[NDArray[np.float32]], loaded: LoadedEncoder) -> Tensor:
    """Return the clips of a batch, zero-padded to [B, N]; a GPU fetches them while this thread goes on."""
    import torch

    longest = max(len(one) for one in audio)
    pinned = loaded.device.startswith("cuda")
    padded = torch.empty((len(audio), longest), pin_memory=pinned)
    rows = padded.numpy()  # numpy's copies ask for the interpreter's lock less often
    for row, one in zip(rows, audio, strict=True):
        row[: len(one)] = one
        row[len(one) :] = 0
    return padded.to(loaded.device, non_blocking=pinned)


def to_tensor(values: list[int], device: str | torch.device) -> Tensor:
    """[B] int64 on a device, without waiting for it."""
    import torch

    # From memory that is not pinned, a GPU's copy would be waited for, and with it all that is queued there.
    pinned = str(device).startswith("cuda")
    return torch.tensor(values, pin_memory=pinned).to(device, non_blocking=pinned)


def run_batch(
    encoder: Encoder, batch: Tensor, lengths: list[int], loaded: LoadedEncoder, where: str
) -> tuple[Tensor, list[int]]:
    """Return the encoder's output for one batch, [B, T, D], and the number of valid frames of each clip.

    Raises EncoderError, naming ``where``, when the output is not [B, T >= 1, output_dim].
    """
    import torch

    given = {"lengths": to_tensor(lengths, loaded.device)} if loaded.policy == "padded" else {}
    try:
        with torch.inference_mode(), use_precision(loaded.device, loaded.precision):
            output = encoder(batch, **given)
    except torch.OutOfMemoryError:
        raise  # it can be helped
    except Exception as error:  # somebody else's code may raise anything
        shortest = min(lengths) / encoder.sampling_rate
        got = f"{type(error).__name__}: {error}".splitlines()[0]
        expected = f"an output for {list(batch.shape)}, the shortest clip being {shortest:.3g} s"
        raise EncoderError(f"{loaded.name} fails", got=got, expected=expected, where=where) from error
    if output.ndim != 3 or len(output) != len(batch) or output.shape[2] != encoder.output_dim or output.shape[1] == 0:
        expected = f"[{len(batch)}, T >= 1, {encoder.output_dim}]"
        raise EncoderError(f"{loaded.name} output", got=list(output.shape), expected=expected, where=where)
    counts = [output.shape[1]] * len(batch)
    if loaded.policy == "padded":
        counts = [min(count_valid_frames(loaded.certificate, n), output.shape[1]) for n in lengths]
    return output, counts


def use_precision(device: str, precision: str) -> AbstractContextManager[Any]:
    """Mixed precision as asked for: nothing for fp32."""
    if precision == "fp32":
        return nullcontext()
    import torch

    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return torch.autocast(device.partition(":")[0], dtype=dtype)
