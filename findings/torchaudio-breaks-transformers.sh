#!/usr/bin/env bash
# A torchaudio that does not fit its torch takes every model of transformers with it.
#
# One would guess: `pip install torch==2.13.0 torchaudio==2.11.0` is accepted by pip, so beside a CPU-only torch torchaudio
# either works without a GPU, or fails where it is used. transformers decodes no audio when a model class is imported, and
# torchaudio is an optional package to it, so its models are not concerned.
#
# What happens: the wheel of torchaudio 2.11.0 names no version of torch in its metadata, and its extension is linked against
# CUDA libraries of torch (libc10_cuda, libtorch_cuda), which a CPU-only torch does not have: `import torchaudio` raises OSError.
# transformers 5.23.0 asks whether torchaudio is installed, not whether it can be imported, and imports it in
# `transformers.audio_utils`, on which the module of every model depends. So `from transformers import WhisperModel` raises the
# same OSError, and so does `BertModel`, which has nothing to do with audio. Without torchaudio all of them can be imported.
#
# Why people who benchmark audio care: a CPU-only torch is what CI machines have. The remedy that comes to mind, "install
# torchaudio, the model needs audio", is what breaks it, and the error names a file of torchaudio in a program that never
# mentions torchaudio.
#
# Needs a CPU-only torch 2.13.0: where pip finds one with CUDA, this says so and exits with 2.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet torch==2.13.0 torchaudio==2.11.0 transformers==5.23.0 2>pip.log || { cat pip.log; exit 1; }

cat >versions.py <<'PYTHON'
import platform
from importlib.metadata import requires, version

import torch

print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
print(*(f"{name} {version(name)}" for name in ("torch", "torchaudio", "transformers")), sep=", ")
print("torch is built for CUDA:", torch.version.cuda)
print("torchaudio requires:", requires("torchaudio") or "nothing")
raise SystemExit(0 if torch.version.cuda is None else 2)
PYTHON

cat >try.py <<'PYTHON'
import importlib
import sys

module, name = sys.argv[1:]
try:
    getattr(importlib.import_module(module), name)
    print(f"from {module} import {name}: works")
except OSError as error:
    file = str(error).rpartition("/")[2]
    print(f"from {module} import {name}: OSError: {file} cannot be loaded: {error.__cause__}")
PYTHON

venv/bin/python versions.py
with_torchaudio=$(for what in "torchaudio functional" "transformers WhisperModel" "transformers Wav2Vec2Model" "transformers BertModel"; do
    venv/bin/python try.py $what # two words each
done)
echo "$with_torchaudio"
venv/bin/pip uninstall --quiet --yes torchaudio
echo "without torchaudio:"
without_torchaudio=$(for what in "transformers WhisperModel" "transformers Wav2Vec2Model" "transformers BertModel"; do
    venv/bin/python try.py $what
done)
echo "$without_torchaudio"

[ "$(grep -c ': OSError: .*\(libcudart\|_cuda\)\.so' <<<"$with_torchaudio")" = 4 ] && [ "$(grep -c ': works' <<<"$without_torchaudio")" = 3 ] || {
    echo "CHANGED: expected four OSErrors beside torchaudio and three imports without it"
    exit 1
}
echo "as described: beside torchaudio no model of transformers can be imported"
