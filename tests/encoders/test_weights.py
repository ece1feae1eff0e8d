"""Weights from somewhere else: read without code, loaded whole or not at all."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench.loading.sources import resolve_encoder
from bench.types import ChoiceError, Encoder, EncoderError, EncoderSpec
from encoders.parts.weights import Weights, fetch, fill, read_tensors
from encoders.parts.wheels import open_member
from tests.helpers import encoder_facts, planted


def strip(name: str) -> str | None:
    return None if name.startswith("decoder.") else name.removeprefix("model.encoder.")


@pytest.fixture
def published() -> dict[str, torch.Tensor]:
    return {"encoder.weight": torch.randn(3, 4), "encoder.bias": torch.randn(3), "decoder.weight": torch.zeros(2)}


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_the_authors_names_become_ours(kind: str, published: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / f"w.{kind}"
    if kind == "pt":
        torch.save({"model": published, "epoch": 3}, path)
    else:
        save_file({f"model.{name}": value for name, value in published.items()}, path)
    found = read_tensors(path)
    assert set(found) == {f"model.{name}" for name in published}
    module = nn.Linear(4, 3)
    fill(module, {k: v for k, v in found.items() if "decoder" not in k}, strip, where=path)
    assert torch.equal(module.weight, published["encoder.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("encoder.bias"), "missing weights: got bias"),
        (lambda w: w.update({"encoder.scale": torch.ones(1)}), "unexpected weights: got scale"),
        (lambda w: w.update({"encoder.bias": torch.ones(4)}), r"shape of bias: got \[4\], expected \[3\]"),
        (lambda w: w.update({"bias": torch.ones(3)}), "two tensors for bias"),
    ],
)
def test_what_does_not_fit_is_refused_whole(change, message, published) -> None:
    module = nn.Linear(4, 3)
    before = module.weight.clone()
    change(published)

    def rename(name: str) -> str | None:
        return None if name.startswith("decoder") else name.removeprefix("encoder.")

    with pytest.raises(EncoderError, match=message):
        fill(module, published, rename, where="here")
    assert torch.equal(module.weight, before)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(marker)!r}, 'w').close()",))

    torch.save({"weight": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(EncoderError, match="readable without code"):
        read_tensors(tmp_path / "evil.pt")
    assert not marker.exists()
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    with pytest.raises(EncoderError, match="weights"):
        read_tensors(tmp_path / "junk.safetensors")
    with pytest.raises(EncoderError, match="no such file"):
        read_tensors(tmp_path / "absent.pt")


def test_options_of_a_training_script_may_lie_beside_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"model": {"weight": torch.ones(2)}, "args": argparse.Namespace(lr=1e-3, model="mae"), "epoch": 3}, path)
    assert set(read_tensors(path)) == {"model.weight"}


def test_what_is_not_pinned_is_not_fetched() -> None:
    with pytest.raises(EncoderError, match=r"no pinned address is known, expected your own copy: --encoder NAME=FILE"):
        fetch(Weights(page="https://x.org/somewhere"))


def test_where_weights_lie_is_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for weights in (Weights(url="https://x.org/w.pt"), Weights(url="http://x.org/w.pt", sha256="0" * 64)):
        with pytest.raises(EncoderError, match="an https URL and its sha256"):
            fetch(weights)
    with pytest.raises(EncoderError, match="a pinned commit"):
        fetch(Weights(hub="a/b", file="w.pt"))
    content = b"tensors"
    weights = Weights(url="https://x.org/w.pt?download=1", sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(
        EncoderError, match=r"got offline, expected a connection, or your own copy: --encoder NAME=FILE"
    ):
        fetch(weights)
    path = tmp_path / "otoscope" / weights.sha256 / "w.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert fetch(weights) == path
    path.write_bytes(b"other")
    with pytest.raises(EncoderError, match="weights are others"):
        fetch(weights)


def test_an_encoder_takes_the_users_copy(tmp_path: Path) -> None:
    seen: list[object] = []

    def load_weights(path: Path, device: str) -> Encoder:
        seen.extend([path, device])
        return planted.Good()  # type: ignore[return-value]

    own = EncoderSpec("own", lambda _: planted.Good(), load_weights=load_weights)  # type: ignore[arg-type,return-value]
    bare = EncoderSpec("bare", lambda _: planted.Good())  # type: ignore[arg-type,return-value]
    bundled = {"own": own, "bare": bare}
    (tmp_path / "w.pt").touch()
    spec = resolve_encoder(f"own={tmp_path}/w.pt", bundled, lambda _: own)
    assert (spec.name, spec.revision) == ("own", "w.pt of the user")
    spec.load("cpu")
    assert seen == [tmp_path / "w.pt", "cpu"]
    with pytest.raises(ChoiceError, match="an encoder that has some"):
        resolve_encoder(f"bare={tmp_path}/w.pt", bundled, lambda _: own)
    with pytest.raises(ChoiceError, match="a file or folder"):
        resolve_encoder(f"own={tmp_path}/absent", bundled, lambda _: own)


def test_a_file_or_folder_of_a_wheel(tmp_path: Path) -> None:
    for name in ("a/w/x", "a/w/y", "a/wz", "a/v"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    wheel = encoder_facts.write_wheel(tmp_path / "p.whl", *map(Path, ("a/w/x", "a/w/y", "a/wz", "a/v")))
    with open_member(wheel, "a/w") as folder:
        assert {file.name: file.read_text() for file in folder.iterdir()} == {"x": "a/w/x", "y": "a/w/y"}
    assert not folder.exists()
    with open_member(wheel, "a/v") as file:
        assert file.read_text() == "a/v"
    with open_member(tmp_path / "a", "a/v") as own:
        assert own == tmp_path / "a"
    with pytest.raises(EncoderError, match="a wheel without it, expected a/u"), open_member(wheel, "a/u"):
        pass
    wheel.write_bytes(wheel.read_bytes()[:100])
    with pytest.raises(EncoderError, match="a wheel that can be read"), open_member(wheel, "a/v"):
        pass
