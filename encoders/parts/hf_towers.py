"""Audio towers of language models: Qwen2-Audio, Qwen2.5-Omni, Audio Flamingo 3 (AF-Whisper), Music Flamingo, Voxtral.

Only the tower's tensors are read, out of the files of the whole model that hold some; the language model is neither
downloaded (as far as its files are others) nor built. What a frame is follows the authors' processors: padding is
masked, two frames of 20 ms are averaged to one of 40 ms, and half a pair at the end is dropped (Voxtral: 20 ms, no
mask, as Whisper). Clips longer than 30 s are heard in consecutive pieces of 30 s, as Audio Flamingo 3 does (Qwen2-Audio
cuts); Qwen2.5-Omni hears windows of 2 s that do not see each other, up to 300 s at a time. Qwen2.5-Omni's output is
projected to the width of its language model, the others' is not.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from bench.types import EncoderError
from encoders.parts.hf_model import ChunkedModel, list_layers
from encoders.parts.hf_spectrogram import Whisper
from encoders.parts.weights import fill

TOWER = "audio_tower."
CLASSES = {  # model_type of the tower's config -> package of transformers, class
    "qwen2_audio_encoder": ("qwen2_audio", "Qwen2AudioEncoder"),
    "qwen2_5_omni_audio_encoder": ("qwen2_5_omni", "Qwen2_5OmniAudioEncoder"),
    "audioflamingo3_encoder": ("audioflamingo3", "AudioFlamingo3Encoder"),
    "voxtral_encoder": ("voxtral", "VoxtralEncoder"),
}
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


class QwenAudio(Whisper):
    """[B, N] -> [B, T, D], T = max(1, floor((n - 321) / 640) + 1)."""

    def __init__(self, model: nn.Module, extractor: Any, files: list[dict[str, Any]]) -> None:
        super().__init__(model, extractor, files)
        self.first, self.hop, self.frames = self.hop + 1, 2 * self.hop, self.frames // 2
        self.hop_size_in_ms *= 2

    def compute_mel(self, pieces: list[Tensor], **options: Any) -> tuple[Tensor, Tensor]:
        """Compute spectra [B, bands, M] and their number for each clip, [B]; at least the three of a frame."""
        inputs = self.run_extractor(pieces, return_attention_mask=True, **options)
        count = inputs.attention_mask.sum(1).clamp(min=3)
        return inputs.input_features.to(pieces[0].device, self.dtype), count.to(pieces[0].device)

    def encode(self, pieces: list[Tensor], every: bool) -> list[Tensor]:
        from transformers.masking_utils import create_bidirectional_mask

        mel, count = self.compute_mel(pieces)
        valid = torch.arange(2 * self.frames, device=mel.device) < (count[:, None] + 1) // 2
        shape = mel.new_zeros(len(pieces), 2 * self.frames, 1)
        mask = create_bidirectional_mask(cast(Any, self.model).config, shape, attention_mask=valid.long())
        return halve_frames(list_layers(self.model(mel, attention_mask=mask, output_hidden_states=every), every))


class AudioFlamingo(QwenAudio):
    """[B, N] -> [B, T, D], T = max(1, floor((n - 321) / 640) + 1)."""

    def encode(self, pieces: list[Tensor], every: bool) -> list[Tensor]:
        mel, count = self.compute_mel(pieces)
        mask = (torch.arange(mel.shape[2], device=mel.device) < count[:, None]).long()
        return halve_frames(list_layers(self.model(mel, input_features_mask=mask, output_hidden_states=every), every))


class QwenOmni(QwenAudio):
    """[B, N] -> [B, T, D], T = max(1, floor((n - 321) / 640) + 1)."""

    hidden_states = None  # type: ignore[assignment]  # the output is projected, the layers before it are not

    def __init__(self, model: nn.Module, extractor: Any, files: list[dict[str, Any]]) -> None:
        ChunkedModel.__init__(self, model, extractor, files)
        self.output_dim = int(cast(Any, model).config.output_dim)
        self.hop, self.first = 4 * extractor.hop_length, 2 * extractor.hop_length + 1
        self.frames = int(extractor.n_samples) // self.hop
        self.piece = self.frames * self.hop
        self.hop_size_in_ms = 1000 * self.hop / self.sampling_rate

    def encode(self, pieces: list[Tensor], every: bool) -> list[Tensor]:
        # silence up to 300 s changes only the spectra at the clip's end, which see a window's length of it
        step = self.extractor.hop_length
        padded = (max(map(len, pieces)) // step + 1) * step + self.extractor.n_fft // step * step
        mel, count = self.compute_mel(pieces, padding="max_length", max_length=padded, truncation=False)
        flat = torch.cat([spectra[:, :n] for spectra, n in zip(mel, count.tolist(), strict=True)], dim=1)
        output = self.model(flat, feature_lens=count).last_hidden_state
        rows = output.split(((count + 1) // 2 // 2).tolist())
        return [nn.utils.rnn.pad_sequence(list(rows), batch_first=True)]


def halve_frames(states: list[Tensor]) -> list[Tensor]:
    """Halve the rate of every layer to that of the last, which the model itself has averaged in pairs."""
    frames = states[-1].shape[1]
    return [s if s.shape[1] == frames else s[:, : 2 * frames].reshape(len(s), frames, 2, -1).mean(2) for s in states]


def get_audio_config(config: Any) -> Any:
    return getattr(config, "thinker_config", config).audio_config


def load_tower(identity: str, config: Any, options: dict[str, Any]) -> nn.Module:
    """Load the audio tower with its weights.

    Raises:
        EncoderError: A tensor is missing or left over.
        OSError: A file cannot be had.
    """
    module = build_tower(get_audio_config(config))
    fill(module, dict(_iterate_tensors(identity, options)), lambda name: name.partition(TOWER)[2], where=identity)
    return module


def build_tower(config: Any) -> nn.Module:
    """Build the tower that a config of its own describes, with random weights in fp32."""
    package, name = CLASSES[config.model_type]
    maker = getattr(importlib.import_module(f"transformers.models.{package}.modeling_{package}"), name)
    module: nn.Module = maker._from_config(config, dtype=torch.float32)
    return module


def _iterate_tensors(identity: str, options: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    from safetensors import safe_open
    from transformers.utils import cached_file

    index = cached_file(identity, INDEX, _raise_exceptions_for_missing_entries=False, **options)
    files = {SINGLE}
    if index is not None:
        where = json.loads(Path(index).read_text())["weight_map"]
        files = {file for name, file in where.items() if TOWER in name}
    for file in sorted(files):
        path = cached_file(identity, file, **options)
        with safe_open(path, framework="pt") as stored:
            yield from ((name, stored.get_tensor(name).float()) for name in stored.keys() if TOWER in name)  # noqa: SIM118
    if not files:
        raise EncoderError("weights", got="none of an audio tower", expected=f"names with {TOWER}", where=identity)
