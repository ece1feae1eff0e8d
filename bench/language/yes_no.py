"""Read the answer in a model's text: one of two words, a refusal, or unreadable.

The patterns have a version, which is part of the result: another version may read texts differently. A refusal is a
first person that cannot or will not answer ("I'm unable to", "we cannot") and names neither answer, so that "I do not
hear any difference" is none, as it would be for lists of phrases that are searched anywhere.
"""

from __future__ import annotations

import re
from typing import Literal

VERSION = 1
_WORD = r"(?<![^\W_]){}(?![^\W_])"
_ABLE = (
    r"cannot|can not|can't|can’t|could not|couldn't|am unable|are unable|'m unable|’m unable|am not able|are not able"
    r"|'m not able|’m not able|will not|won't|won’t|must decline|have to decline|refuse|do not have the ability"
    r"|don't have the ability|am not allowed|'m not allowed|am not permitted"
)
_WHAT = (
    r"answer|help|assist|identify|determine|verify|compare|recogni[sz]e|tell|say|process|listen|hear|analy[sz]e|provide"
    r"|do that|comply|judge|confirm|access"
)
_REFUSAL = re.compile(rf"\b(?:i|we)(?:\s+\w+)?\s*(?:{_ABLE})\b.{{0,40}}?\b(?:{_WHAT}|decline|refuse)", re.I | re.S)
_DECLINED = re.compile(r"\b(?:i|we)\s+(?:\w+\s+)?(?:must decline|have to decline|refuse|decline)\b", re.I)
Reading = Literal["first", "second", "refusal", "unreadable"]


def read_answer(text: str, words: tuple[str, str]) -> Reading:
    """Return which of the two ``words`` a text answers with, whatever its case and punctuation.

    Exactly one of them must occur as a separate word; a text with both or neither is unreadable, unless it is a
    refusal.

    Example:
        >>> read_answer("It is one speaker.", ("One", "Two"))
        'first'
        >>> read_answer("I cannot determine that.", ("One", "Two"))
        'refusal'
    """
    first, second = (re.search(_WORD.format(re.escape(word)), text, re.I) is not None for word in words)
    if first != second:
        return "first" if first else "second"
    return "refusal" if not first and is_refusal(text) else "unreadable"


def is_refusal(text: str) -> bool:
    """Return True if the text says, in the first person, that the answer is refused or impossible."""
    return _REFUSAL.search(text) is not None or _DECLINED.search(text) is not None
