"""The speech-to-text probe: a projector turns frames into what a language model reads, and the model writes.

X-ARES's head and recipe: a frozen language model, a projector trained by the cross-entropy of the transcript, Adam, the
cosine of the linear probe, batches of 4, greedy generation with a repetition penalty of 1.1. Unlike X-ARES

- positions are those of the tokens, not of the padding, in training and in generation (``bench.probes.text_decoders``);
- the epoch is chosen by transcripts that were generated, as they will be for the test, on a fixed part of the
  validation split, not by answers to the right beginning cut to the right length;
- numbers have one precision (fp32, a language model on a GPU bf16) instead of fp16 autocast without loss scaling;
- batch order and initial weights depend on (seed, problem, epoch) alone, and only what is trained is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from torch.nn import functional

from bench.probes.causal_lm import XARES_LANGUAGE_MODEL
from bench.probes.heads import Adam, compute_cosine_rate, draw_bits
from bench.probes.input_checks import check_split
from bench.probes.projector import Projector, build_sequences, draw_projector, stack_frames
from bench.probes.text_decoders import IGNORED, LanguageModel, TextDecoder
from bench.types import DataError, ProbeResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from bench.types import FitSplit

READ_AT_ONCE = 32  # clips of which transcripts are written together
WHERE = "speech-to-text probe"


class SpeechTargets(Protocol):
    """Transcripts, and the metric that chooses the epoch."""

    @property
    def texts(self) -> NDArray[Any]:
        """[N] transcripts, str."""

    @property
    def score(self) -> Callable[[NDArray[Any], NDArray[Any]], float]:
        """The metric of transcripts and answers [M], higher is better; it chooses the epoch."""


@dataclass(frozen=True, slots=True)
class SpeechToText:
    """Projector and language model. The defaults are the published ones.

    Example:
        >>> from bench.probes import SmallLM
        >>> SpeechToText(language_model=SmallLM(), epochs=2).name
        'linear'
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    batch_size: int = 4  # clips
    language_model: LanguageModel = XARES_LANGUAGE_MODEL
    stack: int = 1  # consecutive frames that make one token
    max_new_tokens: int = 200
    repetition_penalty: float = 1.1
    valid_clips: int = 200  # of the validation split, evenly spread, choose the epoch

    @property
    def name(self) -> str:
        return self.language_model.probe_name

    @property
    def seeded(self) -> bool:
        return True

    def run(
        self,
        vectors: Sequence[NDArray[Any]],
        targets: SpeechTargets,
        problems: Sequence[FitSplit],
        *,
        n_classes: int,
        seeds: Sequence[int],
        device: str = "cpu",
    ) -> list[ProbeResult]:
        """Train one projector per problem and seed, and write transcripts of each problem's test clips.

        ``vectors`` are the frames of N clips, [T, D] each; transcripts of test clips are never read. Returns one
        result per problem: ``predictions`` [S, n_test] object array of str, and ``info`` with the chosen ``epoch`` of
        each seed, the fraction ``cut off`` of test transcripts that reached ``max_new_tokens`` without an end and, if
        there are validation clips, their ``valid`` score. Raises DataError for no seeds and splits that are empty or
        overlap, and ChoiceError when the language model cannot be had.
        """
        if not seeds:
            raise DataError("no probe seeds", got="none", expected="at least one", where=WHERE)
        results = []
        for place, problem in enumerate(problems):
            check_split(problem, len(vectors), f"{WHERE}, problem {place + 1} of {len(problems)}")
            decoder = self.language_model.load([targets.texts[row] for row in problem.train], torch.device(device))
            clips = FrameReader(vectors, self.stack, torch.device(device))
            fitted = [_fit_model(self, decoder, clips, targets, problem, (seed, place)) for seed in seeds]
            answers = [_write_transcripts(self, model, clips, problem.test) for model, _, _ in fitted]
            info: dict[str, Any] = {"epoch": [epoch for _, epoch, _ in fitted], "cut off": [cut for _, cut in answers]}
            if problem.valid is not None:
                info["valid"] = [score for _, _, score in fitted]
            results.append(ProbeResult(np.stack([texts for texts, _ in answers]), info))
        return results


