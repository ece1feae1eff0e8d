"""The text side of retrieval: how captions become vectors that are compared with clips.

- ``Tokens``, the published side: an embedding of each token, trained from scratch, then Linear -> GELU -> Linear on
  every token and the mean over a caption's tokens, special ones included. Only tokens of training captions are in the
  table; all others share one vector that is never trained (X-ARES leaves each of those at a random vector of its own).
- ``FrozenText``: a pretrained text encoder of transformers, left as it is; the mean of the last hidden states over a
  caption's tokens goes through the same small network as a clip's embedding.

A tower has no context: the network sees a token, not its neighbours. It is therefore computed once for each different
token of a batch, which is the same function.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from bench.audio import torchaudio_safe
from bench.probes.towers import Parameter, VectorTower, apply_perceptron, list_perceptron_parameters
from bench.types import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from bench.probes.towers import Tower

WORDS = "words"
BERT = "google-bert/bert-base-uncased"
CAPTIONS = 64  # encoded at a time
PADDING = -1


class TextSide(Protocol):
    """Makes a tower of captions."""

    @property
    def name(self) -> str:
        """The part of the probe's name that differs from the published side; empty for that one."""

    def tower(self, captions: Sequence[str], train: NDArray[np.int64], width: int, device: str) -> Tower:
        """Return the tower of ``captions`` [T]; ``train`` are the rows that may be learnt from, vocabulary included."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text side from scratch. ``tokeniser``: ``words``, or a tokeniser of transformers by hub name or folder.

    Example:
        >>> tower = Tokens("words").tower(["a dog", "a cat"], np.array([0]), 8, "cpu")
        >>> tower.tokens.tolist(), tower.size  # 2 stands for all words that are in no training caption
        ([[0, 1], [0, 2]], 3)
    """

    tokeniser: str = BERT

    @property
    def name(self) -> str:
        return ""

    def tower(self, captions: Sequence[str], train: NDArray[np.int64], width: int, device: str) -> TokenTower:
        """Return the tower of captions. Raises DataError if the tokeniser is not available."""
        split: Sequence[Sequence[Any]] = (
            [split_words(text) for text in captions] if self.tokeniser == WORDS else _tokenize(self.tokeniser, captions)
        )
        vocabulary = {token: place for place, token in enumerate(sorted({t for row in train for t in split[row]}))}
        unknown = len(vocabulary)
        rows = np.full((len(split), max(1, *map(len, split))), PADDING)
        for row, tokens in zip(rows, split, strict=True):
            row[: max(1, len(tokens))] = [vocabulary.get(token, unknown) for token in tokens] or [unknown]
        return TokenTower(torch.from_numpy(rows).to(device), unknown + 1, width)


@dataclass(frozen=True, slots=True)
class TokenTower:
    """Captions as rows of a table of ``size`` trained vectors: [T, L], PADDING where a caption has ended."""

    tokens: Tensor
    size: int
    width: int

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return Parameter((self.size, self.width), "normal"), *list_perceptron_parameters(self.width, self.width)

    def __call__(self, values: Sequence[Tensor], rows: Tensor) -> Tensor:
        table, *layers = values
        tokens = self.tokens[rows]
        is_token = tokens != PADDING
        used, at = torch.unique(tokens.clamp(min=0), return_inverse=True)
        counts = torch.zeros(len(rows), len(used), device=tokens.device).scatter_add_(1, at, is_token.float())
        return counts @ apply_perceptron(table[used], layers) / is_token.sum(dim=1, keepdim=True)


@dataclass(frozen=True, slots=True)
class FrozenText:
    """A text encoder of transformers by hub name or folder (BERT, a sentence encoder).

    Example:
        >>> FrozenText("google-bert/bert-base-uncased").name
        'google-bert/bert-base-uncased'
    """

    model: str

    @property
    def name(self) -> str:
        return Path(self.model).resolve().name if Path(self.model).is_dir() else self.model

    def tower(self, captions: Sequence[str], train: NDArray[np.int64], width: int, device: str) -> VectorTower:
        """Return the tower of captions. Raises DataError if the model is not available."""
        different = tuple(sorted(set(captions)))
        place = {caption: row for row, caption in enumerate(different)}
        vectors = _encode_captions(self.model, different, device)
        return VectorTower(vectors[[place[caption] for caption in captions]], width)


def split_words(text: str) -> list[str]:
    """Return lower-case words; an apostrophe within one belongs to it, a hyphen does not."""
    return re.findall(r"\w+(?:['’]\w+)*", text.lower())


def _tokenize(name: str, captions: Sequence[str]) -> list[list[int]]:
    """Return the tokens of each caption, special ones included."""
    tokeniser = _load_from_transformers(name, lambda auto, options: auto.AutoTokenizer.from_pretrained(name, **options))
    pieces: list[list[int]] = tokeniser(list(captions), truncation=False)["input_ids"] if captions else []
    return pieces


@lru_cache(maxsize=2)  # the next encoder and the next problem ask for the same captions
def _encode_captions(name: str, captions: tuple[str, ...], device: str) -> Tensor:
    """Return [T, H], the mean of the last hidden states over a caption's tokens."""
    tokeniser = _load_from_transformers(name, lambda auto, options: auto.AutoTokenizer.from_pretrained(name, **options))
    model = _load_from_transformers(
        name,
        lambda auto, options: auto.AutoModel.from_pretrained(
            name, use_safetensors=True, dtype=torch.float32, **options
        ),
    )
    model = model.eval().requires_grad_(False).to(device)
    longest = min(tokeniser.model_max_length, getattr(model.config, "max_position_embeddings", 512))
    vectors = []
    for start in range(0, len(captions), CAPTIONS):
        batch = tokeniser(
            list(captions[start : start + CAPTIONS]),
            padding=True,
            truncation=True,
            max_length=longest,
            return_tensors="pt",
        ).to(device)
        hidden = model(**batch).last_hidden_state
        keep = batch["attention_mask"][..., None].to(hidden.dtype)
        vectors.append((hidden * keep).sum(dim=1) / keep.sum(dim=1))
    return torch.cat(vectors)


def _load_from_transformers(name: str, load: Callable[[Any, dict[str, Any]], Any]) -> Any:
    """Return the result of ``load``. Raises DataError if transformers cannot find or read it."""
    torchaudio_safe.install()
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        return load(transformers, {"local_files_only": os.environ.get("HF_HUB_OFFLINE") == "1"})
    except (OSError, ValueError, ImportError, KeyError) as error:  # what transformers raises for what it cannot read
        lines = str(error).strip().splitlines() or [type(error).__name__]
        expected = "a network, a copy in the hub's cache, or --text-encoder FOLDER with a transformers text model"
        raise DataError("text model", got=lines[0], expected=expected, where=name) from error
