"""Microsoft's CLAP, the audio towers: CNN14 (Elizalde et al., "CLAP: Learning audio concepts from natural language
supervision", arXiv 2206.04769) and HTSAT (Elizalde et al., "Natural language supervision for general-purpose audio
representations", arXiv 2309.05767); github.com/microsoft/CLAP, package ``msclap`` 1.3.4.

Both hear 44.1 kHz through 64 mel bands in dB, of 1024 samples every 320. The filters are read from the checkpoint, as
the authors' code does: for HTSAT the paper says 50 to 8000 Hz, the code 50 to 14000 Hz at a rate of 32 kHz.

2022: the network of ``panns.py``, 2048 numbers every 232.2 ms before the authors' pooling, maximum plus mean over time,
which a mean cannot give. The authors repeat a clip up to 5 s and cut a longer one at random; a network of convolutions
hears any length, so neither is done.

2023: HTSAT of transformers, on 7 s. A shorter clip is repeated as the authors do and the frames of its first hearing
are kept; a longer one is heard in consecutive pieces of 7 s, where the authors choose one at random. 768 numbers every
218.73 ms, averaged over frequency, T = max(1, floor((n - 29) / 9646) + 1); for 7 s their mean is the tower's pooled
output. Its stages differ in rate and width, so it shows no hidden layers.

The projections into the space shared with text, which come after pooling, and the text towers are left out.

Why not the package: it wants numpy 1 and transformers 4, and reads the weights by unpickling.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.audio import torchaudio_safe
from bench.types import Encoder, EncoderSpec
from encoders import panns
from encoders.parts.hf_model import ChunkedModel
from encoders.parts.spectra import AMIN, Mel
from encoders.parts.weights import Rename, Weights, fetch, fill_encoder, read_tensors

RATE = 44_100
WINDOW = 1024
HOP = 320
CNN14 = panns.Config(RATE, WINDOW, HOP, 14_000)
PIECE = 7 * RATE  # samples that HTSAT is defined on
RECORD = "https://zenodo.org/records/8378278"
TOWER = "model.audio_encoder.base."
NOT_THE_TOWER = ("model.audio_encoder.projection.", "model.caption_encoder.", "model.logit_scale")
FILTERS = "logmel_extractor.melW"
NOT_USED = ("htsat.spectrogram_extractor.", "htsat.tscam_conv.", "htsat.head.")  # computed here; the classifier
OWN = (  # the authors' names of HTSAT to those of transformers
    ("htsat.", "model.audio_encoder."),
    (".bn0.", ".batch_norm."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".attn.proj.", ".attention.output.dense."),
    (".attn.", ".attention.self."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
)


class Htsat(ChunkedModel):
    """[B, N] at 44.1 kHz -> [B, T, 768]; ``options`` are those of a ``ClapAudioConfig`` other than the published."""

    get_extra_state, set_extra_state = nn.Module.get_extra_state, nn.Module.set_extra_state  # no files of transformers
    hidden_states = None  # type: ignore[assignment]

    def __init__(self, **options: Any) -> None:
        nn.Module.__init__(self)
        torchaudio_safe.install()
        from transformers import ClapAudioConfig, ClapAudioModel

        config = ClapAudioConfig(**options)
        self.model: nn.Module = ClapAudioModel(config)
        self.mel = store_filters(Mel(fft=WINDOW, window=WINDOW, hop=HOP, bands=64, low=50, high=14_000, slaney=True))
        self.sampling_rate, self.output_dim = RATE, 8 * config.patch_embeds_hidden_size
        self.piece, self.frames = PIECE, 32
        self.hop = self.piece // self.frames
        self.first = self.piece - self.frames * self.hop + 1  # 7 s fill the last frame, and no other
        self.hop_size_in_ms = 1000 * self.hop / RATE

    def encode(self, pieces: list[Tensor], every: bool) -> list[Tensor]:
        filled = torch.stack([piece.repeat(math.ceil(self.piece / len(piece)))[: self.piece] for piece in pieces])
        level = 10 * self.mel(filled).clamp(min=AMIN).log10()  # [B, bands, spectra]
        output = self.model(level.transpose(1, 2)[:, None].to(self.dtype)).last_hidden_state  # [B, D, bands, frames]
        return [output.mean(2).transpose(1, 2)]


def build_cnn14(config: panns.Config = CNN14) -> panns.Cnn14:
    module = panns.Cnn14(config)
    store_filters(module.mel)
    return module


def store_filters(mel: Mel) -> Mel:
    """Return ``mel`` with its filters as weights to be loaded."""
    mel.register_buffer("filters", mel.filters, persistent=True)
    return mel


def read_published(checkpoint: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a checkpoint's tensors with filters as [bands, bins], and HTSAT's queries, keys and values apart."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in checkpoint.items():
        before, joint, kind = name.partition(".qkv.")
        if joint and name.startswith(TOWER):
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            tensors |= {f"{before}.{part}.{kind}": rows for part, rows in parts}
        else:
            tensors[name] = tensor.T if name.endswith(FILTERS) else tensor
    return tensors


def rename_cnn14(name: str) -> str | None:
    """Map the authors' name of a tensor to that in ``panns.Cnn14``."""
    if name.startswith(NOT_THE_TOWER):
        return None
    name = name.removeprefix(TOWER)
    return "mel.filters" if name == FILTERS else panns.rename(name)


