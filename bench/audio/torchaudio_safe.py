"""The one place that imports torchaudio, whatever state it is in.

torchaudio's wheels (2.7.1 to 2.11) link ``libtorch_cuda``: beside a CPU build of torch ``import torchaudio`` raises
OSError, beside a torch for another CUDA version RuntimeError. Worse, transformers and speechbrain import torchaudio
whenever it is installed, so a broken one breaks them too. Its Python part (``functional.resample``, ``MelSpectrogram``,
``compliance.kaldi``) needs no extension. So: try the real thing; if its extension does not load, put a stand-in for
``torchaudio._extension`` in ``sys.modules`` and import again; if even that fails, hide torchaudio, as if absent.

Call ``install()`` before anything that may import torchaudio by itself (transformers, speechbrain, a user's file).
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

_BROKEN = (OSError, RuntimeError, ImportError, AttributeError)
"""Errors while a torchaudio is imported that does not fit its torch."""


def install() -> None:
    """Make ``import torchaudio`` safe for everybody in this process; costs nothing the second time."""
    load()


def load() -> ModuleType | None:
    """Return torchaudio, complete or without its extension, or None where it is absent or beyond repair.

    Without the extension ``rnnt_loss`` and ``forced_align`` raise RuntimeError when called; the rest works.
    """
    if "torchaudio" in sys.modules:
        return sys.modules["torchaudio"]  # None there means: hidden by an earlier call
    try:
        return _import_quietly()
    except ModuleNotFoundError as error:
        if error.name == "torchaudio":
            return None
    except _BROKEN:
        pass
    _forget_import()
    sys.modules["torchaudio._extension"] = _build_stand_in()
    try:
        module = _import_quietly()
    except _BROKEN:
        _forget_import()
        sys.modules["torchaudio"] = None  # type: ignore[assignment]  # find_spec now says: not installed
        return None
    module._extension = sys.modules["torchaudio._extension"]  # type: ignore[attr-defined]  # as the import would bind it
    return module


def _import_quietly() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its deprecation notices are not for our users
        return importlib.import_module("torchaudio")


def _forget_import() -> None:
    """Drop what a failed import leaves behind, so that the next one starts from nothing."""
    for name in [name for name in sys.modules if name == "torchaudio" or name.startswith("torchaudio.")]:
        del sys.modules[name]


def _build_stand_in() -> ModuleType:
    """Build the ``torchaudio._extension`` of an installation without compiled part; names of torchaudio 2.4 to 2.11."""
    module = ModuleType("torchaudio._extension", "Stand-in: the compiled part of torchaudio does not fit this torch.")

    def getattr_(name: str) -> Any:
        if name.startswith("_IS_"):  # _IS_TORCHAUDIO_EXT_AVAILABLE, _IS_ALIGN_AVAILABLE, _IS_RIR_AVAILABLE
            return False
        if name.startswith("fail_if_no_"):  # decorators of the functions that need the compiled part
            return _fail_when_called
        if name in {"_load_lib", "_check_cuda_version"}:
            return lambda *_: False
        if name.startswith("lazy_import_"):  # sox, up to 2.8
            return _Unavailable
        raise AttributeError(f"module 'torchaudio._extension' has no attribute {name!r}")

    module.__getattr__ = getattr_  # type: ignore[method-assign]
    return module


def _fail_when_called(function: Callable[..., Any]) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise RuntimeError(f"{function.__name__} needs torchaudio's compiled extension, which does not fit this torch")

    fail.__name__, fail.__doc__ = function.__name__, function.__doc__
    return fail


class _Unavailable:
    """An absent compiled extension."""

    def is_available(self) -> bool:
        return False
