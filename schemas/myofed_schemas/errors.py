"""One base for every error a person may see: a code, what was expected and found, and what to do about it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from myofed_schemas.exit_codes import ExitCode


class MyofedError(Exception):
    """An expected failure, with a stable code.

    Message and hint may be shown to people on this machine; only `code` may cross the wire (never `str(error)`).
    None of the three holds an element value, a name, a source path or any other patient's datum.
    """

    def __init__(self, code: str, message: str, *, hint: str = "", exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f". Hint: {self.hint}" if self.hint else "")


class FieldFault(BaseModel):
    """One field that is not of the expected form: where it stands and what is expected there, never what was sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str = Field(pattern=r"^[A-Za-z0-9_.*-]{1,200}$")
    expected: str = Field(pattern=r"^[ -~]{1,400}$")


class FieldsError(MyofedError):
    """A document of which some fields do not hold.

    Attributes:
        fields: May cross the wire beside the code.
    """

    def __init__(
        self, code: str, message: str, fields: tuple[FieldFault, ...], *, hint: str, exit_code: ExitCode
    ) -> None:
        super().__init__(code, message, hint=hint, exit_code=exit_code)
        self.fields = fields


class ErrorBody(BaseModel):
    """What an HTTP refusal carries on the wire: the code, and text written for any reader (no exception text)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(pattern=r"^[A-Z][A-Z0-9_]{1,63}$")
    hint: str = ""
    fields: tuple[FieldFault, ...] = Field(default=(), max_length=10, exclude_if=lambda fields: not fields)
    """What is not of the expected form in the request; left out where there is nothing to say, as programs of 0.1 expect it."""
