"""From an error to an HTTP answer: a code, and nothing that an exception said."""

from __future__ import annotations

from functools import cache

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException

from myofed_coordinator.accounts.gate import NotSignedInError
from myofed_coordinator.catalog.budget import BudgetError
from myofed_schemas.errors import ErrorBody, FieldFault, FieldsError, MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.field_faults import field_faults, names_of

STATUS_OF_CODE = {
    "STUDY_UNKNOWN": 404,
    "MODEL_UNKNOWN": 404,
    "CARD_UNKNOWN": 404,
    "RUN_UNKNOWN": 404,
    "WEIGHTS_UNKNOWN": 404,
    "UPLOADS_FULL": 409,
    "STUDY_VERSION": 409,
    "STUDY_LEAD_UNKNOWN": 404,
    "STUDY_LAST_LEAD": 409,
    "STUDY_LEAD_ROLE": 409,
    "PLANNING_UNKNOWN": 404,
    "NEGOTIATION_UNKNOWN": 404,
    "SITE_UNKNOWN": 404,
    "CARD_VERSION": 409,
    "CUBE_VERSION": 409,
    "DECISION_OLD_VERSION": 409,
    "DECISION_OUT_OF_ORDER": 409,
    "HEAD_WENT_BACK": 409,
    "HEAD_UNPROVEN": 409,
    "HEAD_HISTORY_CHANGED": 409,
    "PLANNING_ANSWERED": 409,
    "ACCOUNT_UNKNOWN": 404,
    "TOKEN_UNKNOWN": 404,
    "START_UNKNOWN": 404,
    "ACCOUNT_EXISTS": 409,
    "SITE_ENROLLED": 409,
    "START_CHANGED": 409,
    "START_DECIDED": 409,
    "RUN_ACTIVE": 409,
    "NOT_APPROVED": 409,
    "NEGOTIATION_OPEN": 409,
    "NEGOTIATION_MOVED_ON": 409,
    "NEGOTIATION_OVER": 409,
    "NEGOTIATION_FULL": 409,
    "NEGOTIATION_TOO_MANY": 429,
    "NEGOTIATION_INVALID": 422,
    "RENEWAL_EARLY": 409,
    "LOGIN_REQUIRED": 401,
    "LOGIN_FAILED": 401,
    "TOO_MANY_ATTEMPTS": 429,
    "QUERY_BUDGET": 429,
    "BODY_TOO_LARGE": 413,
    "MALFORMED": 422,
    "DATABASE_UNREACHABLE": 503,
    "MODEL_ALTERED": 500,
    "AUDIT_BROKEN": 500,
    "ACCOUNTS_KEY": 500,
}
"""HTTP status of the codes that have their own; the others follow from the error's exit code."""

_STATUS_OF_EXIT = {ExitCode.REFUSED: 403, ExitCode.BAD_INPUT: 400}
_CODE_OF_STATUS = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 415: "MALFORMED", 422: "MALFORMED"}


def add_refusals(app: FastAPI, *, tells_fields: bool = False) -> None:
    """Every refusal of this app is an ErrorBody with a code and no text of an exception.

    Args:
        app: Of one port.
        tells_fields: A request of another form is answered with the fields at fault; not on the sites' port, where nodes of
            earlier releases take a code alone.
    """

    @cache
    def known() -> frozenset[str]:
        return names_of(get_openapi(title=app.title, version="1", routes=app.routes))

    @app.exception_handler(NotSignedInError)
    def _to_login(_request: Request, error: NotSignedInError) -> RedirectResponse:
        return RedirectResponse(error.login, status_code=303)

    @app.exception_handler(MyofedError)
    def _expected(_request: Request, error: MyofedError) -> JSONResponse:
        fields = error.fields if tells_fields and isinstance(error, FieldsError) else ()
        refusal = answer(error.code, status=status_of(error), fields=fields)
        if isinstance(error, BudgetError):
            refusal.headers["retry-after"] = str(error.retry_after_s)
        return refusal

    @app.exception_handler(RequestValidationError)
    def _malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
        fields = field_faults(error.errors(), known=known()) if tells_fields else ()
        return answer("MALFORMED", status=422, fields=fields)

    @app.exception_handler(HTTPException)
    def _framework(request: Request, error: HTTPException) -> JSONResponse:
        refusal = answer(_CODE_OF_STATUS.get(error.status_code, "REFUSED"), status=error.status_code)
        if error.status_code == 405:
            refusal.headers["allow"] = ", ".join(sorted(_methods_of(app, request.url.path)))
        return refusal

    @app.exception_handler(Exception)
    def _defect(_request: Request, _error: Exception) -> JSONResponse:
        """A defect of ours; the process log has it."""
        return answer("DEFECT", status=500)


def _methods_of(app: FastAPI, path: str) -> set[str]:
    """All methods that this path takes, over all its routes (RFC 9110, section 15.5.6)."""
    found: set[str] = set()
    for route in iter_route_contexts(app.routes):
        if route.path_regex.match(path):
            found |= route.methods or set()
    return found


def status_of(error: MyofedError) -> int:
    """The HTTP status for this error."""
    return STATUS_OF_CODE.get(error.code, _STATUS_OF_EXIT.get(error.exit_code, 400))


def answer(code: str, *, status: int, fields: tuple[FieldFault, ...] = ()) -> JSONResponse:
    """A refusal as JSON; without fields it is one that every earlier program understands."""
    return JSONResponse(ErrorBody(code=code, fields=fields).model_dump(mode="json"), status_code=status)
