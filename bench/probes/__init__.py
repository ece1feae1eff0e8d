"""Probes: small models on frozen embeddings that say what the embeddings know."""

from bench.probes.frame import FrameProbe
from bench.probes.knn import KNN
from bench.probes.linear import LinearProbe

__all__ = ["KNN", "FrameProbe", "LinearProbe"]
