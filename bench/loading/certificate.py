"""Measure what an encoder promises before it is used; how its clips may share batches follows from the result.

Measured values are rounded,
and a difference within tolerance is only said to be so: the text is the same on every machine and thread count.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.loading.adapt import ForwardAdapter, XaresLlmAdapter, accepts_lengths
from bench.loading.frame_rule import FORMULA, count_frames, find_contradiction, find_start, round_hop
from bench.types import Certificate, Check, Encoder, EncoderError, Policy

TOLERANCE = 1e-5  # of max|a - b| / max(1, max|a|), fp32
HOP_TOLERANCE = 0.05  # relative
FRAMES_TOLERANCE = 2  # frames
SHORT_IN_S, LONG_IN_S, MIN_NEW_FRAMES, MAX_LONG_IN_S = 1.0, 3.0, 40, 20.0


def certify(encoder: Encoder, *, device: str = "cpu") -> Certificate:
    """Run every check on an adapted encoder with a few seconds of synthetic audio.

    Raises EncoderError when its output is not [B, T, output_dim] float, or when it fails on an ordinary clip: then
    nothing can be scored. Any other fault is a failed check.
    """
    rig = _Runner(encoder, device)
    rate, declared = encoder.sampling_rate, encoder.hop_size_in_ms * encoder.sampling_rate / 1000
    short = make_signal(int(SHORT_IN_S * rate), seed=1)
    long_in_s = min(max(LONG_IN_S, SHORT_IN_S + MIN_NEW_FRAMES * declared / rate), MAX_LONG_IN_S)
    long = make_signal(int(long_in_s * rate) + 137, seed=2)
    a, b = _encode_ordinary(rig, short), _encode_ordinary(rig, long)

    hop_check, hop = _check_hop(declared, rate, short.numel(), long.numel(), len(a), len(b))
    single = [
        Check("output [B, T, D]", True, f"float, D = {encoder.output_dim}", f"float, D = {encoder.output_dim}"),
        _check_finite(a, b),
        _check_eval_mode(encoder),
        hop_check,
        _check_duration(declared, long.numel(), len(b)),
        _run_check("determinism", lambda: _test_same(rig(short)[0], a)),
        _run_check("whole clip used", lambda: _test_tail(rig, short, a)),
        _run_check("silence", lambda: _test_finite(rig(torch.zeros(int(0.7 * rate) + 11))[0])),
        _run_check(
            "full-scale clipping", lambda: _test_finite(rig(torch.sign(make_signal(int(0.6 * rate) + 5, seed=3)))[0])
        ),
        _run_check("50 ms clip", lambda: _test_finite(rig(make_signal(int(0.05 * rate), seed=4))[0])),
    ]
    loud = make_signal(short.numel(), seed=5) * 9
    batch = _run_check("batch invariance", lambda: _test_same(rig(short, loud)[0], a))
    order = _run_check("order invariance", lambda: _test_order(rig, short, loud))
    start, rule = (
        _check_frame_rule(rig, hop) if hop_check.passed else (None, Check("frame rule", False, "hop differs", FORMULA))
    )
    shares = batch.passed and order.passed
    if rig.lengths:
        padding = _run_check("padding invariance", lambda: _test_padding(rig, short, long, a, b))
    else:
        padding = Check("padding invariance", True, "takes no lengths", "equal-length batches only")
    policy: Policy = "single"
    if shares:
        policy = "padded" if rig.lengths and padding.passed and start is not None else "equal_length"
    checks = (*single[:5], rule, *single[5:7], batch, order, padding, *single[7:])
    return Certificate(checks, policy, hop, start)


def make_signal(n: int, seed: int) -> Tensor:
    """[n] float32 noise whose level and colour change over time, as those of speech do; about -20 dBFS."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n + 8, generator=generator)
    smooth = noise.unfold(0, 9, 1).mean(dim=1) * 3
    time = torch.linspace(0, n / 8000, n)
    return 0.1 * (noise[:n] * torch.cos(time) ** 2 + smooth * torch.sin(time) ** 2) * (1.2 + torch.sin(17 * time))


