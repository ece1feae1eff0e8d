"""Audio towers of language models published for transformers: Qwen2-Audio, Qwen2.5-Omni, Audio Flamingo 3, Voxtral.

How each is used is described in ``hf_towers.py``; only the files that hold the tower are downloaded. They start from
Whisper large-v3 and were trained on speech, sounds and music of many published datasets, of which only some
are listed here.
"""

from __future__ import annotations

from encoders.parts.hf_published import build_published_spec

SOUNDS = ("audioset", "audiocaps", "clotho", "cremad", "fsd50k", "nsynthinstument", "vocalsound")  # among others

qwen2_audio = build_published_spec(
    "qwen2-audio",
    "Qwen/Qwen2-Audio-7B",
    revision="dd84470756e6277a71d4d7188773a43cde92696e",
    width=1280,
    hop_in_ms=40.0,
    licence="Apache-2.0",
    trained_on=("370,000 hours of speech, 10,000 of sound, 140,000 of music, not listed in full",),
)
qwen25_omni = build_published_spec(
    "qwen2.5-omni",
    "Qwen/Qwen2.5-Omni-7B",
    revision="ae9e1690543ffd5c0221dc27f79834d0294cba00",
    width=3584,
    hop_in_ms=40.0,
    licence="Apache-2.0",
    trained_on=("not published",),
)
audio_flamingo_3 = build_published_spec(
    "af-whisper",
    "nvidia/audio-flamingo-3-hf",
    revision="1b7715c1cbdfcaa5042e79cc3c814f6625681cc7",
    width=1280,
    hop_in_ms=40.0,
    licence="NVIDIA OneWay Noncommercial",
    trained_on=SOUNDS,
)
voxtral_mini = build_published_spec(
    "voxtral-mini", "mistralai/Voxtral-Mini-3B-2507", width=1280, licence="Apache-2.0", trained_on=("not published",)
)
