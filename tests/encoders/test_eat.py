"""EAT and SSLAM: published tensors, a second computation by torch's own layers, frames, certificate."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench.loading.adapt import adapt
from bench.loading.certificate import certify, make_signal, measure_difference
from bench.types import EncoderError
from encoders import eat
from tests.helpers import encoder_facts as recorded

FACTS = recorded.read_facts("eat")
NAMES = recorded.expand_names(FACTS["encoders"]["eat"]["tensors"])
TINY = eat.Config(dim=8, depth=2, heads=2, columns=6)  # pieces of 0.96 s
AUTHORS = {  # the names of the hub's files to those of the authors' checkpoints
    "model.local_encoder.": "model.modality_encoders.IMAGE.local_encoder.",
    "model.extra_tokens": "model.modality_encoders.IMAGE.extra_tokens",
    "model.pre_norm.": "model.modality_encoders.IMAGE.context_encoder.norm.",
    "model.fixed_": "model.modality_encoders.IMAGE.fixed_",
}


def authors_name(name: str) -> str:
    for hub, theirs in AUTHORS.items():
        name = name.replace(hub, theirs)
    return name


@pytest.fixture(scope="module")
def tiny() -> eat.Eat:
    torchaudio = recorded.import_torchaudio("compliance.kaldi")
    assert torchaudio
    module = eat.Eat(TINY)
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    module.load_state_dict(recorded.plant_weights(own))
    return module.eval().requires_grad_(False)


def test_published_tensors() -> None:
    with torch.device("meta"):
        module = eat.Eat(eat.Config())
    recorded.assert_is_the_published_model(module, NAMES, eat.rename)
    training = {
        "model.modality_encoders.IMAGE.decoder.proj.weight": (768, 768),
        "model._ema.blocks.0.norm1.bias": (768,),
    }
    recorded.assert_is_the_published_model(
        module, {authors_name(name): shape for name, shape in NAMES.items()} | training, eat.rename
    )
    assert sum(math.prod(shape) for shape in NAMES.values()) == FACTS["parameters"]


def test_other_weights_are_refused() -> None:
    recorded.assert_other_weights_are_refused(eat.Eat(eat.Config(8, 2, 2)), NAMES, eat.rename)


def test_a_file_becomes_an_encoder_when_its_positions_are_those_computed(tiny: eat.Eat, tmp_path: Path) -> None:
    state = {name: value for name, value in tiny.state_dict().items() if name != "cls_token"}
    state = {name.replace("patch_embed.", "local_encoder.proj."): value for name, value in state.items()}
    state["extra_tokens"] = tiny.cls_token.data
    place = "fixed_positional_encoder.positions"
    state[place] = eat.compute_positions(8, 768)
    save_file({f"model.{name}": value for name, value in state.items()}, tmp_path / "w.safetensors")
    loaded = eat.load_file(TINY, tmp_path / "w.safetensors", "cpu")
    audio = make_signal(9000, seed=1)[None]
    assert torch.equal(loaded(audio), tiny(audio))
    for other in (state[place] + 0.01, state[place][:, :-1], state[place][0]):
        save_file(
            {f"model.{name}": value for name, value in (state | {place: other}).items()}, tmp_path / "w.safetensors"
        )
        with pytest.raises(EncoderError, match="positions"):
            eat.load_file(TINY, tmp_path / "w.safetensors", "cpu")


def test_positions() -> None:
    """By the formula, one number at a time: patch (time 5, band 3) of 16 dimensions."""
    found = eat.compute_positions(16, 7)[0, 5 * 8 + 3]
    wanted = [f(place / 10_000 ** (i / 4)) for place in (3, 5) for f in (math.sin, math.cos) for i in range(4)]
    torch.testing.assert_close(found, torch.tensor(wanted))


def test_torch_s_own_layers_give_the_same(tiny: eat.Eat) -> None:
    """A transformer layer of torch that normalises after each branch, and the steps before it done plainly."""
    audio = make_signal(12_345, seed=2)[None]  # 75 frames: five columns
    with torch.inference_mode():
        spectrum = nn.functional.pad(eat.compute_energies(audio)[0].T, (0, 0, 0, 5))  # [80, 128]
        spectrum = (spectrum + 4.268) / (4.569 * 2)
        patches = torch.stack(
            [
                torch.einsum(
                    "dchw,hw->d", tiny.patch_embed.weight, spectrum[16 * t : 16 * t + 16, 16 * f : 16 * f + 16]
                )
                for t in range(5)
                for f in range(8)
            ]
        )
        x = torch.cat([tiny.cls_token[0], patches + tiny.patch_embed.bias + eat.compute_positions(8, 5)[0]])[None]
        x = tiny.pre_norm(x)
        for block in tiny.blocks:
            layer = nn.TransformerEncoderLayer(8, 2, 32, 0.0, "gelu", 1e-6, batch_first=True).train()  # no fast path
            ours = block.state_dict()
            layer.load_state_dict(
                {
                    "self_attn.in_proj_weight": ours["attn.qkv.weight"],
                    "self_attn.in_proj_bias": ours["attn.qkv.bias"],
                    "self_attn.out_proj.weight": ours["attn.proj.weight"],
                    "self_attn.out_proj.bias": ours["attn.proj.bias"],
                }
                | {k.replace("mlp.fc", "linear"): v for k, v in ours.items() if not k.startswith("attn.")}
            )
            x = layer(x)
        token, rest = x[0, :1], x[0, 1:].reshape(5, 8, 8).mean(dim=1)
        wanted = torch.cat([token.expand(5, 8), rest], dim=1)
        assert measure_difference(tiny(audio)[0], wanted) < 1e-5


@pytest.mark.parametrize(("samples", "frames"), [(100, 1), (2959, 1), (2960, 2), (16_000, 7), (100_137, 39)])
def test_frames_every_160_ms(samples: int, frames: int, tiny: eat.Eat) -> None:
    assert tiny(make_signal(samples, seed=1)[None]).shape == (1, frames, 16)


def test_certificate(tiny: eat.Eat) -> None:
    certificate = certify(adapt(tiny))
    assert [check.name for check in certificate.checks if not check.passed] == []
    assert certificate.policy == "padded"
    assert (certificate.hop_in_samples, certificate.first_frame_in_samples) == (2560, 400)


def test_hidden_states_and_pieces(tiny: eat.Eat) -> None:
    one, other = make_signal(40_000, seed=4), make_signal(40_000, seed=5)
    other[:16_000] = one[:16_000]  # six columns: a piece of their own
    a, b = tiny(torch.stack([one, other]))
    assert measure_difference(a[:6], b[:6]) < 1e-5
    assert measure_difference(a[6:], b[6:]) > 0.1
    assert torch.equal(a[:6, :8], a[:1, :8].expand(6, 8))  # one token for each piece
    layers = tiny.hidden_states(one[None])
    assert [layer.shape for layer in layers] == [(1, 16, 16)] * 3
    assert torch.equal(layers[-1], tiny(one[None]))
    assert measure_difference(layers[0][0], layers[1][0]) > 0.1