def rename_htsat(name: str) -> str | None:
    """Map the authors' name of a tensor, queries, keys and values apart, to that in ``Htsat``."""
    if name.startswith(NOT_THE_TOWER):
        return None
    name = name.removeprefix(TOWER)
    if name == f"htsat.{FILTERS}":
        return "mel.filters"
    if name.startswith(NOT_USED) or name.endswith(".attn_mask"):
        return None
    for theirs, ours in OWN:
        name = name.replace(theirs, ours)
    return name


def load_file(make: Callable[[], nn.Module], rename: Rename, path: Path, device: str) -> Encoder:
    """Load the encoder that ``make`` builds with the weights in ``path``.

    Raises:
        EncoderError: As ``weights.fill`` does.
    """
    return fill_encoder(make(), read_published(read_tensors(path)), rename, path, device)


def load(make: Callable[[], nn.Module], rename: Rename, weights: Weights, device: str) -> Encoder:
    return load_file(make, rename, fetch(weights), device)


def _build_spec(
    name: str, make: Callable[[], nn.Module], rename: Rename, *, width: int, hop: int, trained_on: tuple[str, ...]
) -> EncoderSpec:
    weights = Weights(page=f"{RECORD}, CLAP_weights_{name[-4:]}.pth")
    return EncoderSpec(
        name=name,
        load=functools.partial(load, make, rename, weights),
        load_weights=functools.partial(load_file, make, rename),
        source=weights.page,
        licence="MIT",
        verified="random weights: tensor names and output of the authors' code (msclap 1.3.4); certificate",
        trained_on=trained_on,
        sampling_rate=RATE,
        output_dim=width,
        hop_in_ms=1000 * hop / RATE,
    )


msclap_2022 = _build_spec(
    "msclap-2022",
    build_cnn14,
    rename_cnn14,
    width=CNN14.channels[-1],
    hop=HOP * panns.POOLED,
    trained_on=("AudioSet", "fsd50k", "clotho", "audiocaps", "macs"),
)
msclap_2023 = _build_spec(
    "msclap-2023",
    Htsat,
    rename_htsat,
    width=768,
    hop=PIECE // 32,
    trained_on=(
        "wavcaps", "audioset", "fsd50k", "clotho", "audiocaps", "macs", "wavtext5k", "sounddescs", "nsynthinstument",
        "nsynthpitch", "freemusicarchive", "mosi", "meld", "iemocap", "mosei", "msp-podcast", "cochlscene", "ljspeech",
        "epic-kitchens", "kinetics700", "findsounds.com",
    ),
)  # fmt: skip
