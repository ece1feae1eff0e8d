"""Text sides: words and wordpieces trained from scratch, frozen text encoders, and models that are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.audio import torchaudio_safe
from bench.probes import FrozenText, RetrievalProbe, Tokens
from bench.probes import text as module
from bench.probes.text import PADDING, WORDS, split_words
from bench.probes.towers import draw_parameters
from bench.types import DataError, FitSplit

CAPTIONS = ["A dog barks twice.", "Rain, then a DOG", "nothing new here", "..."]
VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "dog",
    "barks",
    "twice",
    "rain",
    "then",
    ".",
    ",",
    "##s",
]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformers folder of a random BERT."""
    torchaudio_safe.install()  # transformers imports torchaudio
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-bert")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder


def test_words() -> None:
    assert split_words("A dog's bark -- twice, Übel-re 3x") == ["a", "dog's", "bark", "twice", "übel", "re", "3x"]
    assert split_words("...") == []


@given(st.text(max_size=30))
def test_words_are_words_already(text: str) -> None:
    assert split_words(" ".join(split_words(text))) == split_words(text)


def test_the_vocabulary_is_that_of_the_training_captions() -> None:
    tower = Tokens(WORDS).tower(CAPTIONS, np.array([0]), 4, "cpu")
    assert tower.size == 5  # a, barks, dog, twice and the unknown
    assert tower.tokens.tolist() == [[0, 2, 1, 3], [4, 4, 0, 2], [4, 4, 4, PADDING], [4, *[PADDING] * 3]]


def test_a_caption_is_the_mean_of_its_words_and_of_nothing_else() -> None:
    tower = Tokens(WORDS).tower(CAPTIONS, np.arange(4), 4, "cpu")
    values = draw_parameters(tower.parameters, (0, 0), "cpu")
    whole = tower(values, torch.arange(4))
    for row in range(4):
        torch.testing.assert_close(tower(values, torch.tensor([row]))[0], whole[row])
    both = Tokens(WORDS).tower(["dog", "rain", "dog rain", "rain dog", "dog dog rain"], np.arange(5), 4, "cpu")
    dog, rain, one, other, twice = both(draw_parameters(both.parameters, (0, 0), "cpu"), torch.arange(5))
    torch.testing.assert_close(one, (dog + rain) / 2)
    torch.testing.assert_close(other, one)
    torch.testing.assert_close(twice, (2 * dog + rain) / 3)


def test_wordpieces_of_a_folder_with_special_tokens(bert: Path) -> None:
    tower = Tokens(str(bert)).tower(CAPTIONS[:2], np.array([0, 1]), 4, "cpu")
    assert tower.tokens.shape == (2, 7)  # [CLS] a dog barks twice . [SEP]
    assert tower.tokens[0, 0] == tower.tokens[1, 0]
    assert tower.size == 1 + 10


class TestFrozen:
    def test_is_the_masked_mean_of_the_last_states(self, bert: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        tower = FrozenText(str(bert)).tower(CAPTIONS, np.arange(2), 4, "cpu")
        model, tokeniser = AutoModel.from_pretrained(bert).eval(), AutoTokenizer.from_pretrained(bert)
        for caption, found in zip(CAPTIONS, tower.vectors, strict=True):
            with torch.no_grad():  # alone, so without padding
                alone = model(**tokeniser(caption, return_tensors="pt")).last_hidden_state[0].mean(dim=0)
            torch.testing.assert_close(found, alone, atol=1e-5, rtol=1e-5)

    def test_each_text_is_encoded_once(self, bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        side = FrozenText(str(bert))
        tower = side.tower(["a dog", "rain", "a dog"], np.arange(3), 4, "cpu")
        assert torch.equal(tower.vectors[0], tower.vectors[2])
        monkeypatch.setattr(module, "_load_from_transformers", None)  # nothing is loaded again
        again = side.tower(["rain", "a dog"], np.arange(2), 4, "cpu")
        assert torch.equal(again.vectors[0], tower.vectors[1])

    def test_more_words_than_positions_are_cut(self, bert: Path) -> None:
        tower = FrozenText(str(bert)).tower(["dog " * 50], np.arange(1), 4, "cpu")
        assert torch.isfinite(tower.vectors).all()

    def test_trains_and_is_named_after_the_folder(self, bert: Path) -> None:
        probe = RetrievalProbe(FrozenText(str(bert)), epochs=2, batch_size=4, width=8)
        assert probe.name == f"retrieval:{bert.name}"
        vectors = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
        texts = [(f"a {name}", name) for name in ("dog", "rain", "barks", "twice", "then", "dogs")]
        split = FitSplit(np.arange(4), None, np.array([4, 5]))
        found = probe.run(vectors, texts, [split], n_classes=0, seeds=[0, 1])[0].predictions
        assert found.shape == (2, 6)
        assert found.min() >= 1


@pytest.mark.parametrize("side", [Tokens, FrozenText])
def test_a_model_that_is_not_there_is_one_clear_error(side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("nobody/no-such-model", str(tmp_path)):
        with pytest.raises(DataError, match=r"text model: got .*--text-encoder FOLDER.*") as caught:
            side(name).tower(["a"], np.arange(1), 4, "cpu")
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
