"""Checks of a site and its way to the coordinator; each says what is wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field, computed_field

from myofed_node import doctor_checks as checks
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.egress_client import EgressClient
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError
from myofed_schemas.ids import Code
from myofed_schemas.wire import WireModel

MARK = {"ok": "ok     ", "warning": "WARNING", "failed": "FAILED "}


class Check(WireModel):
    """One check's verdict.

    Attributes:
        name: What was looked at.
        state: `warning` needs no haste; `failed` makes the exit status 41.
        code: `OK`, or what is wrong.
        message: Expected and found.
        hint: The mend; empty where nothing is wrong.
    """

    name: str
    state: Literal["ok", "warning", "failed"]
    code: Code
    message: str
    hint: str = ""


class DoctorReport(WireModel):
    """All verdicts; without a single check nothing is healthy."""

    checks: tuple[Check, ...]
    failures: int = Field(ge=0)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def healthy(self) -> bool:
        """At least one check ran and none failed."""
        return bool(self.checks) and self.failures == 0

    def lines(self) -> Iterator[str]:
        """The verdicts in words, the mend below each defect."""
        for check in self.checks:
            code = "" if check.state == "ok" else f" [{check.code}]"
            yield f"{MARK[check.state]} {check.name}: {check.message}{code}"
            if check.hint:
                yield f"        mend: {check.hint}"


@dataclass(frozen=True)
class Look:
    """One check: its name, what it calls, and whether a defect is only a warning."""

    name: str
    call: Callable[[], str]
    warn_only: bool = False


def examine(site: Site, *, now: datetime, api: CoordinatorApi | None = None) -> DoctorReport:
    """Every check has run; one that fails stops no other.

    Args:
        site: The site to examine.
        now: UTC.
        api: The way to the coordinator; the site's egress when None.
    """
    way = api or CoordinatorApi(EgressClient(site.folder))
    looks = (
        Look("versions", checks.versions),
        Look("permissions", lambda: checks.permissions(site.folder)),
        Look("key custody", lambda: checks.key_custody(site.folder, site.config), warn_only=True),
        Look("disk space", lambda: checks.disk_space(site.folder)),
        Look("store", lambda: checks.store(site.folder)),
        Look("audit chain", lambda: checks.audit_chain(site.folder)),
        Look("coordinator's history", lambda: checks.coordinator_history(site.folder)),
        Look("egress ledger", lambda: checks.egress_ledger(site.folder)),
        Look("path length", lambda: checks.socket_path(site.folder)),
        Look("text recognition", checks.text_recognition, warn_only=True),
        Look("worker isolation", checks.worker_isolation, warn_only=True),
        Look("policy", lambda: checks.policy(site.config), warn_only=True),
        Look("enrolment", lambda: checks.enrolment(site.folder), warn_only=True),
        Look("client certificate", lambda: checks.client_certificate_days(site.folder, now=now)),
        Look("consortium CA", lambda: checks.consortium_ca_days(site.folder, now=now), warn_only=True),
        Look("services", lambda: checks.services(site.folder), warn_only=True),
        Look("intake", lambda: checks.intake(site.folder, site.config), warn_only=True),
        Look("last refusals", lambda: checks.last_refusals(site.folder)),
        Look("coordinator and clock", lambda: checks.coordinator(site.folder, way, now=now)),
    )
    verdicts = tuple(_verdict(look) for look in looks)
    return DoctorReport(checks=verdicts, failures=sum(check.state == "failed" for check in verdicts))


def _verdict(look: Look) -> Check:
    try:
        message = look.call()
    except MyofedError as error:
        state: Literal["warning", "failed"] = "warning" if look.warn_only else "failed"
        return Check(name=look.name, state=state, code=error.code, message=error.message, hint=error.hint)
    except OSError as error:
        return Check(
            name=look.name, state="failed", code="SYSTEM_ERROR", message=f"expected an answer, found: {error.strerror}"
        )
    return Check(name=look.name, state="ok", code="OK", message=message)
