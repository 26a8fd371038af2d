"""A small JSON body of the sites' port: read to its bound, then of its form, or refused with a code."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import ValidationError

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.wire import WireModel

Document = TypeVar("Document", bound=WireModel)


async def small_body(request: Request, kind: type[Document], *, most: int, what: str) -> Document:
    """The body as a document. A larger one is taken in and dropped, so that its sender reads why.

    Args:
        request: Not read before.
        kind: The document's type.
        most: Bytes.
        what: The document in words, for the refusal.

    Raises:
        MyofedError: BODY_TOO_LARGE, MALFORMED.
    """
    kept = bytearray()
    async for chunk in request.stream():
        if len(kept) <= most:
            kept += chunk
    if len(kept) > most:
        raise MyofedError("BODY_TOO_LARGE", f"expected at most {most} bytes", exit_code=ExitCode.BAD_INPUT)
    try:
        return kind.model_validate_json(bytes(kept))
    except ValidationError:
        raise MyofedError("MALFORMED", f"expected {what}", exit_code=ExitCode.BAD_INPUT) from None
