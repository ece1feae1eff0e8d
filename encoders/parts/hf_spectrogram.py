"""Whisper, w2v-BERT 2.0, AST and CLAP: transformers on a spectrogram, made by the authors' feature extractor.

Whisper (Radford et al. 2022): the encoder. Every clip gets its own log-mel spectrum padded to 30 s, which is what the
model is defined on; frames beyond the clip are cut, T = ceil(n / 320) at 20 ms. A clip longer than 30 s is encoded in
consecutive pieces of 30 s whose frames are joined.

w2v-BERT 2.0 (Barrault et al. 2023): two spectra of 10 ms make a frame, normalised over the clip, padding masked.

AST (Gong et al. 2021): patches of 16 x 16 every 10, here averaged over frequency: frames of 160 ms every 100 ms. The
model is defined on 10.24 s; shorter clips are filled with zeros as the authors do, longer ones heard in pieces of 101
frames, where the authors cut.

CLAP (Wu et al. 2023): the audio tower HTSAT on 10 s at 48 kHz. A shorter clip is repeated as the authors do and the
frames of its first hearing are kept; a longer one is heard in consecutive pieces of 10 s, where the authors choose one
at random. Frames are averaged over frequency, 312.5 ms each; for 10 s their mean is the tower's pooled output.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from encoders.parts.hf_model import ChunkedModel, Model, list_layers, split_clips


class Whisper(ChunkedModel):
    """[B, N] -> [B, max ceil(n / 320), D]; also Voxtral's encoder, which is built like Whisper's."""

    first = 1

    def __init__(self, model: nn.Module, extractor: Any, files: list[dict[str, Any]]) -> None:
        super().__init__(model, extractor, files)
        config = cast(Any, model).config
        self.output_dim = int(config.d_model)
        self.piece = int(extractor.n_samples)  # 30 s
        self.frames = int(config.max_source_positions)
        self.hop = self.piece // self.frames  # 320 samples
        self.hop_size_in_ms = 1000 * self.hop / self.sampling_rate

    def encode(self, pieces: list[Tensor], every: bool) -> list[Tensor]:
        mel = self.run_extractor(pieces).input_features.to(pieces[0].device, self.dtype)
        return list_layers(self.model(mel, output_hidden_states=every), every)


class W2vBert(Model):
    """[B, N] -> [B, T, D], T = max(1, floor((n - 560) / 320) + 1)."""

    shortest = 560  # samples of two spectra

    def __init__(self, model: nn.Module, extractor: Any, files: list[dict[str, Any]]) -> None:
        super().__init__(model, extractor, files)
        self.output_dim = int(cast(Any, model).config.hidden_size)
        self.hop_size_in_ms = 10.0 * extractor.stride

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self._run(audio, lengths, every=False)[0]

    def hidden_states(self, audio: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Return the input of the first block, then each block's output, [B, T, D]; the last is that of ``forward``."""
        return self._run(audio, lengths, every=True)

    def _run(self, audio: Tensor, lengths: Tensor | None, every: bool) -> list[Tensor]:
        clips = [nn.functional.pad(c, (0, max(0, self.shortest - len(c)))) for c in split_clips(audio, lengths)]
        inputs = self.run_extractor(clips, padding=True)
        mask = inputs.attention_mask.to(audio.device)
        features = inputs.input_features.to(audio.device, self.dtype)
        output = self.model(features, attention_mask=mask, output_hidden_states=every)
        valid = int(mask.sum(1).max())
        return [layer[:, :valid] for layer in list_layers(output, every)]


class Ast(ChunkedModel):
    """[B, N] -> [B, T, D], T = max(1, floor((n - 2800) / 1600) + 1) for the published patches."""

    def __init__(self, model: nn.Module, extractor: Any, files: list[dict[str, Any]]) -> None:
        super().__init__(model, extractor, files)
        config = cast(Any, model).config
        step, window = self.sampling_rate // 100, self.sampling_rate // 40  # samples of a spectrum: 10 ms, 25 ms
        self.output_dim = int(config.hidden_size)
        self.hop = config.time_stride * step
        self.first = (config.patch_size - 1) * step + window
        self.frames = (config.max_length - config.patch_size) // config.time_stride + 1
        self.piece = (config.max_length - 1) * step + window
        self.hop_size_in_ms = 1000 * self.hop / self.sampling_rate

    def encode(self, pieces: list[Tensor], every: bool) -> list[Tensor]:
        least = self.sampling_rate // 40
        filled = [nn.functional.pad(piece, (0, max(0, least - len(piece)))) for piece in pieces]
        values = self.run_extractor(filled).input_values.to(pieces[0].device, self.dtype)
        output = self.model(values, output_hidden_states=every)
        # after two tokens for the whole clip come the patches, frequency by frequency
        return [
            layer[:, 2:].reshape(len(pieces), -1, self.frames, layer.shape[2]).mean(1)
            for layer in list_layers(output, every)
        ]


class Clap(ChunkedModel):
    """[B, N] -> [B, max ceil(n / 15000), D]; its stages differ in rate and width, so it shows no hidden layers."""

    first = 1
    hidden_states = None  # type: ignore[assignment]

    def __init__(self, model: nn.Module, extractor: Any, files: list[dict[str, Any]]) -> None:
        super().__init__(model, extractor, files)
        config = cast(Any, model).config
        stages = len(config.depths)
        self.output_dim = int(config.patch_embeds_hidden_size * 2 ** (stages - 1))
        self.piece = int(extractor.nb_max_samples)  # 10 s
        ratio = config.spec_size // config.num_mel_bins
        self.frames = ratio * (config.spec_size // config.patch_stride[1] // 2 ** (stages - 1))
        self.hop = self.piece // self.frames
        self.hop_size_in_ms = 1000 * self.hop / self.sampling_rate

    def encode(self, pieces: list[Tensor], every: bool) -> list[Tensor]:
        mel = self.run_extractor(pieces).input_features.to(pieces[0].device, self.dtype)
        # the authors mark one short clip of a batch as long, by chance; none of these is
        longer = torch.zeros(len(pieces), 1, dtype=torch.bool, device=mel.device)
        output = self.model(mel, is_longer=longer).last_hidden_state  # [B, D, bands, frames]
        return [output.mean(2).transpose(1, 2)]
