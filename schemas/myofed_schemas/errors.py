"""One base for every error a person may see: a code, what was expected and found, and what to do about it."""

from __future__ import annotations

import errno

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


_SYSTEM_HINTS = {
    errno.ENOENT: "a file or folder that the command line names, or the folder around it, does not exist: mend the name, or make the folder",
    errno.ENOTDIR: "a name on the command line goes through a file as if it were a folder: mend the name",
    errno.EISDIR: "the command line names a folder where a file is expected: name a file",
    errno.EACCES: "this account may not do that: look at owner and mode, or run the command as the account that owns the folder",
    errno.EPERM: "this account may not do that: look at owner and mode, or run the command as the account that owns the folder",
    errno.EROFS: "the disk is mounted read-only: name a folder on another one",
    errno.ENOSPC: "the disk is full: make room, then call the command again",
    errno.EDQUOT: "this account's quota is used up: make room, then call the command again",
    errno.EADDRINUSE: "another program listens on this address: choose another port",
}


def system_error(error: OSError) -> MyofedError:
    """SYSTEM_ERROR with the system's own words and what to do about it; it names no path, which could tell of a patient.

    Args:
        error: As the system raised it.
    """
    return MyofedError(
        "SYSTEM_ERROR",
        f"expected the operating system to obey, found: {error.strerror or type(error).__name__}",
        hint=_SYSTEM_HINTS.get(error.errno or 0, "mend what the system says, then call the command again"),
    )


class ErrorBody(BaseModel):
    """What an HTTP refusal carries on the wire: the code, and text written for any reader (no exception text)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(pattern=r"^[A-Z][A-Z0-9_]{1,63}$")
    hint: str = ""
    fields: tuple[FieldFault, ...] = Field(default=(), max_length=10, exclude_if=lambda fields: not fields)
    """What is not of the expected form in the request; left out where there is nothing to say, as programs of 0.1 expect it."""
