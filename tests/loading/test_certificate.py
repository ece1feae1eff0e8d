"""The certificate names each planted fault, and the batching that follows is safe."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.commands.certify import main
from bench.loading.adapt import adapt
from bench.loading.certificate import certify, format_certificate, measure_difference
from bench.loading.frame_rule import count_frames, count_valid_frames, find_contradiction, find_start, round_hop
from bench.types import Certificate, EncoderError
from tests.helpers import planted
from tests.loading.test_adapt import llm


def failed(certificate: Certificate) -> dict[str, str]:
    return {check.name: check.measured for check in certificate.checks if not check.passed}


def test_faultless_encoder_passes_and_is_padded() -> None:
    certificate = certify(adapt(planted.Good()))
    assert failed(certificate) == {}
    assert certificate.passed
    assert certificate.policy == "padded"
    assert (certificate.hop_in_samples, certificate.first_frame_in_samples) == (160, 400)


def test_without_lengths_clips_are_grouped_by_length() -> None:
    certificate = certify(adapt(planted.GoodWithoutLengths()))
    assert certificate.passed
    assert certificate.policy == "equal_length"


@pytest.mark.parametrize(("encoder", "check"), planted.FAULTS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_planted_fault_is_named_and_never_padded(encoder: type[nn.Module], check: str) -> None:
    certificate = certify(adapt(encoder()))
    assert check in failed(certificate)
    assert not certificate.passed
    assert certificate.policy != "padded"


@pytest.mark.parametrize(
    ("encoder", "measured"),
    [
        (planted.PaddingSensitive, {"padding invariance": "differs by 4e-01"}),
        (planted.NaNOnSilence, {"silence": "NaN or infinity"}),
        (
            planted.FailsOnShort,
            {"50 ms clip": "raised ValueError: kernel size can't be greater than actual input size"},
        ),
        (planted.IgnoresEnd, {"whole clip used": "end of the clip ignored"}),
        (
            planted.LyingHop,
            {"hop": "10 ms", "frames for the duration": "299 frames", "frame rule": "hop differs"},
        ),
    ],
)
def test_nothing_else_fails(encoder: type[nn.Module], measured: dict[str, str]) -> None:
    assert failed(certify(adapt(encoder()))) == measured


@pytest.mark.parametrize(
    "encoder",
    [planted.BatchNormalising, planted.Nondeterministic, planted.OrderSensitive, planted.FailsOnBatches],
)
def test_whoever_depends_on_the_batch_gets_single_clips(encoder: type[nn.Module]) -> None:
    assert certify(adapt(encoder())).policy == "single"


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (planted.LyingWidth, r"got \[1, 98, 12\] float32, expected \[1, T, 24\] float"),
        (planted.WrongRank, r"got \[1, 12\], expected \[1, T, D\]"),
    ],
)
def test_what_cannot_be_scored_is_an_error(encoder: type[nn.Module], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        certify(adapt(encoder()))


def test_an_encoder_that_fails_on_an_ordinary_clip_is_an_error() -> None:
    class Failing(planted.GoodWithoutLengths):
        def forward(self, audio: Tensor) -> Tensor:
            raise IndexError("no such layer\nlong story")

    with pytest.raises(EncoderError, match="encoder on an ordinary clip: got IndexError: no such layer, expected"):
        certify(adapt(Failing()))


def test_integer_output_and_no_tensor_are_errors() -> None:
    class Integers(planted.GoodWithoutLengths):
        def forward(self, audio: Tensor) -> Tensor:
            return self.frames(audio).long()

    class Pair(planted.GoodWithoutLengths):
        def forward(self, audio: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
            return self.frames(audio), None

    with pytest.raises(EncoderError, match="int64"):
        certify(adapt(Integers()))
    with pytest.raises(EncoderError, match="got tuple"):
        certify(adapt(Pair()))


def test_lengths_and_none_must_agree() -> None:
    class OnlyWithLengths(planted.Good):
        def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
            return self.frames(audio) * (2 if lengths is None else 1)

    assert set(failed(certify(adapt(OnlyWithLengths())))) == {"padding invariance"}


def test_one_vector_however_long_the_clip() -> None:
    class Pooled(planted.GoodWithoutLengths):
        def forward(self, audio: Tensor) -> Tensor:
            return self.frames(audio).mean(dim=1, keepdim=True)

    certificate = certify(adapt(Pooled()))
    assert failed(certificate)["hop"] == "1 frames for 3.0 s, 1 for 1.0 s"
    assert certificate.policy == "equal_length"


def test_slow_frames_are_measured_on_a_longer_clip() -> None:
    class Slow(planted.GoodWithoutLengths):
        hop_size_in_ms = 480.0

        def forward(self, audio: Tensor) -> Tensor:
            return self.frames(audio)[:, ::48]

    certificate = certify(adapt(Slow()))
    assert certificate.passed
    assert certificate.hop_in_samples == 7680


def test_xares_llm_encoder() -> None:
    certificate = certify(adapt(llm()))
    assert certificate.passed
    assert (certificate.policy, certificate.first_frame_in_samples) == ("padded", 640)


def test_odd_first_frame_is_found_to_the_sample() -> None:
    certificate = certify(adapt(planted.OddWindow()))
    assert certificate.first_frame_in_samples == 537
    encoder = planted.OddWindow()
    for n in (100, 536, 537, 696, 697, 16000, 16056, 16057):
        assert encoder(torch.zeros(1, n)).shape[1] == count_valid_frames(certificate, n)


def test_no_rule_no_padding() -> None:
    class Jumpy(planted.Good):
        """One frame more on odd lengths."""

        def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
            return self.frames(nn.functional.pad(audio, (0, 160 * (audio.shape[1] % 2))))

    certificate = certify(adapt(Jumpy()))
    assert "frame rule" in failed(certificate)
    assert certificate.policy == "equal_length"
    with pytest.raises(EncoderError, match="no frame rule"):
        count_valid_frames(certificate, 16000)


def test_text_does_not_depend_on_threads() -> None:
    before = torch.get_num_threads()
    texts = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        texts.append(format_certificate("x", certify(adapt(planted.PaddingSensitive()))))
    torch.set_num_threads(before)
    assert texts[0] == texts[1]


def test_global_random_state_is_left_alone() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    certify(adapt(planted.Good()))
    assert torch.equal(torch.rand(4), wanted)


@given(hop=st.integers(20, 20_000), field=st.integers(0, 40_000), ceiling=st.integers(0, 1), n=st.integers(8000, 32000))
@settings(max_examples=200)
def test_any_rule_is_found_exactly(hop: int, field: int, ceiling: int, n: int) -> None:
    start = 1 if ceiling else field
    calls: dict[int, int] = {}

    def count(length: int) -> int:
        calls[length] = max(1, (length - start) // hop + 1)
        return calls[length]

    assert find_start(count, hop, n) == start
    assert find_contradiction(calls, start, hop) is None
    assert find_contradiction({**calls, 640_000: 1}, start, hop) == (640_000, 1)
    doublings = 3  # of a clip too short for two frames
    assert len(calls) <= 1 + doublings + 3 * 2 + math.ceil(math.log2(hop)) + 1


def test_frames_at_least_one_and_hops_of_rounded_milliseconds() -> None:
    assert [count_frames(n, 400, 160) for n in (0, 399, 400, 559, 560)] == [1, 1, 1, 1, 2]
    assert round_hop(319.92) == 320
    assert round_hop(220.5) == 220.5


def test_difference_is_relative_to_the_larger_of_one_and_the_output() -> None:
    a = torch.tensor([[3.0, -100.0], [1.0, 2.0]])
    assert measure_difference(a, a) == 0
    assert measure_difference(a, a + 1) == pytest.approx(1 / 49)  # the mean of the frames is smaller: 1 / max(1, 49)
    assert measure_difference(a / 1000, a / 1000 + 0.5) == pytest.approx(0.5)
    assert math.isnan(measure_difference(a, a * math.nan))


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logmel"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "logmel: certificate passed, batches: padded"
    assert len(printed) == 2 + 14
    assert all(line.startswith("ok") for line in printed[2:])
    (tmp_path / "mine.py").write_text(planted.XARES_FILE.replace("hop_size_in_ms = 20", "hop_size_in_ms = 10"))
    assert main([str(tmp_path / "mine.py")]) == 1
    assert "FAIL  hop" in capsys.readouterr().out
    assert main(["nothing"]) == 1
    message = capsys.readouterr().err
    assert "unknown encoder: got 'nothing', expected one of " in message
    assert {"constant", "logmel", "random_conv"} <= set(re.split("[, ;]+", message))


def test_module_runs_as_a_command() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "bench.certify", "constant"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "FAIL  whole clip used          end of the clip ignored" in done.stdout
