"""Every reason for which a person is refused, each with its code; a login that fails never says which part was wrong."""

from __future__ import annotations

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


def login_failed() -> MyofedError:
    """Unknown, disabled, wrong password, wrong or used code: all the same to whoever asks."""
    return MyofedError(
        "LOGIN_FAILED",
        "account, password and code do not open together",
        hint="a code works once; wait for the next one. An administrator can give a new set-up link",
        exit_code=ExitCode.REFUSED,
    )


def login_required() -> MyofedError:
    """Nobody is signed in."""
    return MyofedError(
        "LOGIN_REQUIRED",
        "no valid token or session",
        hint="sign in, or send an API token; the administrator's token lies in keys/admin.token of the coordinator's home",
        exit_code=ExitCode.REFUSED,
    )


def csrf() -> MyofedError:
    """A change that the session's own pages did not send."""
    return MyofedError(
        "CSRF",
        "expected the session's CSRF token, found none or another one",
        hint="load the page again",
        exit_code=ExitCode.REFUSED,
    )


def second_factor_missing() -> MyofedError:
    """The roles ask for a second factor and there is none."""
    return MyofedError(
        "SECOND_FACTOR_MISSING",
        "these roles need a second factor, and the account has none",
        hint="the person sets one up first, or `accounts reset` gives a new set-up link",
        exit_code=ExitCode.REFUSED,
    )


def code_wrong() -> MyofedError:
    """The set-up's code is not of the factor that was offered."""
    return MyofedError(
        "SECOND_FACTOR_CODE",
        "expected the code that the app shows now for the key that was offered, found another one or none",
        hint="check the clock of the phone, and enter the next code",
        exit_code=ExitCode.BAD_INPUT,
    )


def no_offer() -> MyofedError:
    """No second factor was offered, or too long ago."""
    return MyofedError(
        "SECOND_FACTOR_OFFER",
        "expected a second factor that was offered within a quarter of an hour, found none",
        hint="ask for a new one with the password, and add its key to the app",
        exit_code=ExitCode.BAD_INPUT,
    )


def account_unknown() -> MyofedError:
    """No account of this name."""
    return MyofedError(
        "ACCOUNT_UNKNOWN", "no account of this name", hint="`accounts list` shows them", exit_code=ExitCode.BAD_INPUT
    )


def account_exists() -> MyofedError:
    """The name is taken, or never given to anybody."""
    return MyofedError(
        "ACCOUNT_EXISTS",
        "the name is taken or reserved",
        hint="choose another one; a disabled account is enabled again with `accounts enable`",
        exit_code=ExitCode.BAD_INPUT,
    )


def own_account() -> MyofedError:
    """Administrators do not change what they themselves may do."""
    return MyofedError(
        "ACCOUNT_OWN",
        "expected another administrator for a change of one's own account",
        hint="ask another administrator, or use the command line on the coordinator's machine",
        exit_code=ExitCode.REFUSED,
    )


def not_by_token() -> MyofedError:
    """A deed that needs the person, not a script in the person's name."""
    return MyofedError(
        "LOGIN_NEEDED_HERE",
        "expected a person who signed in with an own account, found an API token",
        hint="sign in with account and password",
        exit_code=ExitCode.REFUSED,
    )


def setup_unknown() -> MyofedError:
    """The set-up secret was used, replaced, or is too old."""
    return MyofedError(
        "SETUP_UNKNOWN",
        "the set-up link was used, replaced, or is too old",
        hint="ask an administrator for a new one",
        exit_code=ExitCode.REFUSED,
    )


def by_provider() -> MyofedError:
    """The account's password and second factor are the identity provider's."""
    return MyofedError(
        "ACCOUNT_OIDC",
        "this account signs in at the identity provider",
        hint="change password, second factor and roles there",
        exit_code=ExitCode.BAD_INPUT,
    )


def scope_too_wide() -> MyofedError:
    """A token never may more than its person."""
    return MyofedError(
        "TOKEN_SCOPE",
        "expected permissions that the person has, found one more",
        hint="ask for less; GET /api/v1/session names the permissions",
        exit_code=ExitCode.REFUSED,
    )


def token_too_long(days: int) -> MyofedError:
    """The person signs in at an identity provider, and only a login there tells that it still knows the person."""
    return MyofedError(
        "TOKEN_DAYS",
        f"expected at most {days} days and a login at the identity provider before, found more",
        hint="ask for fewer days; make a new token after another login",
        exit_code=ExitCode.REFUSED,
    )


def token_unknown() -> MyofedError:
    """No such token of this person."""
    return MyofedError("TOKEN_UNKNOWN", "no API token of this id", hint="list them first", exit_code=ExitCode.BAD_INPUT)
