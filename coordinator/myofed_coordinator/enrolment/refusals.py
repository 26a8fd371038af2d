"""Every reason for which enrolment or a site's request is refused, each with its code."""

from __future__ import annotations

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


def refused(code: str, message: str, *, hint: str) -> MyofedError:
    """An error of this code, with the exit code of a refusal."""
    return MyofedError(code, message, hint=hint, exit_code=ExitCode.REFUSED)


def unknown_token() -> MyofedError:
    """The token was never given out, or its invite was withdrawn."""
    return refused(
        "ENROL_TOKEN_UNKNOWN", "the token belongs to no open invite", hint="ask the coordinator for a new invite"
    )


def used_token() -> MyofedError:
    """Another request used the token before."""
    return refused(
        "ENROL_TOKEN_USED",
        "the token was used by another request",
        hint="ask for a new invite; if your site has not joined yet, tell the coordinator: somebody else used yours",
    )


def replaced_token() -> MyofedError:
    """A later invite of the same site ended this one."""
    return refused(
        "ENROL_TOKEN_REPLACED",
        "the coordinator wrote a later invite for this site, which ended this one",
        hint="use the latest invite; if nobody gave you another one, tell the coordinator",
    )


def expired_token(expires_at: str) -> MyofedError:
    """The invite is too old."""
    return refused(
        "ENROL_TOKEN_EXPIRED", f"the invite expired at {expires_at}", hint="ask the coordinator for a new invite"
    )


def wrong_site() -> MyofedError:
    """The invite was made for another name."""
    return refused(
        "ENROL_WRONG_SITE",
        "the request names another site than the invite",
        hint="use the site name that the invite was made for",
    )


def site_revoked(site: str) -> MyofedError:
    """The consortium ended this enrolment."""
    return refused(
        "SITE_REVOKED", f"{site} was revoked", hint="it comes back only with a new invite (`invite`, or the page Sites)"
    )


def key_taken() -> MyofedError:
    """Another site enrolled one of these keys."""
    return refused(
        "ENROL_KEY_TAKEN", "a key of the request belongs to another site", hint="make new keys with `myofed-node init`"
    )


def key_retired() -> MyofedError:
    """The Flower key was revoked with its certificate; the engine never takes it again, and neither do we."""
    return refused(
        "ENROL_KEY_RETIRED",
        "the Flower key of the request was revoked",
        hint="`myofed-node join --new-keys` makes new ones",
    )


def unknown_site(site: str) -> MyofedError:
    """No site of this name ever sent a request."""
    return MyofedError(
        "SITE_UNKNOWN",
        f"no site named {site} has asked to join",
        hint="`sites list` shows the names",
        exit_code=ExitCode.BAD_INPUT,
    )


def request_changed() -> MyofedError:
    """What a person decided on is not the request that waits."""
    return refused(
        "SITE_REQUEST_CHANGED",
        "expected the request that was shown, found another one of this site in its place",
        hint="load the page again and compare the fingerprint by voice; if the site asked once, somebody else has an invite of it",
    )


def other_fingerprint() -> MyofedError:
    """The site's key is not the one that a person compared."""
    return refused(
        "SITE_FINGERPRINT",
        "the request's identity key has another fingerprint than the one given",
        hint="`sites list` shows it and `myofed-node join` prints it; where they differ somebody else asked: revoke, invite anew",
    )


def already_enrolled(site: str) -> MyofedError:
    """An invite for a site that is in."""
    return MyofedError(
        "SITE_ENROLLED",
        f"{site} is approved already",
        hint="revoke it first if it has to enrol with new keys",
        exit_code=ExitCode.BAD_INPUT,
    )
