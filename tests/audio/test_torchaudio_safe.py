"""torchaudio in every state an installation can be in, each in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FAKE = {  # a package with torchaudio's layout: the extension first, then Python that asks it what there is
    "__init__.py": "from . import _extension\nfrom . import functional\n",
    "functional.py": (
        "from torchaudio._extension import _IS_TORCHAUDIO_EXT_AVAILABLE, fail_if_no_align\n"
        "def resample(): return 'resampled'\n"
        "@fail_if_no_align\ndef forced_align(): return 'aligned'\n"
    ),
    "_extension.py": "_IS_TORCHAUDIO_EXT_AVAILABLE = True\ndef fail_if_no_align(f): return f\n",
}
RESULT = """
import importlib.util, sys
from bench.audio import torchaudio_safe
first = torchaudio_safe.load()
torchaudio_safe.install()
assert torchaudio_safe.load() is first
"""


def python(code: str, *paths: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*paths, ROOT])), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def package(folder: Path, **replaced: str) -> Path:
    (folder / "torchaudio").mkdir()
    for name, text in {**FAKE, **{f"{key}.py": text for key, text in replaced.items()}}.items():
        (folder / "torchaudio" / name).write_text(text)
    return folder


def test_healthy_torchaudio_is_used_as_it_is(tmp_path: Path) -> None:
    code = RESULT + "print(first.functional.forced_align(), first._extension._IS_TORCHAUDIO_EXT_AVAILABLE)"
    assert python(code, package(tmp_path)) == "aligned True"


@pytest.mark.parametrize(
    "error",
    [
        "RuntimeError('Detected that PyTorch and TorchAudio were compiled with different CUDA versions')",
        "OSError('libtorch_cuda.so: cannot open shared object file')",
        "ImportError('undefined symbol')",
        "AttributeError('_torchaudio')",
    ],
)
def test_extension_that_does_not_load_is_replaced(tmp_path: Path, error: str) -> None:
    code = RESULT + (
        "import torchaudio\nassert torchaudio is first\n"
        "from torchaudio._extension import _IS_RIR_AVAILABLE, lazy_import_sox_ext, _load_lib\n"
        "assert not lazy_import_sox_ext().is_available() and _load_lib('x') is False\n"
        "assert not hasattr(torchaudio._extension, 'something_else')\n"
        "print(first.functional.resample(), first._extension._IS_TORCHAUDIO_EXT_AVAILABLE)\n"
        "try: first.functional.forced_align()\n"
        "except RuntimeError as error: print(error)\n"
    )
    lines = python(code, package(tmp_path, _extension=f"raise {error}\n")).splitlines()
    assert lines[0] == "resampled False"
    assert lines[1] == "forced_align needs torchaudio's compiled extension, which does not fit this torch"


def test_beyond_repair_is_as_if_absent(tmp_path: Path) -> None:
    code = RESULT + (
        "assert first is None and importlib.util.find_spec('torchaudio') is None\n"
        "try: import torchaudio\n"
        "except ModuleNotFoundError: print('absent')"
    )
    assert python(code, package(tmp_path, functional="raise OSError('broken as well')\n")) == "absent"


def test_absent() -> None:
    code = (
        """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'torchaudio':
            raise ModuleNotFoundError("No module named 'torchaudio'", name='torchaudio')
sys.meta_path.insert(0, Blocker())
"""
        + RESULT
    )
    assert python(code + "print(first)") == "None"


@pytest.mark.skipif(importlib.util.find_spec("torchaudio") is None, reason="to run it: pip install torchaudio")
def test_installed_torchaudio_computes_whatever_its_extension() -> None:
    code = (
        RESULT
        + """
import math, torch
tone = torch.sin(2 * math.pi * 440 * torch.arange(8000) / 8000)
up = first.functional.resample(tone, 8000, 16000)
wanted = torch.sin(2 * math.pi * 440 * torch.arange(16000) / 16000)
assert up.shape == wanted.shape and (up - wanted)[200:-200].abs().max() < 1e-2
mel = first.transforms.MelSpectrogram(16000, n_mels=40)(up)
assert mel.shape == (40, 81) and torch.isfinite(mel).all() and mel.sum(1).argmax() < 20
import torchaudio.compliance.kaldi
assert torchaudio.compliance.kaldi.fbank(up[None]).shape == (98, 23)
print('works')
"""
    )
    assert python(code) == "works"


def test_transformers_models_import_after_install() -> None:
    code = "from bench.audio import torchaudio_safe\ntorchaudio_safe.install()\n"
    code += "import warnings\nwarnings.simplefilter('default')\n"
    code += "from transformers import Wav2Vec2Model, WhisperModel\nprint(WhisperModel.__name__, Wav2Vec2Model.__name__)"
    assert python(code) == "WhisperModel Wav2Vec2Model"


def test_only_this_module_imports_torchaudio() -> None:
    files = [path for folder in ("bench", "tasks", "encoders") for path in (ROOT / folder).rglob("*.py")]
    guilty = [
        path.name
        for path in files
        if any(
            line.strip().startswith(("import torchaudio", "from torchaudio")) for line in path.read_text().splitlines()
        )
    ]
    assert guilty == []