class _Runner:
    """Runs the encoder on clips and remembers how many frames each length gave."""

    def __init__(self, encoder: Encoder, device: str) -> None:
        self.encoder, self.device = encoder, device
        self.lengths = accepts_lengths(encoder)
        self.frames: dict[int, int] = {}  # samples -> T

    def __call__(self, *clips: Tensor, lengths_given: bool = True) -> Tensor:
        """[B, T, D] on the CPU; clips of unequal length are zero-padded on the right."""
        lengths = torch.tensor([len(clip) for clip in clips])
        audio = nn.utils.rnn.pad_sequence(list(clips), batch_first=True).to(self.device)
        with torch.inference_mode():
            if self.lengths and lengths_given:
                output = self.encoder(audio, lengths=lengths.to(self.device))
            else:
                output = self.encoder(audio)
        if not isinstance(output, Tensor) or output.ndim != 3 or len(output) != len(clips):
            raise EncoderError(
                "output",
                got=_describe_shape(output),
                expected=f"[{len(clips)}, T, D]",
                where=_name_encoder(self.encoder),
            )
        if len(clips) == 1:
            self.frames[len(clips[0])] = output.shape[1]
        return output.cpu()

    def count(self, n: int) -> int:
        """T of a clip of n samples."""
        if n not in self.frames:
            self(make_signal(n, seed=6))
        return self.frames[n]


def _encode_ordinary(rig: _Runner, clip: Tensor) -> Tensor:
    """[T, D] of one ordinary clip, or EncoderError."""
    where, wanted = _name_encoder(rig.encoder), rig.encoder.output_dim
    try:
        output = rig(clip)
    except EncoderError:
        raise
    except Exception as error:  # somebody else's code may raise anything
        raise EncoderError(
            "encoder on an ordinary clip", got=_format_error(error), expected="an output", where=where
        ) from error
    if not output.is_floating_point() or output.shape[2] != wanted or output.shape[1] < 1:
        got = f"{_describe_shape(output)} {str(output.dtype).removeprefix('torch.')}"
        raise EncoderError("output", got=got, expected=f"[1, T, {wanted}] float (output_dim {wanted})", where=where)
    return output[0]


def _run_check(name: str, run: Callable[[], tuple[bool, str, str]]) -> Check:
    try:
        return Check(name, *run())
    except Exception as error:  # noqa: BLE001 - somebody else's code may raise anything; the certificate says what
        return Check(name, False, f"raised {_format_error(error)}", "no error")


def _check_hop(declared: float, rate: int, n_a: int, n_b: int, t_a: int, t_b: int) -> tuple[Check, float]:
    """Return the check, and the hop in samples to go on with: the declared one if confirmed, else the measured one."""
    expected = (n_b - n_a) / declared
    passed = abs((t_b - t_a) - expected) <= max(1.0, HOP_TOLERANCE * expected) and t_b > t_a
    wanted = f"{1000 * declared / rate:.3g} ms within {HOP_TOLERANCE:.0%}"
    if t_b <= t_a:
        return Check(
            "hop", False, f"{t_b} frames for {n_b / rate:.1f} s, {t_a} for {n_a / rate:.1f} s", wanted
        ), declared
    measured = (n_b - n_a) / (t_b - t_a)
    check = Check("hop", passed, f"{1000 * measured / rate:.2g} ms", wanted)
    return check, round_hop(declared) if passed else measured


def _check_duration(declared: float, n: int, frames: int) -> Check:
    passed = abs(frames - n / declared) <= FRAMES_TOLERANCE
    return Check("frames for the duration", passed, f"{frames} frames", f"{n / declared:.0f} within {FRAMES_TOLERANCE}")


def _check_finite(*outputs: Tensor) -> Check:
    finite = all(bool(torch.isfinite(output).all()) for output in outputs)
    return Check("finite output", finite, "finite" if finite else "NaN or infinity", "finite")


def _test_finite(output: Tensor) -> tuple[bool, str, str]:
    finite = bool(torch.isfinite(output).all())
    return finite, "finite" if finite else "NaN or infinity", "finite"


