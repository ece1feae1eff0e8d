"""What a model that talks has answered: one of two words, a refusal, or nothing that can be read.

The detectors have a version, which rows quote: a change of the patterns changes what counts. A refusal needs a speaker
who says of himself that he cannot or will not ("I'm unable to", "we cannot") and names neither answer. Lists of phrases
that are searched for anywhere take "I do not hear any difference" for a refusal; these do not.
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
    """Which of the two ``words`` a text answers with; case and punctuation do not count.

    Exactly one of them must occur as a word of its own: a text with both, or with neither, is unreadable, unless it is
    a refusal.
    """
    first, second = (re.search(_WORD.format(re.escape(word)), text, re.I) is not None for word in words)
    if first != second:
        return "first" if first else "second"
    return "refusal" if not first and is_refusal(text) else "unreadable"


def is_refusal(text: str) -> bool:
    """Whether somebody says of himself that he cannot or will not do what was asked."""
    return _REFUSAL.search(text) is not None or _DECLINED.search(text) is not None
