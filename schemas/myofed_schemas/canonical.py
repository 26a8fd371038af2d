"""Canonical JSON (RFC 8785 for the values we allow) and digests of it: what is signed, approved and chained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

MAX_SAFE_INTEGER = 2**53 - 1
"""Larger integers differ between JSON readers (RFC 8785, section 3.2.2.3)."""


def canonical_json(value: BaseModel | Mapping[str, Any]) -> bytes:
    """The one byte string that stands for this document.

    Keys sorted by code point, no white space, UTF-8, no NaN or infinity, integers within 2**53. Floats are written as
    Python's shortest round-trip form; they never stand where integers would do.

    Args:
        value: A pydantic model (dumped in JSON mode) or a mapping of JSON values.

    Returns:
        The canonical bytes.

    Raises:
        ValueError: A value is not allowed in canonical JSON.
    """
    document = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    _check(document)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _check(value: Any) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                msg = f"canonical JSON needs string keys, got {type(key).__name__}"
                raise ValueError(msg)  # noqa: TRY004  callers name one error for a document that cannot be canonical
            _check(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item)
    elif isinstance(value, bool) or value is None or isinstance(value, str | float):
        return
    elif isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            msg = "canonical JSON holds integers up to 2**53 - 1"
            raise ValueError(msg)
    else:
        msg = f"canonical JSON holds no {type(value).__name__}"
        raise ValueError(msg)


def digest(value: BaseModel | Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON, in lower-case hexadecimal (64 characters)."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
