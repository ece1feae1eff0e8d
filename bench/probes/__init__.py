"""Probes: small models on frozen embeddings that say what the embeddings know."""

from bench.probes.frame import FrameProbe
from bench.probes.knn import KNN
from bench.probes.linear import LinearProbe
from bench.probes.retrieval import RetrievalProbe
from bench.probes.text import FrozenText, Tokens

__all__ = ["KNN", "FrameProbe", "FrozenText", "LinearProbe", "RetrievalProbe", "Tokens"]
