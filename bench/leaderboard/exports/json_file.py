"""JSON as other programs' files have it."""

from __future__ import annotations

import json


def encode_json(document: object) -> bytes:
    """Encode a document as indented JSON; refuses NaN and infinity."""
    return (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()
