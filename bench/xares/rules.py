"""The differences between the protocols ``strict`` and ``xares``, in one object each.

``docs/protocol.md`` explains the reasons. Code that depends on the protocol asks a field of these rules; no other
module compares protocol names.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.types import ChoiceError


@dataclass(frozen=True, slots=True)
class ProtocolRules:
    """How a protocol computes a score.

    Example:
        >>> get_rules("strict").validates_on_test, get_rules("xares").validates_on_test
        (False, True)
    """

    name: str
    label: str  # of test ids and file names; empty for the default protocol
    uses_overrides: bool  # the X-ARES forms of metrics and probes, and the ``XaresOverrides`` of tasks
    verifies_speakers: bool
    encodes_as_stream: bool  # a split is one stream of crops in padded batches; the encoder is not told any length
    skips_undecodable: bool  # clips that do not decode are left out and counted; otherwise they are errors
    repeats_clips: bool  # a clip whose crops are in several batches has several rows
    declares_hop: bool  # frames get their times from the declared hop, not from the certified frame rule
    validates_on_test: bool  # test rows choose the epoch where a task has no validation split
    batching: str  # the ``policy`` of rows; empty: that of the encoder's certificate


STRICT = ProtocolRules(
    name="strict",
    label="",
    uses_overrides=False,
    verifies_speakers=True,
    encodes_as_stream=False,
    skips_undecodable=False,
    repeats_clips=False,
    declares_hop=False,
    validates_on_test=False,
    batching="",
)
XARES = ProtocolRules(
    name="xares",
    label="xares",
    uses_overrides=True,
    verifies_speakers=False,
    encodes_as_stream=True,
    skips_undecodable=True,
    repeats_clips=True,
    declares_hop=True,
    validates_on_test=True,
    batching="unmasked",
)
RULES = {rules.name: rules for rules in (STRICT, XARES)}


def get_rules(protocol: str, where: str = "--protocol") -> ProtocolRules:
    """Return the rules of a protocol.

    Raises:
        ChoiceError: If there is no protocol of this name.
    """
    if protocol not in RULES:
        raise ChoiceError("unknown protocol", got=protocol, expected=" or ".join(RULES), where=where)
    return RULES[protocol]
