"""The retrieval probe: its losses in closed form, its training against torch's own modules, and what it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from bench.metrics import recall_at_1
from bench.metrics.retrieval import compute_ranks, list_kinds
from bench.probes import FrozenText, LinearProbe, RetrievalProbe, Tokens
from bench.probes.contrastive import LOG_SCALE, compute_contrastive_loss
from bench.probes.heads import compute_cosine_rate, draw_bits
from bench.probes.retrieval import CaptionPairs
from bench.probes.text import WORDS, split_words
from bench.probes.towers import Parameter, VectorTower, draw_parameters
from bench.types import DataError, FitSplit, Probe

SOUNDS = ("dog barks", "rain falls", "a bell rings", "someone walks", "an engine idles", "birds sing")
PLACES = ("in a hall", "far away", "by the road")
PROBE = RetrievalProbe(text=Tokens(WORDS), epochs=6, batch_size=16, width=32, learning_rate=3e-3)
SCALE = torch.tensor(LOG_SCALE)


def dataset(n: int = 60, captions: int = 3, noise: float = 0.3):
    """Vectors that hold a sound and a place, captions that name both in other words."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((len(SOUNDS) + len(PLACES), 24))
    sounds, places = rng.integers(len(SOUNDS), size=n), rng.integers(len(PLACES), size=n)
    vectors = directions[sounds] + directions[len(SOUNDS) + places] + noise * rng.standard_normal((n, 24))
    said = ("{} {}", "{1}, {0}", "one hears that {} {}")
    texts = [
        tuple(said[k % 3].format(SOUNDS[s], PLACES[p]) for k in range(captions))
        for s, p in zip(sounds, places, strict=True)
    ]
    return vectors.astype(np.float32), texts


def problem(n: int = 60, valid: bool = True) -> FitSplit:
    first, second = n * 2 // 3, n * 5 // 6
    return FitSplit(
        np.arange(first) if valid else np.arange(second),
        np.arange(first, second) if valid else None,
        np.arange(second, n),
    )


def run(probe=PROBE, n=60, valid=True, seeds=(0, 1), **changes):
    vectors, texts = dataset(n, **changes)
    return probe.run(vectors, texts, [problem(n, valid)], n_classes=0, seeds=seeds)


def value(ranks_of_one_seed, clips=10, captions=30):
    return recall_at_1.compute(list_kinds(clips, captions), ranks_of_one_seed)


class TestLosses:
    def test_cosine_in_closed_form(self):
        """Two clips, the first with two captions, at right angles."""
        audio = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 0.5]])
        text = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 7.0]])
        e = math.exp(1 / 0.07)
        first = -math.log(e / (2 * e + 1))  # either of two right answers, half each
        last = -math.log(e / (e + 2))
        found = compute_contrastive_loss("cosine", audio, text, torch.tensor([4, 4, 9]), SCALE)
        assert float(found) == pytest.approx((2 * first + last) / 3, abs=1e-6)

    def test_dot_in_closed_form(self):
        """Published: of a pair only its own caption is right, and short vectors are paid for."""
        audio, text = torch.tensor([[0.3, 0.0], [0.3, 0.0]]), torch.tensor([[0.0, 0.1], [0.2, 0.0]])
        logits = np.array([[0.0, 0.06], [0.0, 0.06]]) / 0.07
        a2t = np.mean(np.log(np.exp(logits).sum(axis=1)) - np.diag(logits))
        t2a = np.mean(np.log(np.exp(logits.T).sum(axis=1)) - np.diag(logits))
        spread = 0.15 / math.sqrt(0.18) + 0.075 / math.sqrt(0.05)
        found = compute_contrastive_loss("dot", audio, text, torch.tensor([4, 4]), SCALE)
        assert float(found) == pytest.approx((a2t + t2a) / 2 + spread, abs=1e-6)

    @given(st.integers(1, 6), st.integers(0, 99))
    def test_one_caption_each_is_cross_entropy(self, n, seed):
        audio, text = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, n, 5)))
        logits = functional.normalize(audio) @ functional.normalize(text).T / 0.07
        right = torch.arange(n)
        expected = (functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right)) / 2
        found = compute_contrastive_loss("cosine", audio, text, right + 7, SCALE.double())
        assert float(found) == pytest.approx(float(expected), rel=1e-6, abs=1e-9)
        louder = compute_contrastive_loss("cosine", 3 * audio, text / 2, right, SCALE.double())
        assert float(louder) == pytest.approx(float(found), rel=1e-9, abs=1e-12)

    @given(st.integers(2, 6), st.integers(0, 99))
    def test_order_and_sides_do_not_matter(self, n, seed):
        rng = np.random.default_rng(seed)
        audio, text = torch.from_numpy(rng.standard_normal((2, n, 4)))
        clips, order = torch.from_numpy(rng.integers(3, size=n)), torch.from_numpy(rng.permutation(n))
        for objective in ("cosine", "dot"):
            found = float(compute_contrastive_loss(objective, audio, text, clips, SCALE))
            swapped = compute_contrastive_loss(objective, text, audio, clips, SCALE)
            moved = compute_contrastive_loss(objective, audio[order], text[order], clips[order], SCALE)
            assert float(swapped) == pytest.approx(found, rel=1e-6)
            assert float(moved) == pytest.approx(found, rel=1e-6)


