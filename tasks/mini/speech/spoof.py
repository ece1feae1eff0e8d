"""Genuine and spoofed voices: espeak-ng as it comes stands for a person, and attacks are what machines do to it.

Every attack starts from the same kind of utterance as a genuine clip: analysed and put together anew, it sounds like
the talker but for what the method loses. Both go through the same trouble (breath, unsteady pitch, channel, room,
noise, level). The kinds of attack are those of ASVspoof 2015 (Wu et al. 2015, doi:10.21437/Interspeech.2015-462):
vocoders, converted and concatenated speech; two of them are heard in the test only. Speech [N] at ``RATE``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from tasks.mini import scene
from tasks.mini.signals import RATE, Array, draw_curve, filter_band, make_pulses, scale_to_unit
from tasks.mini.speech import prosody
from tasks.mini.speech.synthesis import Say
from tasks.mini.speech.texts import draw_sentences
from tasks.mini.speech.voices import VARIANTS, draw_resident
from tasks.mini.write import Sample

NAME = "asvspoof2015"
SIZE = 512
HOP = 128
WINDOW = np.hanning(SIZE + 1)[:SIZE]
Attack = Callable[[Array, Generator], Array]


def split_frames(x: Array) -> Array:
    """Split ``x`` [N] into windowed frames [T, SIZE]; frame t is centred on sample t HOP."""
    padded = np.pad(x, (SIZE // 2, SIZE))
    starts = np.arange(len(x) // HOP + 1) * HOP
    out: Array = padded[starts[:, None] + np.arange(SIZE)] * WINDOW
    return out


def overlap_add(parts: Array, n: int) -> Array:
    """Overlap and add frames, windowed again, to [n] samples: the inverse of :func:`split_frames`."""
    total, weight = np.zeros(len(parts) * HOP + 2 * SIZE), np.zeros(len(parts) * HOP + 2 * SIZE)
    for index, part in enumerate(parts * WINDOW):
        total[index * HOP : index * HOP + SIZE] += part
        weight[index * HOP : index * HOP + SIZE] += WINDOW * WINDOW
    inside = slice(SIZE // 2, SIZE // 2 + n)
    return total[inside] / np.maximum(weight[inside], 1e-3)


def track_pitch(x: Array) -> tuple[Array, Array]:
    """Track F0 in Hz (90 to 400) and strength of voicing (0..1) per frame, [T] each, by autocorrelation."""
    from scipy.fft import irfft, rfft
    from scipy.ndimage import median_filter

    power = np.abs(rfft(split_frames(x), 2 * SIZE)) ** 2
    correlation = irfft(power)[:, :SIZE]
    lags = slice(RATE // 400, RATE // 90)
    normal = correlation[:, lags] / np.maximum(correlation[:, :1], 1e-9)
    normal = normal / (1.0 - np.arange(lags.start, lags.stop) / SIZE)  # the window's own decay, roughly
    best = np.argmax(normal, axis=1)
    strength = np.clip(normal[np.arange(len(best)), best], 0.0, 1.0)
    return median_filter(RATE / (lags.start + best.astype(np.float64)), 5), strength


def smooth_over_time(magnitude: Array, seconds: float) -> Array:
    """Average the logarithm of magnitudes [T, F] over about ``seconds``: what a model predicts varies less."""
    from scipy.ndimage import gaussian_filter1d

    out: Array = np.exp(gaussian_filter1d(np.log(magnitude + 1e-4), seconds * RATE / HOP / 2, axis=0))
    return out


def smooth_envelope(spectrum: Array, quefrency: int) -> Array:
    """Smooth magnitudes [T, F] to their first ``quefrency`` cepstral coefficients."""
    from scipy.fft import irfft, rfft

    cepstrum = irfft(np.log(np.abs(spectrum) + 1e-5))
    cepstrum[:, quefrency:-quefrency] = 0.0
    out: Array = np.exp(rfft(cepstrum).real)
    return out


def apply_pulse_vocoder(x: Array, generator: Generator) -> Array:
    """Excite a spectral envelope with pulses or noise: buzzy, as every voiced frame is wholly periodic."""
    from scipy.fft import irfft, rfft

    f0, strength = track_pitch(x)
    steps = generator.choice([0.5, 1.0])  # of a semitone: pitch as coarse as the parameters that were sent
    f0 = 90.0 * np.exp2(np.round(12 / steps * np.log2(f0 / 90.0)) * steps / 12)
    every = np.interp(np.arange(len(x)) / HOP, np.arange(len(f0)), f0)
    voiced = np.interp(np.arange(len(x)) / HOP, np.arange(len(f0)), (strength > 0.5).astype(np.float64))
    train = make_pulses(generator, every) * np.sqrt(RATE / every)
    excitation = train * voiced + generator.standard_normal(len(x)) * (1.0 - voiced)
    shape = smooth_over_time(
        smooth_envelope(rfft(split_frames(x)), int(generator.integers(22, 32))), generator.uniform(0.05, 0.09)
    )
    return overlap_add(irfft(rfft(split_frames(excitation)) * shape), len(x))


def retrieve_phase(magnitude: Array, generator: Generator, n: int, rounds: int) -> Array:
    """Invert a spectrogram [T, F] to [n] by ``rounds`` of Griffin and Lim 1984 (doi:10.1109/TASSP.1984.1164317)."""
    from scipy.fft import irfft, rfft

    spectrum = magnitude * np.exp(1j * generator.uniform(0, 2 * np.pi, magnitude.shape))
    for _ in range(rounds):
        again = rfft(split_frames(overlap_add(irfft(spectrum), n)))
        spectrum = magnitude * again / np.maximum(np.abs(again), 1e-9)
    return overlap_add(irfft(spectrum), n)


def apply_phase_loss(x: Array, generator: Generator) -> Array:
    """Invert a smoothed spectrogram with a phase that few rounds made up."""
    from scipy.fft import rfft

    return retrieve_phase(
        smooth_over_time(np.abs(rfft(split_frames(x))), generator.uniform(0.04, 0.08)), generator, len(x), rounds=3
    )


def oversmooth(x: Array, generator: Generator) -> Array:
    """Convert the voice: a spectral envelope averaged over time and warped a little, on the talker's residual."""
    from scipy.fft import irfft, rfft

    spectrum = rfft(split_frames(x))
    envelope = smooth_envelope(spectrum, 30)
    slow = smooth_over_time(envelope, generator.uniform(0.08, 0.14))
    bins = np.arange(slow.shape[1])
    warp = np.clip(bins * generator.uniform(0.92, 1.08), 0, len(bins) - 1).astype(np.int64)
    level = np.sqrt(np.mean(envelope**2, axis=1, keepdims=True))
    changed = slow[:, warp]
    changed *= level / np.maximum(np.sqrt(np.mean(changed**2, axis=1, keepdims=True)), 1e-9)
    return overlap_add(irfft(spectrum / envelope * changed), len(x))


