"""Models of transformers, used as their authors do: ``hf:openai/whisper-base[@revision]``, ``hf:folder``.

How each kind is used, what its frames are and how long clips are heard: ``hf_waveform.py`` (wav2vec 2.0, HuBERT, WavLM,
data2vec-audio, MERT), ``hf_spectrogram.py`` (Whisper, w2v-BERT 2.0, AST, CLAP), ``hf_towers.py`` (Qwen2-Audio,
Qwen2.5-Omni, Audio Flamingo 3, Music Flamingo, Voxtral).

safetensors weights are preferred; where a hub has only ``pytorch_model.bin``, it is read with ``weights_only``, which
runs no code in it (towers: safetensors alone). No code from a hub is run, none is asked to convert a model, and
HF_HUB_OFFLINE=1 keeps to local files. Without ``@revision`` it is whatever the hub has on its main branch today.
"""

from __future__ import annotations

import functools
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from bench.audio import torchaudio_safe
from bench.types import Encoder, EncoderError, EncoderSpec, UnavailableError
from encoders.parts import hf_spectrogram, hf_towers, hf_waveform
from encoders.parts.hf_model import Model

Wrap = Callable[[nn.Module, Any, list[dict[str, Any]]], Model]
KINDS: dict[str, Wrap] = {  # by the model_type of config.json
    "whisper": hf_spectrogram.Whisper,
    "wav2vec2": hf_waveform.build_waveform,
    "hubert": hf_waveform.build_waveform,
    "wavlm": hf_waveform.build_waveform,
    "data2vec-audio": hf_waveform.build_waveform,
    "mert_model": hf_waveform.build_waveform,
    "wav2vec2-bert": hf_spectrogram.W2vBert,
    "audio-spectrogram-transformer": hf_spectrogram.Ast,
    "clap": hf_spectrogram.Clap,
    "qwen2_audio": hf_towers.QwenAudio,
    "qwen2_5_omni": hf_towers.QwenOmni,
    "audioflamingo3": hf_towers.AudioFlamingo,
    "musicflamingo": hf_towers.AudioFlamingo,
    "voxtral": hf_spectrogram.Whisper,
}
TOWERS = ("qwen2_audio", "qwen2_5_omni", "audioflamingo3", "musicflamingo", "voxtral")
NOT_USED = {"masked_spec_embed"}  # tensors that encoding does not need: the mask of pretraining
FAILURES = (OSError, ValueError, ImportError, RuntimeError, pickle.UnpicklingError)
"""What transformers raises for anything that it cannot find or read."""


def build_spec(text: str) -> EncoderSpec:
    """Build the spec of the model ``text``: a local folder, or a hub id with an optional ``@revision``."""
    if Path(text).is_dir():
        identity, revision = text, ""
    else:
        identity, _, revision = text.partition("@")
    name = Path(identity).resolve().name if Path(text).is_dir() else identity.rpartition("/")[2]
    source = name if Path(text).is_dir() else f"https://huggingface.co/{identity}"
    return EncoderSpec(
        name=name, load=functools.partial(load, identity, revision or None), source=source, revision=revision
    )


def load(identity: str, revision: str | None, device: str) -> Encoder:
    """Load a model of the hub or of a local folder.

    Raises:
        EncoderError: The model cannot be had, is of another kind or lacks weights.
    """
    torchaudio_safe.install()
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")  # else transformers asks the hub for one
    from transformers import AutoFeatureExtractor
    from transformers.utils import logging

    logging.disable_progress_bar()  # "Loading weights" across the harness's own
    options: dict[str, Any] = {"revision": revision, "local_files_only": os.environ.get("HF_HUB_OFFLINE") == "1"}
    try:
        config, file = _read_config(identity, options)
        extractor = AutoFeatureExtractor.from_pretrained(identity, **options)
        files = [file, extractor.get_feature_extractor_dict(identity, **options)[0]]
        model = _load_model(identity, file["model_type"], config, options)
    except EncoderError:
        raise
    except FAILURES as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        expected = "a hub id or folder with config.json, preprocessor_config.json and safetensors weights"
        kind = EncoderError if Path(identity).is_dir() else UnavailableError
        raise kind("transformers model", got=lines[0], expected=expected, where=identity) from error
    encoder = KINDS[file["model_type"]](model, extractor, files)
    return cast(Encoder, encoder.eval().requires_grad_(False).to(device))


def load_folder(path: Path, device: str) -> Encoder:
    """Load the user's own copy of a model, in a folder as the hub has it."""
    return load(str(path), None, device)


def _read_config(identity: str, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Read the config and its file's content.

    Raises:
        EncoderError: The kind of model is not supported.
    """
    from transformers import AutoConfig, HubertConfig, PreTrainedConfig

    file: dict[str, Any] = PreTrainedConfig.get_config_dict(identity, **options)[0]
    if not file:
        raise OSError("no config.json")
    kind = str(file.get("model_type"))
    if kind not in KINDS or file.get("add_adapter"):
        got = kind + (" with an adapter" if file.get("add_adapter") else "")
        raise EncoderError("model type", got=got, expected=f"one of {', '.join(KINDS)}", where=identity)
    if kind != "mert_model":
        return AutoConfig.from_pretrained(identity, **options), file
    beyond = [name for name in ("feature_extractor_cqt", "deepnorm") if file.get(name)]
    if beyond:
        raise EncoderError("MERT model", got=" and ".join(beyond), expected="MERT-v1", where=identity)
    return HubertConfig.from_dict({**file, "model_type": "hubert"}), file


def _load_model(identity: str, kind: str, config: Any, options: dict[str, Any]) -> nn.Module:
    """Load the part of the model that encodes audio, in fp32, with all of its weights."""
    from transformers import AutoModel, HubertModel

    if kind in TOWERS:
        return hf_towers.load_tower(identity, config, options)
    maker = HubertModel if kind == "mert_model" else AutoModel
    arguments = {"config": config, "dtype": torch.float32, "output_loading_info": True, **options}
    try:
        model, loaded = maker.from_pretrained(identity, use_safetensors=True, **arguments)
    except OSError as error:  # no safetensors
        try:
            model, loaded = maker.from_pretrained(identity, use_safetensors=False, **arguments)
        except OSError:
            raise error from None
    missing = sorted(set(loaded["missing_keys"]) - NOT_USED)
    if missing:
        got = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise EncoderError("missing weights", got=got, expected="all of the model's", where=identity)
    part: nn.Module = model.get_encoder() if kind == "whisper" else model.audio_model if kind == "clap" else model
    return part
