"""A hub cache as transformers reads it without a network, with tiny random models under published names."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path

import torch

from bench.audio import torchaudio_safe

REVISION = "0" * 40
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def write_hub(root: Path) -> Path:
    """``root`` as HF_HOME, holding the text models that X-ARES uses, tiny."""
    torchaudio_safe.install()  # transformers imports torchaudio
    for name, write in (("google-bert/bert-base-uncased", write_bert), ("Qwen/Qwen2.5-0.5B", write_qwen2)):
        _place(root, name, write)
    return root


def write_bert(folder: Path) -> None:
    """The tokeniser alone, which knows letters."""
    from transformers import BertConfig, BertTokenizerFast

    BertConfig().save_pretrained(folder)  # says which tokeniser it is
    pieces = [*SPECIAL, *string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    (folder / "vocab.txt").write_text("\n".join(pieces))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)


def write_qwen2(folder: Path) -> None:
    """One layer, 16 wide, random weights; a tokeniser of letters."""
    from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

    vocabulary = {letter: number for number, letter in enumerate([*string.ascii_letters, "\u0120"])}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[], extra_special_tokens=["<|vision_end|>"])
    tokenizer.save_pretrained(folder)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=512, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Qwen2ForCausalLM(config).save_pretrained(folder)


def _place(root: Path, name: str, write: Callable[[Path], None]) -> None:
    model = root / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = model / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(REVISION)
    write(snapshot)
