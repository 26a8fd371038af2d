"""The OpenAPI document of the people's port: what each path asks for, and every refusal it may give, stand in it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.gate import CHANGES_NOTHING, CSRF_HEADER, Declared, Public
from myofed_coordinator.api.login import COOKIE
from myofed_schemas.errors import ErrorBody

VERSION = "1"
INTRODUCTION = (
    "What people and their programs ask of a myofed coordinator. Every refusal is an ErrorBody with a code that "
    "docs/codes.md explains. `x-permission` names what a path asks for; docs/accounts.md says which role has it. "
    f"Programs send an API token; a browser's session cookie needs the header {CSRF_HEADER} (from GET /api/v1/session) "
    "for everything that changes something."
)
REFUSALS = {
    400: "The request cannot be carried out as it stands",
    403: "Refused by a rule, with its code",
    404: "No such thing, or none for this caller",
    409: "Another state than the request expects",
    413: "BODY_TOO_LARGE",
    422: "MALFORMED: not of the documented form; `fields` names what is not and what is expected there, never what was sent",
    429: "TOO_MANY_ATTEMPTS",
    500: "MODEL_ALTERED, AUDIT_BROKEN, ACCOUNTS_KEY: what is kept here was changed from outside; or a DEFECT of ours",
    503: "DATABASE_UNREACHABLE",
}
"""Of every path; 401 comes with the paths that ask for a login or give one."""
NOT_ADMITTED = "LOGIN_REQUIRED or LOGIN_FAILED"
EXAMPLES = {
    "site": "hospital-a",
    "study_id": "thigh-muscles",
    "run_id": "run-202611301612000a1b2c3d",
    "sha256": "3f2a9c01" * 8,
    "query_id": "plan-202611301612000a1b2c3d",
    "dataset": "thigh-dixon",
    "form": "ttl",
    "negotiation_id": "ask-202611301612000a1b2c3d",
    "muscle": "VL",
    "suffix": "MESE",
    "vendor": "Siemens",
    "region": "thigh",
    "diagnosis": "ORPHA:269",
    "text": "thigh dixon",
    "phenotype": "HP:0003325",
    "sequence": "DIXON",
    "field_strength": "3T",
    "label_origin": "manual",
    "conformity": "yes",
    "follow_up": "1-2-years",
    "use_terms": "DUO:0000007",
    "model": "3f2a9c01",
}
"""Of parameters whose type, shared with the nodes, brings none."""
_REFUSAL = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}
SECURITY_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A personal API token, or the administrator's token",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Set by POST /api/v1/session"},
}


def refusals() -> dict[int | str, dict[str, Any]]:
    """For `include_router(responses=...)`: each status of a refusal.

    That its body is an ErrorBody is written by `document`: told to FastAPI, every route would make a validator for each status.
    """
    return {status: {"description": text} for status, text in REFUSALS.items()}


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document; each operation says whether it needs a login, and which permission."""
    found = get_openapi(title=app.title, version=VERSION, description=INTRODUCTION, routes=app.routes)
    found["components"]["securitySchemes"] = SECURITY_SCHEMES
    found["components"]["schemas"] = dict(sorted((found["components"]["schemas"] | _refusal_schemas()).items()))
    for declared in gate.declarations(app):
        operation = found["paths"].get(declared.path, {}).get(declared.method.lower())
        if operation is not None:
            _complete(operation, declared)
    return found


def _refusal_schemas() -> dict[str, Any]:
    body = ErrorBody.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**body.pop("$defs", {}), "ErrorBody": body}


def _complete(operation: dict[str, Any], declared: Declared) -> None:
    answers = operation["responses"]
    for status in _impossible(operation, declared):
        answers.pop(status, None)
    if not isinstance(declared.asks, Public):
        operation["security"] = [{"token": []}, {"session": []}]
        operation["x-permission"] = declared.asks.permission or "signed-in"
    if not isinstance(declared.asks, Public) or declared.path.endswith("/session"):
        answers["401"] = {"description": NOT_ADMITTED, "content": _REFUSAL}
    for status, said in answers.items():
        if int(status) >= 400:
            said["content"] = _REFUSAL  # also where what is asked for is no JSON
    for parameter in operation.get("parameters", ()):
        if "examples" not in parameter["schema"]:
            parameter["example"] = _example(parameter["name"], parameter["schema"])


def _example(name: str, schema: dict[str, Any]) -> str | int | list[str]:
    """What a caller could say there: a choice or default of the schema, else what EXAMPLES has.

    Raises:
        KeyError: Neither has one; the parameter's author adds it.
    """
    if "enum" in schema:
        return str(schema["enum"][0])
    if isinstance(schema.get("default"), int):
        return int(schema["default"])
    return [EXAMPLES[name]] if schema.get("type") == "array" else EXAMPLES[name]


def _impossible(operation: dict[str, Any], declared: Declared) -> set[str]:
    """Refusals that this operation cannot give: nothing was said that could be wrong, nobody was asked who it is."""
    found: set[str] = set()
    if "parameters" not in operation and "requestBody" not in operation:
        found |= {"400", "404", "409", "422"}
    if declared.method in CHANGES_NOTHING:
        found |= {"409"} | ({"403", "429"} if isinstance(declared.asks, Public) else set())
    return found