def _check_eval_mode(encoder: Encoder) -> Check:
    training = [n for n, m in encoder.named_modules() if m.training] if isinstance(encoder, nn.Module) else []
    measured = f"{len(training)} modules in training mode" if training else "eval"
    return Check("eval mode", not training, measured, "eval")


def measure_difference(a: Tensor, b: Tensor) -> float:
    """Of [T, D]: the larger of max|a - b| / max(1, max|a|) over frames and over the mean of the frames."""
    a, b = a.double(), b.double()
    return max(_measure_distance(a, b), _measure_distance(a.mean(dim=0), b.mean(dim=0)))


def _measure_distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max()) / max(1.0, float(a.abs().max()))


def _test_same(got: Tensor, wanted: Tensor) -> tuple[bool, str, str]:
    expected = f"within {TOLERANCE:.0e}"
    if got.shape != wanted.shape:
        return False, f"{len(got)} frames", f"{len(wanted)} frames"
    distance = measure_difference(wanted, got)
    passed = distance <= TOLERANCE  # False for NaN
    return passed, expected if passed else f"differs by {distance:.0e}", expected


def _test_order(rig: _Runner, first: Tensor, second: Tensor) -> tuple[bool, str, str]:
    pairs = zip(rig(second, first).flip(0), rig(first, second), strict=True)
    return min((_test_same(got, wanted) for got, wanted in pairs), key=lambda result: result[0])


def _test_padding(rig: _Runner, short: Tensor, long: Tensor, a: Tensor, b: Tensor) -> tuple[bool, str, str]:
    output = rig(short, long)
    if output.shape[1] != len(b):
        return False, f"{output.shape[1]} frames", f"{len(b)} frames"
    bare = rig(short, lengths_given=False)[0]  # without lengths a batch is all audio
    results = [_test_same(output[0, : len(a)], a), _test_same(output[1], b), _test_same(bare, a)]
    return min(results, key=lambda result: result[0])


def _test_tail(rig: _Runner, clip: Tensor, a: Tensor) -> tuple[bool, str, str]:
    """Replace the last fifth of the clip: the output of an encoder that uses it changes."""
    keep = len(clip) * 4 // 5
    changed = rig(torch.cat([clip[:keep], -2 * clip[keep:].flip(0)]))[0]
    heard = changed.shape != a.shape or not measure_difference(a, changed) <= TOLERANCE
    return heard, "output follows the end" if heard else "end of the clip ignored", "output follows the end"


def _check_frame_rule(rig: _Runner, hop: float) -> tuple[float | None, Check]:
    """c, verified on every length seen so far and one more."""
    rate = rig.encoder.sampling_rate
    try:
        start = find_start(rig.count, hop, int(SHORT_IN_S * rate))
        rig.count(int(0.83 * rate) + 1)
    except Exception as error:  # noqa: BLE001 - as above
        return None, Check("frame rule", False, f"raised {_format_error(error)}", FORMULA)
    wrong = find_contradiction(rig.frames, start, hop)
    if wrong:
        n, t = wrong
        return None, Check(
            "frame rule", False, f"{t} frames for {n} samples", f"{count_frames(n, start, hop)}, c = {start:g}"
        )
    return start, Check("frame rule", True, f"c = {start:g}, hop = {hop:g} samples", FORMULA)


def _describe_shape(output: object) -> str:
    return str(list(output.shape)) if isinstance(output, Tensor) else type(output).__name__


def _name_encoder(encoder: object) -> str:
    return type(encoder.encoder if isinstance(encoder, ForwardAdapter | XaresLlmAdapter) else encoder).__name__


def _format_error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def format_certificate(name: str, certificate: Certificate) -> str:
    """Return the certificate as lines of text."""
    rows = [("", "check", "measured", "expected")]
    rows += [("ok" if c.passed else "FAIL", c.name, c.measured, c.expected) for c in certificate.checks]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]]) for row in rows]
    verdict = "passed" if certificate.passed else "FAILED"
    return "\n".join([f"{name}: certificate {verdict}, batches: {certificate.policy}", *lines])
