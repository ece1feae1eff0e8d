"""Both peers' contracts become the native one; anything else is refused by name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bench.loading.adapt import Adapter, XaresLlmAdapter, accepts_lengths, adapt
from bench.loading.certificate import certify
from bench.loading.fingerprint import compute_fingerprint
from bench.types import Encoder, EncoderError
from tests.helpers import planted


def namespace(text: str) -> dict[str, type]:
    made: dict[str, type] = {"__name__": "a_file"}  # type: ignore[dict-item]
    exec(text, made)
    return made


def llm(mask: bool = True) -> nn.Module:
    encoder: nn.Module = namespace(planted.XARES_LLM_FILE)["MaskedPowerEncoder"]()
    if not mask:
        forward = encoder.forward
        encoder.forward = lambda audio, audio_attention_mask=None: (forward(audio)[0], None)
    return encoder


def test_native_encoder_is_returned_itself_frozen_and_in_eval_mode() -> None:
    encoder = planted.Good()
    encoder.train()
    adapted = adapt(encoder, "cpu")
    assert adapted is encoder
    assert isinstance(adapted, Encoder)
    assert not encoder.training
    assert not encoder.weight.requires_grad
    assert adapt(adapted) is encoder


def test_xares_file_is_native() -> None:
    encoder = namespace(planted.XARES_FILE)["MeanPowerEncoder"]()
    assert adapt(encoder) is encoder
    assert not accepts_lengths(encoder)


def test_accepts_lengths_by_signature() -> None:
    assert accepts_lengths(adapt(planted.Good()))
    assert not accepts_lengths(adapt(planted.GoodWithoutLengths()))
    assert accepts_lengths(adapt(llm()))


def test_callable_that_is_no_module() -> None:
    class Plain:
        sampling_rate, output_dim, hop_size_in_ms = 16000, 4, 20.0

        def __call__(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
            return audio[:, : 320 * 4, None].expand(-1, -1, 4)

    assert accepts_lengths(adapt(Plain()))


class PlainEncoder:
    """Neither an nn.Module nor a callable: ``forward`` is enough."""

    sampling_rate, output_dim, hop_size_in_ms = 16000, 4, 20.0

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        frames = torch.nn.functional.pad(audio, (0, max(0, 320 - audio.shape[1]))).unfold(1, 320, 320)
        return self.gain * frames.reshape(*frames.shape[:2], 4, 80).std(dim=3)


class PlainMaskEncoder:
    """The same of an XARES-LLM encoder."""

    output_dim = 4

    def forward(self, audio: Tensor, audio_attention_mask: Tensor | None = None) -> tuple[Tensor, None]:
        return PlainEncoder().forward(audio), None


def test_plain_class_with_forward_and_no_call() -> None:
    encoder = adapt(PlainEncoder(), "cpu")
    assert isinstance(encoder, Encoder)
    assert isinstance(encoder, Adapter)
    assert accepts_lengths(encoder)
    assert encoder(torch.randn(2, 3200), torch.tensor([3200, 1600])).shape == (2, 10, 4)
    assert adapt(encoder) is encoder
    certificate = certify(encoder)
    assert certificate.passed, certificate
    with pytest.raises(EncoderError, match="Shapeless"):
        certify(adapt(Shapeless()))
    assert compute_fingerprint(encoder) == compute_fingerprint(adapt(PlainEncoder()))
    assert compute_fingerprint(encoder) != compute_fingerprint(adapt(PlainEncoder(2.0)))


class Shapeless(PlainEncoder):
    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return audio


def test_plain_class_with_a_mask_and_no_call() -> None:
    encoder = adapt(PlainMaskEncoder())
    assert (encoder.sampling_rate, encoder.output_dim, encoder.hop_size_in_ms) == (16000, 4, 20.0)
    assert encoder(torch.randn(2, 3200)).shape == (2, 10, 4)


@pytest.mark.parametrize("mask", [True, False])
def test_xares_llm_contract(mask: bool) -> None:
    encoder = adapt(llm(mask))
    assert isinstance(encoder, XaresLlmAdapter)
    assert isinstance(encoder, Adapter)
    assert (encoder.sampling_rate, encoder.output_dim, encoder.hop_size_in_ms) == (16000, 8, 40.0)
    assert adapt(encoder) is encoder
    audio = torch.randn(2, 16000)
    assert encoder(audio).shape == (2, 25, 8)


def test_xares_llm_mask_follows_lengths() -> None:
    encoder = adapt(llm())
    audio = torch.zeros(2, 16000)
    audio[0, :8000], audio[1] = torch.randn(8000), torch.randn(16000)
    batch = encoder(audio, torch.tensor([8000, 16000]))
    assert torch.allclose(batch[0, :12], encoder(audio[:1, :8000])[0], atol=1e-5)
    assert torch.allclose(batch[1], encoder(audio[1:])[0], atol=1e-5)


def test_xares_llm_frames_outside_the_mask_are_cut() -> None:
    class ThirtySeconds(nn.Module):
        """Pads every clip to 30 s and says so in its mask."""

        output_dim = 2

        def forward(self, audio: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            frames = torch.arange(1500)[None] < (mask.sum(1)[:, None] + 319) // 320
            return torch.ones(len(audio), 1500, 2), frames

    encoder = adapt(ThirtySeconds())
    assert encoder.hop_size_in_ms == 20
    assert encoder(torch.zeros(1, 16000)).shape == (1, 50, 2)


class _Lacking(nn.Module):
    def __init__(self, **attributes: object) -> None:
        super().__init__()
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, audio: Tensor) -> Tensor:
        return audio[..., None]


class _Constant(nn.Module):
    output_dim = 3

    def forward(self, audio: Tensor, mask: Tensor) -> tuple[Tensor, None]:
        return torch.zeros(len(audio), 1, 3), None


class _NoPair(_Constant):
    def forward(self, audio: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        return torch.zeros(len(audio), 1, 3)


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (_Lacking(sampling_rate=16000, output_dim=1), "no hop_size_in_ms"),
        (_Lacking(output_dim=1), "no sampling_rate, hop_size_in_ms"),
        (_Lacking(hop_size_in_ms=10), "no sampling_rate, output_dim"),
        (_Lacking(sampling_rate=16000, output_dim=None, hop_size_in_ms=10), "output_dim of the encoder: got None"),
        (_Lacking(sampling_rate=16000, output_dim=1, hop_size_in_ms=-1), "hop_size_in_ms of the encoder: got -1"),
        (planted.Good, "got type Good"),
        (3, "got int"),
        (_Constant(), "frames, expected more frames for 8 s than for 2 s"),
        (_NoPair(), r"got Tensor, expected \(features, mask\)"),
    ],
)
def test_what_is_missing_is_named(obj: object, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        adapt(obj)
