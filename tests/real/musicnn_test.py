"""musicnn on real recordings: our network against the authors' graph in TensorFlow, and its recorded answers.

    MUSICNN=musicnn-0.1.0-py3-none-any.whl SPOKEN_DIGITS=folder pytest tests/real/musicnn_test.py

MUSICNN is what ``pip download --no-deps musicnn==0.1.0`` brings; SPOKEN_DIGITS has the shards of the Free Spoken Digit
Dataset. Skipped without them; the comparison also where musicnn (with tensorflow, tf_keras and librosa) is not
installed. Golden values: musicnn 0.1.0 in TensorFlow 2.21 with librosa 0.11 (``pad_mode="reflect"``, the default of its
day) on twelve recordings one after another, the largest values of ``mean_pool``.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.loading.adapt import adapt
from bench.loading.certificate import certify
from encoders import musicnn
from tests.helpers.skips import needs_files
from tests.real.whisper_base_test import clips

WHEEL = os.environ.get("MUSICNN")
pytestmark = needs_files(MUSICNN="WHEEL", SPOKEN_DIGITS="FOLDER")
GOLDEN = {  # position in the mean -> value
    "MTT": {120: 5.5658, 178: 5.40015, 510: 5.3559, 518: 7.59808, 522: 5.8943, 560: 5.26528},
    "MSD": {83: 6.16382, 125: -8.03782, 164: -6.05916, 344: 8.64291, 367: -6.13307, 555: -8.10431},
}
each = pytest.mark.parametrize("songs", GOLDEN)


def encoder(songs: str) -> musicnn.Musicnn:
    return musicnn.load_weights(songs, Path(str(WHEEL)), "cpu")


def some() -> list[Tensor]:
    return [torch.cat(clips(12)), *clips(5)]


def test_wheel_is_the_published_one() -> None:
    assert hashlib.sha256(Path(str(WHEEL)).read_bytes()).hexdigest() == musicnn.WHEEL.sha256


@each
def test_certificate(songs: str) -> None:
    assert certify(adapt(encoder(songs))).passed


@each
def test_golden_embedding(songs: str) -> None:
    with torch.inference_mode():
        mean = encoder(songs)(some()[0][None])[0].mean(0)
    at, wanted = list(GOLDEN[songs]), torch.tensor(list(GOLDEN[songs].values()))
    torch.testing.assert_close(mean[at], wanted, atol=1e-4, rtol=1e-4)


@each
@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
def test_frames_agree_with_tensorflow(songs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    librosa = pytest.importorskip("librosa", reason="to run it: pip install librosa")
    tf = pytest.importorskip("tensorflow", reason="to run it: pip install tensorflow").compat.v1
    models = pytest.importorskip("musicnn.models", reason="to run it: pip install --no-deps musicnn")
    tf.disable_eager_execution()
    mine = encoder(songs)
    for clip in some():
        power = librosa.feature.melspectrogram(
            y=clip.numpy(), sr=16_000, hop_length=256, n_fft=512, n_mels=96, pad_mode="reflect"
        )
        spectrum = np.log10(10_000 * power.T.astype(np.float16) + 1)  # not loud enough for this to overflow
        tf.reset_default_graph()
        with tf.name_scope("model"), tf.Session() as session:
            x, training = tf.placeholder(tf.float32, [None, len(spectrum), 96]), tf.placeholder(tf.bool)
            _, timbral, temporal, *dense, mean, _, _ = models.define_model(x, training, f"{songs}_musicnn", 50)
            folder = Path(models.__file__).parent / f"{songs}_musicnn"
            tf.train.Saver().restore(session, f"{folder}/")
            feed = {x: spectrum[None], training: False}
            parts, wanted_mean = session.run([[timbral, temporal, *dense], mean], feed_dict=feed)
        wanted = torch.from_numpy(np.concatenate([part.reshape(len(spectrum), -1) for part in parts], axis=1))
        with torch.inference_mode():
            frames = mine(clip[None])[0]
        assert torch.cosine_similarity(wanted, frames).min() > 0.9999
        assert torch.cosine_similarity(torch.from_numpy(wanted_mean[0]), frames.mean(0), 0) > 0.9999