class FrameReader(NamedTuple):
    """Frames, read from where they lie when they are needed."""

    vectors: Sequence[NDArray[Any]]  # N of [T, D]
    stack: int
    device: torch.device

    @property
    def width(self) -> int:
        return self.stack * int(self.vectors[0].shape[1])

    def frames(self, rows: NDArray[np.int64]) -> list[Tensor]:
        """Return [ceil(T / stack), width] of each clip."""
        return [torch.from_numpy(stack_frames(self.vectors[row], self.stack)).to(self.device) for row in rows.tolist()]


class SpeechModel(NamedTuple):
    """A projector, which is fitted, and the decoder that it is fitted to."""

    projector: Projector
    decoder: TextDecoder

    @property
    def trained(self) -> list[Tensor]:
        return [*self.projector, *self.decoder.trained]


def _fit_model(
    probe: SpeechToText,
    decoder: TextDecoder,
    clips: FrameReader,
    targets: SpeechTargets,
    problem: FitSplit,
    source: tuple[int, int],
) -> tuple[SpeechModel, int, float]:
    """Return the model of a fit and seed, the epoch (1-based) it is of, and the validation score there."""
    decoder = decoder.fresh(source)
    model = SpeechModel(draw_projector(clips.width, decoder.intermediate, decoder.width, source, clips.device), decoder)
    tokens = {row: decoder.tokens(targets.texts[row]) for row in problem.train.tolist()}
    judged = None if problem.valid is None else _pick_evenly(problem.valid, probe.valid_clips)
    best, chosen, highest = [weight.clone() for weight in model.trained], probe.epochs, -1.0
    adam = Adam.of(model.trained)
    for epoch in range(1, probe.epochs + 1):
        order = np.argsort(draw_bits(len(problem.train), *source, epoch), kind="stable")
        rate = compute_cosine_rate(probe.learning_rate, epoch, probe.epochs)
        for start in range(0, len(order), probe.batch_size):
            rows = problem.train[order[start : start + probe.batch_size]]
            gradients = _compute_gradients(model, clips.frames(rows), [tokens[row] for row in rows.tolist()])
            with torch.no_grad():
                adam.step(gradients, rate)
        if judged is not None:
            score = targets.score(targets.texts[judged], _write_transcripts(probe, model, clips, judged)[0])
            if score > highest:
                highest, chosen = score, epoch
                best = [weight.clone() for weight in model.trained]
    if judged is not None:
        for weight, kept in zip(model.trained, best, strict=True):
            weight.copy_(kept)
    return model, chosen, highest


def _pick_evenly(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most ``most`` of the rows, evenly spread."""
    return rows if len(rows) <= most else rows[np.arange(most) * len(rows) // most]


def _compute_gradients(model: SpeechModel, frames: list[Tensor], texts: list[list[int]]) -> list[Tensor]:
    """Return gradients of the mean cross-entropy over the tokens of a batch's transcripts, ends included."""
    weights = model.trained
    for weight in weights:
        weight.requires_grad_()
    batch = build_sequences(model.projector, model.decoder, frames, texts)
    logits = model.decoder.logits(batch.embeddings, batch.mask, batch.targets.shape[1])
    loss = functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED)
    gradients = torch.autograd.grad(loss, weights)
    for weight in weights:
        weight.requires_grad_(False)
    return list(gradients)


def _write_transcripts(
    probe: SpeechToText, model: SpeechModel, clips: FrameReader, rows: NDArray[np.int64]
) -> tuple[NDArray[Any], float]:
    """Return transcripts [M] of ``rows``, object array of str, and the fraction that did not end by itself."""
    answers = np.empty(len(rows), dtype=object)
    cut = 0
    # Neighbours in length share a batch: less padding, the same transcripts.
    order = np.argsort([len(clips.vectors[row]) for row in rows], kind="stable")
    with torch.no_grad():
        for start in range(0, len(order), READ_AT_ONCE):
            part = order[start : start + READ_AT_ONCE]
            batch = build_sequences(model.projector, model.decoder, clips.frames(rows[part]), None)
            written = model.decoder.generate(
                batch.embeddings, batch.mask, probe.max_new_tokens, probe.repetition_penalty
            )
            cut += sum(len(tokens) == probe.max_new_tokens for tokens in written)
            answers[part] = [model.decoder.text(tokens) for tokens in written]
    return answers, cut / len(rows)
