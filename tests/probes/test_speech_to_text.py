"""The speech-to-text probe with a tiny pretrained model of transformers, and with the small decoder of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.audio import torchaudio_safe
from bench.datasets.dataset import adapt_to_suite
from bench.evaluation.transcripts import find_best_constant
from bench.metrics.error_rates import build_word_error_rate_inverse, to_plain_words
from bench.probes import CausalLM, LinearProbe, SmallLM, SpeechToText
from bench.probes.causal_lm import XARES_LANGUAGE_MODEL, PretrainedDecoder
from bench.probes.heads import Adam
from bench.probes.projector import Projector, build_sequences, draw_projector, draw_uniform, stack_frames
from bench.probes.speech_to_text import (
    FrameReader,
    SpeechModel,
    _compute_gradients,
    _fit_model,
    _pick_evenly,
    _write_transcripts,
)
from bench.probes.text_decoders import IGNORED, TextDecoder, compute_positions
from bench.runs.model_choice import replace_language_model
from bench.types import ChoiceError, DataError, FitSplit, Transcript
from tasks.speech import librispeech
from tests.helpers import toys

CPU = torch.device("cpu")
WORDS = ("ONE", "TWO", "THREE", "FOUR", "FIVE")
WIDTH = 12  # of the frames
IWER = build_word_error_rate_inverse(to_plain_words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 of 2 layers x 32 with random weights and a tokenizer of few words."""
    torchaudio_safe.install()
    from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

    path = tmp_path_factory.mktemp("lm") / "tiny-Qwen2"
    parts = [(word[:end], word[end]) for word in WORDS for end in range(1, len(word))]
    merges = [*parts, *(("\u0120", word) for word in WORDS)]  # a blank belongs to the word after it
    tokens = [*sorted({*"".join(WORDS), "\u0120"}), *("".join(merge) for merge in merges)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=merges, extra_special_tokens=["<|vision_end|>"])
    tokenizer.save_pretrained(path)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=False,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(config)
    teach_to_repeat(model, tokenizer)
    model.generation_config.update(repetition_penalty=5.0, do_sample=True, temperature=3.0)  # must have no effect
    model.to(torch.bfloat16).save_pretrained(path)
    return path


def teach_to_repeat(model, tokenizer) -> None:
    """Some pretraining: after the separator comes what was before it."""
    rng = np.random.default_rng(0)
    end, separator = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|vision_end|>"])
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    adam = Adam.of(weights)
    for step in range(150):
        words = rng.permuted(np.tile(WORDS, (32, 1)), axis=1)[:, : 1 + step % 3]
        text = torch.tensor([tokenizer.encode(" ".join(row)) for row in words])
        row = torch.cat([text, torch.full((32, 1), separator), text, torch.full((32, 1), end)], dim=1)
        logits = model(input_ids=row[:, :-1]).logits[:, text.shape[1] :]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), row[:, text.shape[1] + 1 :].flatten())
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            adam.step(gradients, 4e-3)
    assert loss.detach() < 0.05


@pytest.fixture(scope="module")
def pretrained(folder: Path) -> PretrainedDecoder:
    decoder = CausalLM(str(folder)).load(["ONE"], CPU)
    assert isinstance(decoder, PretrainedDecoder)
    return decoder


@pytest.fixture(scope="module")
def fitted(folder: Path, pretrained: PretrainedDecoder) -> tuple[SpeechToText, SpeechModel]:
    """An adapter that was fitted to eight sentences."""
    probe = SpeechToText(
        epochs=300, learning_rate=5e-3, batch_size=8, language_model=CausalLM(str(folder)), max_new_tokens=9,
        repetition_penalty=1.0,
    )  # fmt: skip
    frames, texts = speech(8, most=3)
    problem = FitSplit(np.arange(8), None, np.arange(8))
    return probe, _fit_model(probe, pretrained, FrameReader(frames, 1, CPU), targets(texts), problem, (0, 0))[0]