class Reference(nn.Module):
    """Both towers as torch's modules, padded and masked, from given initial values."""

    def __init__(self, values: list[torch.Tensor]) -> None:
        super().__init__()
        audio_in, table = values[2], values[6]
        (dim, width), size = audio_in.shape, table.shape[0]
        self.norm = nn.LayerNorm(dim)
        self.audio = nn.Sequential(nn.Linear(dim, width), nn.GELU(), nn.Linear(width, width))
        self.table = nn.Embedding(size + 1, width, padding_idx=size)
        self.text = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.log_scale = nn.Parameter(SCALE.clone())
        mine = [*self.norm.parameters(), *self.audio.parameters(), *self.table.parameters(), *self.text.parameters()]
        with torch.no_grad():
            for own, given_value in zip(mine, values, strict=True):
                if own is self.table.weight:
                    own[:-1] = given_value
                else:
                    own.copy_(given_value.T if given_value.ndim == 2 else given_value)

    def forward(self, x: torch.Tensor, captions: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        size = self.table.padding_idx
        ids = nn.utils.rnn.pad_sequence([torch.tensor(c) for c in captions], batch_first=True, padding_value=size)
        mask = (ids != size).unsqueeze(-1).float()
        text = (self.text(self.table(ids)) * mask).sum(1) / mask.sum(1)
        return self.audio(self.norm(x)), text


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("objective", ["cosine", "dot"])
def test_training_is_that_of_torchs_modules(objective):
    vectors, texts = dataset(captions=2)
    mine = RetrievalProbe(Tokens(WORDS), epochs=2, batch_size=16, width=24, objective=objective)
    split = problem(valid=False)
    found = mine.run(vectors, texts, [split], n_classes=0, seeds=[3])[0].predictions[0]

    flat = [caption for own in texts for caption in own]
    train = np.flatnonzero(np.isin(np.repeat(np.arange(60), 2), split.train))
    vocabulary = sorted({word for row in train for word in split_words(flat[row])})
    ids = [[vocabulary.index(word) for word in split_words(caption)] for caption in flat]
    towers = VectorTower(torch.from_numpy(vectors), 24), mine.text.tower(flat, train, 24, "cpu")
    model = Reference(draw_parameters([p for tower in towers for p in tower.parameters], (3, 0), "cpu"))
    adam = torch.optim.Adam(model.parameters())
    for epoch in (1, 2):
        adam.param_groups[0]["lr"] = compute_cosine_rate(1e-3, epoch, 2)
        order = train[np.argsort(draw_bits(len(train), 3, 0, epoch), kind="stable")]
        for start in range(0, len(order), 16):
            rows = order[start : start + 16]
            clips = torch.from_numpy(rows // 2)
            audio, text = model(torch.from_numpy(vectors)[clips], [ids[row] for row in rows])
            adam.zero_grad()
            compute_contrastive_loss(objective, audio, text, clips, model.log_scale).backward()
            adam.step()
    with torch.no_grad():
        rows = np.flatnonzero(np.isin(np.repeat(np.arange(60), 2), split.test))
        audio, text = model(torch.from_numpy(vectors)[split.test], [ids[row] for row in rows])
        similarity = (functional.normalize(text) @ functional.normalize(audio).T).numpy()
    expected = compute_ranks(np.repeat(np.arange(10), 2), 10, lambda start, stop: similarity[start:stop])
    assert np.mean(found == expected) > 0.95  # rounding may swap neighbours
    assert np.abs(found - expected).max() <= 1


class TestProbe:
    def test_is_a_probe_whose_name_says_which_text_side(self):
        assert isinstance(PROBE, Probe)
        assert PROBE.name == LinearProbe().name
        assert RetrievalProbe(text=FrozenText("some/encoder")).name == "retrieval:some/encoder"

    @pytest.mark.parametrize("objective", ["cosine", "dot"])
    def test_learns_what_can_be_heard(self, objective):
        probe = RetrievalProbe(Tokens(WORDS), epochs=12, batch_size=16, width=32, objective=objective)
        found = run(probe)[0].predictions
        assert found.shape == (2, 10 + 30)
        assert min(value(row) for row in found) > 0.3  # six sounds at three places: clips of one kind look alike
        untrained = run(RetrievalProbe(Tokens(WORDS), epochs=1, batch_size=99, width=32, learning_rate=1e-9))
        assert max(value(row) for row in untrained[0].predictions) < 0.3

    def test_constant_vectors_are_not_told_apart(self):
        _, texts = dataset()
        vectors = np.ones((60, 24), dtype=np.float32)
        found = PROBE.run(vectors, texts, [problem()], n_classes=0, seeds=[0])[0].predictions
        assert value(found[0]) <= 0.1

    def test_same_arguments_same_bits_whatever_the_global_state(self):
        torch.manual_seed(1)
        first = run()[0]
        torch.manual_seed(2)
        np.random.seed(2)
        state = torch.get_rng_state()
        again = run()[0]
        assert torch.equal(torch.get_rng_state(), state)
        assert np.array_equal(first.predictions, again.predictions)
        assert first.info == again.info

    def test_a_seed_is_fitted_as_if_alone(self):
        both = run(seeds=(0, 5), noise=3.0)[0]
        alone = run(seeds=(5,), noise=3.0)[0]
        assert np.array_equal(both.predictions[1], alone.predictions[0])
        assert not np.array_equal(both.predictions[0], both.predictions[1])

    def test_the_epoch_is_the_best_on_validation_clips_or_the_last(self):
        found = run()[0].info
        assert found.keys() == {"epoch", "valid"}
        assert all(1 <= epoch <= 6 for epoch in found["epoch"])
        assert run(valid=False)[0].info == {"epoch": [6, 6]}

    def test_captions_of_test_clips_are_never_learnt_from(self):
        vectors, texts = dataset()
        owners = np.repeat(np.arange(60), 3)
        flat = [caption for own in texts for caption in own]
        train = np.flatnonzero(np.isin(owners, problem().train))
        tower = Tokens(WORDS).tower(flat, train, 8, "cpu")
        other = [caption if row in train else f"zebra {caption}" for row, caption in enumerate(flat)]
        assert Tokens(WORDS).tower(other, train, 8, "cpu").parameters == tower.parameters
        before = PROBE.run(vectors, texts, [problem()], n_classes=0, seeds=[0])[0].info
        texts[55:] = [("nothing", "that", "was heard")] * 5
        assert PROBE.run(vectors, texts, [problem()], n_classes=0, seeds=[0])[0].info == before

    def test_captions_are_found_by_clip(self):
        pairs = CaptionPairs(None, None, np.array([0, 0, 1, 2, 2, 2]))
        assert pairs.captions(np.array([2, 0])).tolist() == [3, 4, 5, 0, 1]

    def test_bad_input_is_refused(self):
        vectors, texts = dataset()
        cases = [
            ((vectors[:5], texts), problem(), [0], "embeddings and captions do not match"),
            ((vectors, [(), *texts[1:]]), problem(), [0], "embeddings and captions do not match"),
            ((np.where(np.arange(60)[:, None] == 7, np.nan, vectors), texts), problem(), [0], "embedding of row 7"),
            ((vectors, texts), problem(), [], "no probe seeds"),
            ((vectors, texts), FitSplit(np.array([1]), None, np.array([2])), [0], "cannot teach a distinction"),
            ((vectors, texts), FitSplit(np.array([1, 2]), None, np.array([2])), [0], "overlap"),
        ]
        for (x, captions), split, seeds, message in cases:
            with pytest.raises(DataError, match=message):
                PROBE.run(x, captions, [split], n_classes=0, seeds=seeds)


def test_initial_values_are_torchs_distributions():
    shapes = [Parameter((300, 200), "normal"), Parameter((300, 200), "uniform", 0.5), Parameter((3,), "ones")]
    normal, uniform, ones = draw_parameters(shapes, (0, 0), "cpu")
    assert float(normal.mean()) == pytest.approx(0, abs=0.02)
    assert float(normal.std()) == pytest.approx(1, abs=0.02)
    assert float(uniform.abs().max()) == pytest.approx(0.5, abs=1e-3)
    assert float(uniform.std()) == pytest.approx(1 / math.sqrt(12), abs=0.01)
    assert ones.tolist() == [1, 1, 1]
    assert torch.equal(draw_parameters(shapes[:1], (0, 0), "cpu")[0], normal)  # what comes later changes nothing
    assert not torch.equal(draw_parameters(shapes[:1], (1, 0), "cpu")[0], normal)