def concatenate_units(x: Array, generator: Generator) -> Array:
    """Concatenate units of 60 to 180 ms of other occasions: pitch, level and timbre jump at the joints."""
    out, at = [], 0
    while at < len(x):
        n = int(generator.uniform(0.06, 0.18) * RATE)
        unit_ = x[at : at + n]
        semitones = np.full(len(unit_), 1.5 * generator.standard_normal())
        moved = prosody.tilt_spectrum(prosody.bend(unit_, semitones), 1.5 * float(generator.standard_normal()))
        edge = np.minimum(1.0, np.minimum(np.arange(len(moved)), np.arange(len(moved))[::-1]) / 16.0)
        out.append(moved * edge * 10 ** (generator.uniform(-3.0, 3.0) / 20))
        at += n
    return np.concatenate(out)


def resynthesise_sinusoids(x: Array, generator: Generator) -> Array:
    """Keep the strongest partials of every frame, at slowly changing strengths: no breath between the harmonics."""
    from scipy.fft import irfft, rfft

    spectrum = rfft(split_frames(x))
    size = smooth_over_time(np.abs(spectrum), generator.uniform(0.04, 0.08))
    peak = (size >= np.roll(size, 1, 1)) & (size >= np.roll(size, -1, 1))
    kept = int(generator.integers(15, 30))
    floor = np.sort(np.where(peak, size, 0.0), axis=1)[:, -kept][:, None]
    chosen = peak & (size >= floor)
    near = chosen | np.roll(chosen, 1, 1) | np.roll(chosen, -1, 1)
    turn = spectrum / np.maximum(np.abs(spectrum), 1e-9)
    return overlap_add(irfft(np.where(near, size * turn, 0.0)), len(x))