@pytest.fixture(params=["pretrained", "small"])
def model(request: pytest.FixtureRequest) -> SpeechModel:
    """An adapter and a decoder whose answers differ from clip to clip."""
    if request.param == "pretrained":
        return request.getfixturevalue("fitted")[1]
    decoder = SmallLM(layers=2, width=32).load([" ".join(WORDS)], CPU).fresh((0, 0))
    weights = draw_projector(WIDTH, decoder.intermediate, decoder.width, (0, 0), CPU)
    return SpeechModel(Projector(*(3.0 * weight for weight in weights)), decoder)


def speech(n: int = 24, *, seed: int = 0, most: int = 4) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames of ``n`` clips, a few noisy ones for each word, and what is said."""
    rng = np.random.default_rng(seed)
    sounds = np.random.default_rng(99).standard_normal((len(WORDS), WIDTH))
    frames, texts = [], np.empty(n, dtype=object)
    for clip in range(n):
        said = rng.permutation(len(WORDS))[: rng.integers(1, most + 1)]
        parts = [np.tile(sounds[word], (rng.integers(2, 5), 1)) for word in said]
        frames.append((np.concatenate(parts) + 0.05 * rng.standard_normal((sum(map(len, parts)), WIDTH))).astype("f4"))
        texts[clip] = " ".join(WORDS[word] for word in said)
    return frames, texts


def targets(texts: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(texts=texts, score=IWER.compute)


def some(decoder: TextDecoder, n: int = 6) -> tuple[list[torch.Tensor], list[list[int]]]:
    frames, texts = speech(n, most=3)
    return [torch.from_numpy(clip) for clip in frames], [decoder.tokens(text) for text in texts]


# ------------------------------------------------------------------------------------------ padding and positions


def test_positions_are_those_of_the_tokens() -> None:
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]], dtype=torch.bool)
    assert compute_positions(mask).tolist() == [[0, 0, 0, 1], [0, 1, 2, 3]]


def test_a_sequence_is_audio_separator_transcript_and_end(model: SpeechModel) -> None:
    weights, decoder = model
    frames, tokens = some(decoder)
    batch = build_sequences(weights, decoder, frames, tokens)
    for row, (clip, own) in enumerate(zip(frames, tokens, strict=True)):
        size = len(clip) + 1 + len(own)
        assert batch.mask[row].tolist() == [False] * (batch.mask.shape[1] - size) + [True] * size
        whole = batch.embeddings[row][batch.mask[row]]
        assert torch.allclose(whole[: len(clip)], weights(clip), atol=1e-5)
        assert torch.equal(whole[len(clip) :], decoder.embed(torch.tensor([decoder.separator, *own])))
        # the separator predicts the first word, the last word the end; nothing is asked of the audio
        wanted = [*own, decoder.end]
        assert batch.targets[row].tolist() == [IGNORED] * (batch.targets.shape[1] - len(wanted)) + wanted


def test_padding_moves_no_logit(model: SpeechModel) -> None:
    weights, decoder = model
    frames, tokens = some(decoder)
    batch = build_sequences(weights, decoder, frames, tokens)
    together = decoder.logits(batch.embeddings, batch.mask, batch.targets.shape[1])
    for row, (clip, own) in enumerate(zip(frames, tokens, strict=True)):
        one = build_sequences(weights, decoder, [clip], [own])
        alone = decoder.logits(one.embeddings, one.mask, one.targets.shape[1])
        assert bool(one.mask.all())
        assert torch.allclose(together[row, -len(own) - 1 :], alone[0], atol=1e-5, rtol=1e-5)
    assert together.std() > 0.1  # answers differ, so that equality says something


def test_padding_moves_no_transcript(model: SpeechModel) -> None:
    weights, decoder = model
    frames, _ = some(decoder)
    batch = build_sequences(weights, decoder, frames, None)
    together = decoder.generate(batch.embeddings, batch.mask, 12, 1.1)
    for clip, written in zip(frames, together, strict=True):
        one = build_sequences(weights, decoder, [clip], None)
        assert decoder.generate(one.embeddings, one.mask, 12, 1.1) == [written]
    assert len({tuple(written) for written in together}) > 1


@pytest.mark.parametrize("penalty", [1.0, 1.1, 2.0])
def test_generation_is_the_step_by_step_argmax(model: SpeechModel, penalty: float) -> None:
    weights, decoder = model
    frames, _ = some(decoder)
    batch = build_sequences(weights, decoder, frames, None)
    for clip, written in zip(frames, decoder.generate(batch.embeddings, batch.mask, 9, penalty), strict=True):
        tokens: list[int] = []
        for _ in range(9):
            one = build_sequences(weights, decoder, [clip], [tokens])
            logits = decoder.logits(one.embeddings, one.mask, 1)[0, 0]
            for token in set(tokens):
                logits[token] = logits[token] / penalty if logits[token] > 0 else logits[token] * penalty
            tokens.append(int(logits.argmax()))
            if tokens[-1] == decoder.end:
                break
        assert written == [token for token in tokens if token != decoder.end]


# ----------------------------------------------------------------------------------------------------- training


def test_only_what_is_trained_gets_gradients(model: SpeechModel) -> None:
    decoder = model.decoder
    frames, tokens = some(decoder)
    gradients = _compute_gradients(model, frames, tokens)
    assert len(gradients) == 6 + len(decoder.trained)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert all(bool((gradient != 0).any()) for gradient in gradients[:6])
    if isinstance(decoder, PretrainedDecoder):
        assert not decoder.trained
        assert all(weight.grad is None and not weight.requires_grad for weight in decoder.model.parameters())


def test_the_gradient_is_that_of_each_clip_alone(model: SpeechModel) -> None:
    frames, tokens = some(model.decoder)
    together = _compute_gradients(model, frames, tokens)
    counts = [len(own) + 1 for own in tokens]
    alone = [_compute_gradients(model, [clip], [own]) for clip, own in zip(frames, tokens, strict=True)]
    for place, gradient in enumerate(together[:6]):
        mean = sum(n * one[place] for n, one in zip(counts, alone, strict=True)) / sum(counts)
        assert torch.allclose(gradient, mean, atol=1e-4 * float(mean.abs().max()))


def test_a_frozen_model_learns_eight_sentences_through_the_adapter(
    fitted: tuple[SpeechToText, SpeechModel], pretrained: PretrainedDecoder, folder: Path
) -> None:
    probe, model = fitted
    frames, texts = speech(8, most=3)
    said, cut = _write_transcripts(probe, model, FrameReader(frames, 1, CPU), np.arange(8))
    assert IWER.compute(texts, said) > 0.9
    assert cut == 0  # the end was learned
    untrained = SpeechModel(draw_projector(WIDTH, pretrained.intermediate, pretrained.width, (0, 0), CPU), pretrained)
    assert IWER.compute(texts, _write_transcripts(probe, untrained, FrameReader(frames, 1, CPU), np.arange(8))[0]) < 0.5
    loaded = CausalLM(str(folder)).load(["ONE"], CPU)
    assert isinstance(loaded, PretrainedDecoder)
    before = loaded.model.state_dict()
    assert all(torch.equal(weight, before[name]) for name, weight in pretrained.model.state_dict().items())


def test_the_probe_runs_a_pretrained_model(folder: Path) -> None:
    frames, texts = speech(12)
    probe = SpeechToText(epochs=1, language_model=CausalLM(str(folder)), max_new_tokens=3, valid_clips=2)
    (result,) = probe.run(frames, targets(texts), [split(6, 3, 3)], n_classes=0, seeds=(0, 1), device="cpu")
    assert (result.predictions.shape, result.predictions.dtype) == ((2, 3), object)
    assert result.info["epoch"] == [1, 1]
    assert all(isinstance(text, str) for text in result.predictions.ravel())


SMALL = SpeechToText(
    epochs=12, learning_rate=4e-3, batch_size=8, language_model=SmallLM(width=32), max_new_tokens=8,
    repetition_penalty=1.0, stack=2, valid_clips=8,
)  # fmt: skip


def split(n: int = 160, valid: int = 20, test: int = 20) -> FitSplit:
    rows = np.arange(n + valid + test)
    return FitSplit(rows[:n], rows[n : n + valid], rows[n + valid :])


def test_the_small_decoder_learns_to_transcribe_and_repeats_itself_exactly() -> None:
    frames, texts = speech(200, most=2)
    problem = split()
    state = torch.get_rng_state()
    (first,) = SMALL.run(frames, targets(texts), [problem], n_classes=0, seeds=(0, 1), device="cpu")
    assert torch.equal(state, torch.get_rng_state())
    for row in first.predictions:
        assert IWER.compute(texts[problem.test], row) > 0.8
    torch.manual_seed(1)
    (again,) = SMALL.run(frames, targets(texts), [problem], n_classes=0, seeds=(1,), device="cpu")
    assert again.predictions[0].tolist() == first.predictions[1].tolist()
    assert again.info["valid"] == first.info["valid"][1:]


def test_transcripts_of_test_clips_are_never_read() -> None:
    frames, texts = speech(60)
    problem = split(40, 10, 10)
    hidden = texts.copy()
    hidden[problem.test] = None
    short = replace(SMALL, epochs=2)
    results = [
        short.run(frames, targets(given), [problem], n_classes=0, seeds=(0,), device="cpu")[0].predictions.tolist()
        for given in (texts, hidden)
    ]
    assert results[0] == results[1]


def test_the_epoch_is_the_best_of_the_validation_clips() -> None:
    frames, texts = speech(60)
    problem = split(40, 10, 10)
    scores = iter([0.1, 0.7, 0.3, 0.7])
    seen = []

    def score(truth: np.ndarray, answers: np.ndarray) -> float:
        seen.append((truth.tolist(), answers.tolist()))
        return next(scores)

    given = SimpleNamespace(texts=texts, score=score)
    (result,) = replace(SMALL, epochs=4).run(frames, given, [problem], n_classes=0, seeds=(0,), device="cpu")
    assert (result.info["epoch"], result.info["valid"]) == ([2], [0.7])
    assert {tuple(truth) for truth, _ in seen} == {tuple(texts[_pick_evenly(problem.valid, 8)])}


@given(st.integers(1, 50), st.integers(1, 50))
def test_the_judged_clips_are_spread_and_distinct(n: int, most: int) -> None:
    chosen = _pick_evenly(np.arange(n) * 3, most)
    assert len(set(chosen.tolist())) == len(chosen) == min(n, most)
    assert chosen[0] == 0
    assert np.ptp(np.diff(chosen, append=3 * n)) <= 3


def test_what_cannot_be_fitted_is_refused() -> None:
    frames, texts = speech(6)
    problem = FitSplit(np.arange(4), None, np.arange(4, 6))
    with pytest.raises(DataError, match="no probe seeds"):
        SMALL.run(frames, targets(texts), [problem], n_classes=0, seeds=(), device="cpu")
    with pytest.raises(DataError, match="train and test overlap"):
        SMALL.run(frames, targets(texts), [replace(problem, test=np.arange(2, 6))], n_classes=0, seeds=(0,))
    with pytest.raises(DataError, match="unknown word: got SIX"):
        SmallLM().load(["FIVE"], CPU).tokens("FIVE SIX")
    with pytest.raises(DataError, match="no words to learn"):
        SmallLM().load(["", " "], CPU)


# ------------------------------------------------------------------------------------------------------ its parts


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 5))
def test_stacked_frames_stand_side_by_side(n: int, dim: int, stack: int) -> None:
    frames = np.arange(1, n * dim + 1, dtype=np.float32).reshape(n, dim)
    made = stack_frames(frames, stack)
    assert made.shape == (-(-n // stack), stack * dim)
    assert np.array_equal(made.ravel()[: n * dim], frames.ravel())
    assert not made.ravel()[n * dim :].any()


def test_the_adapter_is_swiglu_with_biases() -> None:
    weights = draw_projector(5, 7, 3, (1, 2), CPU)
    assert [tuple(weight.shape) for weight in weights] == [(7, 5), (7,), (7, 5), (7,), (3, 7), (3,)]
    x = torch.linspace(-2, 2, 10).reshape(2, 5)
    first, second, last = (torch.nn.Linear(*sizes) for sizes in ((5, 7), (5, 7), (7, 3)))
    for layer, (weight, bias) in zip((first, second, last), (weights[:2], weights[2:4], weights[4:]), strict=True):
        layer.weight.data, layer.bias.data = weight, bias
    assert torch.allclose(weights(x), last(torch.nn.functional.silu(first(x)) * second(x)), atol=1e-6)


def test_weights_depend_on_the_source_alone() -> None:
    shapes = [((300, 20), 0.5), ((40,), 2.0)]
    first, again = draw_uniform(shapes, 1, 2, 3, device=CPU), draw_uniform(shapes, 1, 2, 3, device=CPU)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], draw_uniform(shapes, 1, 2, 4, device=CPU)[0])
    for part, (_, bound) in zip(first, shapes, strict=True):
        assert 0.8 * bound < part.abs().max() < bound
        assert abs(part.mean()) < bound / 2


# ------------------------------------------------------------------------------------------- choosing a model


def test_a_checkpoint_in_bf16_is_read_in_fp32(pretrained: PretrainedDecoder) -> None:
    assert {weight.dtype for weight in pretrained.model.parameters()} == {torch.float32}
    assert (pretrained.width, pretrained.intermediate) == (32, 48)
    assert pretrained.tokenizer.convert_ids_to_tokens([pretrained.separator, pretrained.end]) == [
        "<|vision_end|>",
        "<|endoftext|>",
    ]
    assert pretrained.text([*pretrained.tokens("ONE TWO"), pretrained.separator]) == "ONE TWO"


def test_the_row_names_another_model(folder: Path) -> None:
    assert SpeechToText().name == XARES_LANGUAGE_MODEL.probe_name == SmallLM().probe_name == "linear"
    assert CausalLM(str(folder)).probe_name == "lm_tiny_Qwen2"
    assert CausalLM("HuggingFaceTB/SmolLM2-135M@main").probe_name == "lm_SmolLM2_135M_main"
    other = toys.task(probes=(LinearProbe(),))
    chosen, kept = replace_language_model((librispeech.TASK, other), str(folder))
    assert [probe.name for probe in chosen.probes] == ["lm_tiny_Qwen2"]
    assert kept == other
    for published in (None, XARES_LANGUAGE_MODEL.name):
        assert replace_language_model((librispeech.TASK,), published) == (librispeech.TASK,)
    (small,) = replace_language_model((adapt_to_suite(librispeech.TASK, "mini"),), XARES_LANGUAGE_MODEL.name)
    assert [probe.name for probe in small.probes] == ["lm_Qwen2_5_0_5B"]  # not what the synthetic suite compares
    with pytest.raises(ChoiceError, match=r"no language model: got .*, expected a task of transcripts"):
        replace_language_model((other,), str(folder))


@pytest.mark.parametrize("missing", ["weights", "folder", "tokenizer"])
def test_a_model_that_is_not_there_is_one_clear_error(
    missing: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    name = "nobody/nothing"
    if missing != "folder":
        keep = {"weights": "tok*", "tokenizer": "*.safetensors"}[missing]
        for path in [*folder.glob(keep), folder / "config.json"]:
            (tmp_path / path.name).write_bytes(path.read_bytes())
        name = str(tmp_path)
    with pytest.raises(ChoiceError, match=r"--language-model NAME\|FOLDER"):
        CausalLM(name).load(["ONE"], CPU)


# --------------------------------------------------------------------------------------------------------- targets


def test_a_transcript_is_the_text_as_it_is() -> None:
    target = Transcript("trans")
    assert target({"trans": " HELLO  World"}, "x") == " HELLO  World"
    texts = target.stack(["a b", "c"])
    assert (texts.dtype, texts.tolist()) == (object, ["a b", "c"])
    assert target.stack([]).shape == (0,)
    for wrong in ({"trans": ""}, {"trans": " \n"}, {"trans": 5}, {"trans": None}, {"trans": ["a"]}):
        with pytest.raises(DataError, match=r"no transcript 'trans': got .*, expected some words.*x"):
            target(wrong, "x")
    with pytest.raises(DataError, match="label missing"):
        target({"text": "a"}, "x")


def test_the_best_constant_is_better_than_any_of_the_transcripts() -> None:
    texts = [f"A {x} C {y}" for x in ("B", "D", "E") for y in ("F", "G", "H", "I")]
    said = find_best_constant(texts, IWER)
    every = np.array(texts, dtype=object)

    def value(text: str) -> float:
        return IWER.compute(every, np.array([text] * len(texts), dtype=object))

    assert value(said) >= max(map(value, texts))
    assert said.split()[0] == "A"
    assert "C" in said.split()
    assert find_best_constant(["x", "x", "y"], IWER) == "x"
