"""Probes: small models on frozen embeddings that say what the embeddings know."""

from bench.probes.backends import PLDA, Cosine, SNorm
from bench.probes.causal_lm import CausalLM
from bench.probes.frame import FrameProbe
from bench.probes.knn import KNN
from bench.probes.linear import LinearProbe
from bench.probes.retrieval import RetrievalProbe
from bench.probes.ridge import RidgeProbe
from bench.probes.small_lm import SmallLM
from bench.probes.speech_to_text import SpeechToText
from bench.probes.text import FrozenText, Tokens

__all__ = [
    "KNN",
    "PLDA",
    "CausalLM",
    "Cosine",
    "FrameProbe",
    "FrozenText",
    "LinearProbe",
    "RetrievalProbe",
    "RidgeProbe",
    "SNorm",
    "SmallLM",
    "SpeechToText",
    "Tokens",
]
