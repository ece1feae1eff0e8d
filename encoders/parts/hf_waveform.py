"""wav2vec 2.0, XLS-R, MMS, HuBERT, WavLM, data2vec-audio, MERT: convolutions on the waveform, then a transformer.

Every clip is normalised by itself to zero mean and unit variance where the feature extractor says so. Models with layer
normalisation in the feature encoder take an attention mask, so padded batches; those with group normalisation see the
padding, and data2vec's stacked positional convolutions carry it back, so those take no ``lengths`` and are only given
clips of one length. No model has a longest clip.

MERT (Li et al. 2023, arXiv 2306.00107) publishes code of its own for HuBERT plus a constant-Q transform and a rescaled
initialisation. MERT-v1 uses neither, and its ``attention_relax`` only guards against overflow (softmax does not change
when a constant is subtracted), so transformers' HuBERT computes the same.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, cast

import torch
from torch import Tensor, nn

from encoders.parts.hf_model import Model, list_layers


class Waveform(Model):
    """[B, N] of equal length -> [B, T, D]."""

    def __init__(self, model: nn.Module, extractor: Any, files: list[dict[str, Any]]) -> None:
        super().__init__(model, extractor, files)
        config = cast(Any, model).config
        self.output_dim = int(config.hidden_size)
        self.hop_size_in_ms = 1000 * math.prod(config.conv_stride) / self.sampling_rate
        self.field = 1  # samples that one frame sees
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
            self.field = (self.field - 1) * stride + kernel

    def forward(self, audio: Tensor) -> Tensor:
        return self._run(audio, None, every=False)[0]

    def hidden_states(self, audio: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Return the input of the first block, then each block's output, [B, T, D]; the last is that of ``forward``."""
        return self._run(audio, lengths, every=True)

    def _run(self, audio: Tensor, lengths: Tensor | None, every: bool) -> list[Tensor]:
        whole = torch.full((len(audio),), audio.shape[1], device=audio.device)
        lengths = whole if lengths is None else lengths.to(audio.device)
        return list_layers(self.model(self.prepare(audio, lengths), output_hidden_states=every), every)

    def prepare(self, audio: Tensor, lengths: Tensor) -> Tensor:
        """Normalise each clip over its own samples as the feature extractor does, zeros after it."""
        keep = torch.arange(audio.shape[1], device=audio.device) < lengths[:, None]
        if self.extractor.do_normalize:
            count = lengths[:, None]
            mean = (audio * keep).sum(1, keepdim=True) / count
            variance = ((audio - mean).square() * keep).sum(1, keepdim=True) / count
            audio = (audio - mean) / (variance + 1e-7).sqrt()
        return nn.functional.pad(audio * keep, (0, max(0, self.field - audio.shape[1]))).to(self.dtype)


class MaskedWaveform(Waveform):
    """[B, N] of any lengths -> [B, T, D]; padding is masked in the model."""

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self._run(audio, lengths, every=False)[0]

    def _run(self, audio: Tensor, lengths: Tensor | None, every: bool) -> list[Tensor]:
        if lengths is None:
            return super()._run(audio, None, every)
        values = self.prepare(audio, lengths.to(audio.device))
        valid = lengths.to(audio.device).clamp(min=self.field)  # at least one frame
        mask = (torch.arange(values.shape[1], device=audio.device) < valid[:, None]).long()
        with warnings.catch_warnings():  # WavLM's attention mixes two kinds of mask on purpose
            warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
            return list_layers(self.model(values, attention_mask=mask, output_hidden_states=every), every)


def build_waveform(model: nn.Module, extractor: Any, files: list[dict[str, Any]]) -> Waveform:
    """Build the encoder around a model of this family: with masks where those change nothing but the padding."""
    config = cast(Any, model).config
    masked = config.model_type != "data2vec-audio" and config.feat_extract_norm == "layer"
    return (MaskedWaveform if masked else Waveform)(model, extractor, files)
