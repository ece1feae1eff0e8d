"""Score an encoder from Python: ``from bench.api import score``; the clone must be on ``sys.path``."""

from bench.runs.python_api import load, score
from bench.runs.results import Results, Run, TaskEmbeddings

__all__ = ["Results", "Run", "TaskEmbeddings", "load", "score"]