def invert_mel(x: Array, generator: Generator) -> Array:
    """Synthesise from a few dozen mel bands: harmonics blur and the phase is made up."""
    from scipy.fft import rfft

    size = np.abs(rfft(split_frames(x)))
    bands = int(generator.integers(36, 60))
    mel = 2595 * np.log10(1 + np.arange(size.shape[1]) * RATE / SIZE / 700)
    place = mel / mel[-1] * (bands - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(place[None] - np.arange(bands)[:, None]))  # [bands, F]
    levels = np.sqrt(size**2 @ weights.T / np.maximum(weights.sum(axis=1), 1e-9))
    return retrieve_phase(
        smooth_over_time(levels, generator.uniform(0.04, 0.07)) @ weights, generator, len(x), rounds=5
    )


KNOWN: Mapping[str, Attack] = {
    "pulse_vocoder": apply_pulse_vocoder,
    "phase_loss": apply_phase_loss,
    "oversmoothed": oversmooth,
    "concatenated": concatenate_units,
}
ATTACKS: Mapping[str, Attack] = {
    **KNOWN,
    "sinusoids": resynthesise_sinusoids,
    "mel_inverted": invert_mel,
}  # of the test


def enliven(x: Array, generator: Generator) -> Array:
    """Make ``x`` less like a machine: pitch that drifts and shivers, level that varies, some breath."""
    n = len(x)
    moves = prosody.draw_melody(
        generator,
        n,
        slope=generator.uniform(-2.0, 1.0),
        final=generator.uniform(-1.0, 1.0),
        arch=generator.uniform(-1.0, 1.0),
        tremor=generator.uniform(0.0, 0.15),
        jitter=generator.uniform(0.05, 0.2),
    )
    x = prosody.bend(x, moves)
    x = x * 10 ** (draw_curve(generator, len(x), 3.0, -2.0, 2.0) / 20)
    return prosody.breathe(x, generator, generator.uniform(0.0, 0.2))


def record_speech(dry: Array, generator: Generator) -> Array:
    """Record speech [M] with the system's microphone: nearly clean, as a check of identity would have it."""
    channel = filter_band(scale_to_unit(dry), generator.uniform(50, 150), generator.uniform(6000, 7900), 2)
    return scene.place_in_scene(
        channel,
        generator,
        RATE,
        rt60_range=(0.05, 0.15),
        snr_range_in_db=(32.0, 45.0),
        level_range_in_dbfs=(-28.0, -18.0),
        lead_range_in_s=(0.05, 0.2),
        tail_range_in_s=(0.05, 0.2),
        microphone_range_in_db=2.0,
    )


def make_utterances(say: Say, split: str, per_voice: int) -> Iterator[Sample]:
    """Make ``per_voice`` sentences by each voice of the split, genuine and attacked: only the attack differs."""
    attacks = ATTACKS if split == "test" else KNOWN
    voices = [variant for variant in VARIANTS[split] for _ in range(per_voice)]
    texts = draw_sentences(split, len(voices), scene.make_rng(NAME, split, "texts"))
    for index, (variant, text) in enumerate(zip(voices, texts, strict=True)):
        generator = scene.make_rng(NAME, split, index)
        habit = draw_resident(scene.make_rng(NAME, "talker", variant), variant)
        pitch, rate = habit.pitch + int(generator.integers(-8, 9)), habit.rate + int(generator.integers(0, 40))
        genuine = enliven(say(text, replace(habit, pitch=pitch, rate=rate)), generator)
        attack = list(attacks)[index % len(attacks)]
        forged = ATTACKS[attack](genuine, generator)
        for label, kind, dry in (("human", "none", genuine), ("spoof", attack, forged)):
            wet = record_speech(dry, scene.make_rng(NAME, split, index, label))
            sidecar = {"binary_spoof": label, "attack": kind, "speaker": variant, "text": text}
            yield Sample(f"{split}-{index:05d}-{label}", scene.to_pcm16(wet), RATE, sidecar)
