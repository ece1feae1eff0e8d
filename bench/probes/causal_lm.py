"""A pretrained language model of transformers as a frozen decoder, from a hub id or a local folder.

Only safetensors weights are read and no code from a hub is run. HF_HUB_OFFLINE=1 keeps to local files.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from bench.audio import torchaudio_safe
from bench.probes.text_decoders import compute_positions
from bench.types import ChoiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from bench.probes.text_decoders import TextDecoder

QWEN = "Qwen/Qwen2.5-0.5B"
SEPARATOR = "<|vision_end|>"


@dataclass(frozen=True, slots=True)
class CausalLM:
    """A language model by name: a hub id with an optional ``@revision``, or a folder.

    Example:
        >>> CausalLM("Qwen/Qwen2.5-0.5B").probe_name
        'lm_Qwen2_5_0_5B'
    """

    name: str
    row: str = ""  # how rows name the probe; after the model when empty

    @property
    def probe_name(self) -> str:
        if self.row:
            return self.row
        plain = Path(self.name).resolve().name if Path(self.name).is_dir() else self.name.rpartition("/")[2]
        return f"lm_{re.sub(r'[^A-Za-z0-9]+', '_', plain)}"

    def load(self, texts: Sequence[str], device: torch.device) -> TextDecoder:
        """Return the model in fp32, on a GPU in bf16, whatever the checkpoint's precision.

        Raises ChoiceError when it is not there, is no causal language model, has no safetensors weights or its
        tokenizer has no token that ends a text.
        """
        torchaudio_safe.install()
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
        from transformers.utils import logging

        logging.disable_progress_bar()
        identity, _, revision = self.name.partition("@")
        if Path(self.name).is_dir():
            identity, revision = self.name, ""
        options: dict[str, Any] = {
            "revision": revision or None,
            "local_files_only": Path(identity).is_dir() or os.environ.get("HF_HUB_OFFLINE") == "1",
            "trust_remote_code": False,
        }
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        try:
            tokenizer = AutoTokenizer.from_pretrained(identity, **options)
            model = AutoModelForCausalLM.from_pretrained(identity, use_safetensors=True, dtype=dtype, **options)
        except (OSError, ValueError, ImportError, KeyError) as error:  # what it raises for unreadable files
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise self._refused(lines[0]) from error
        end = tokenizer.eos_token_id
        if end is None:
            raise self._refused("a tokenizer without an end of text")
        if not any(tokenizer.encode(text, add_special_tokens=False) for text in texts):
            raise self._refused("a tokenizer without tokens")  # what transformers makes of a folder without its files
        separator = tokenizer.get_vocab().get(SEPARATOR, tokenizer.bos_token_id)
        model.generation_config = GenerationConfig()  # a checkpoint may bring sampling and penalties of its own
        model = model.eval().requires_grad_(False).to(device)
        return PretrainedDecoder(model, tokenizer, end if separator is None else separator, end)

    def _refused(self, got: str) -> ChoiceError:
        expected = "--language-model NAME|FOLDER: a hub id, or a folder with config.json, a tokenizer and safetensors"
        return ChoiceError("language model", got=got, expected=expected, where=self.name)


XARES_LANGUAGE_MODEL = CausalLM(QWEN, row="linear")  # its scores belong to X-ARES's column and so to the summary S


@dataclass(frozen=True, slots=True)
class PretrainedDecoder:
    """A frozen model of transformers and its tokenizer."""

    model: Any
    tokenizer: Any
    separator: int  # <|vision_end|> as published; of a model that has none, the token that begins a text, else the end
    end: int

    @property
    def width(self) -> int:
        return int(self.model.get_input_embeddings().weight.shape[1])

    @property
    def intermediate(self) -> int:
        """Width of the model's own layers, or four times its width where its config does not say."""
        return int(getattr(self.model.config, "intermediate_size", None) or 4 * self.width)

    @property
    def trained(self) -> list[Tensor]:
        return []

    def fresh(self, source: tuple[int, int]) -> TextDecoder:
        return self

    def tokens(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def text(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def embed(self, tokens: Tensor) -> Tensor:
        embedded: Tensor = self.model.get_input_embeddings()(tokens)
        return embedded

    def logits(self, embeddings: Tensor, mask: Tensor, keep: int) -> Tensor:
        answer = self.model(
            inputs_embeds=embeddings,
            attention_mask=mask.long(),
            position_ids=compute_positions(mask),
            logits_to_keep=keep,
            use_cache=False,
        )
        logits: Tensor = answer.logits[:, -keep:].float()
        return logits

    def generate(self, embeddings: Tensor, mask: Tensor, limit: int, penalty: float) -> list[list[int]]:
        from transformers import GenerationConfig, LogitsProcessorList, RepetitionPenaltyLogitsProcessor

        config = GenerationConfig(
            max_new_tokens=limit, do_sample=False, num_beams=1, eos_token_id=self.end, pad_token_id=self.end
        )
        # As an option it would warn that there is no prompt to penalise, which is what is wanted.
        penalties = [] if penalty == 1.0 else [RepetitionPenaltyLogitsProcessor(float(penalty))]
        written = self.model.generate(
            inputs_embeds=embeddings,
            attention_mask=mask.long(),
            position_ids=compute_positions(mask),
            generation_config=config,
            logits_processor=LogitsProcessorList(penalties),
        )
        rows: list[list[int]] = written.tolist()
        return [row[: row.index(self.end)] if self.end in row else row for row in rows]
