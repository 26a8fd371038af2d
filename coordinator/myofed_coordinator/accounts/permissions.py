"""Who may do what: four roles, each with its permissions. A route names the permission it asks for, or does not exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from myofed_schemas.ids import SiteId


class Role(StrEnum):
    """What a person is in the consortium; one person may be several."""

    ADMINISTRATOR = "administrator"
    STUDY_LEAD = "study-lead"
    SITE_REPRESENTATIVE = "site-representative"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """One thing that a signed-in person may do."""

    SEE_SITES = "see-sites"
    MANAGE_SITES = "manage-sites"
    SEE_CATALOG = "see-catalog"
    ASK_COUNTS = "ask-counts"
    ASK_PARTICIPATION = "ask-participation"
    SEE_STUDIES = "see-studies"
    WRITE_STUDIES = "write-studies"
    CHOOSE_LEADS = "choose-leads"
    LEAD_ANY_STUDY = "lead-any-study"
    START_RUNS = "start-runs"
    CONFIRM_START = "confirm-start"
    STOP_RUNS = "stop-runs"
    SEE_RUNS = "see-runs"
    SEE_MODELS = "see-models"
    FETCH_MODELS = "fetch-models"
    SEE_AUDIT = "see-audit"
    MANAGE_ACCOUNTS = "manage-accounts"
    SEE_SERVICE = "see-service"


_READ = frozenset(
    {
        Permission.SEE_SITES,
        Permission.SEE_CATALOG,
        Permission.SEE_STUDIES,
        Permission.SEE_RUNS,
        Permission.SEE_MODELS,
    }
)

GRANTED: Mapping[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(Permission) - {Permission.WRITE_STUDIES, Permission.ASK_PARTICIPATION},
    Role.STUDY_LEAD: _READ
    | {
        Permission.ASK_COUNTS,
        Permission.ASK_PARTICIPATION,
        Permission.WRITE_STUDIES,
        Permission.CHOOSE_LEADS,
        Permission.START_RUNS,
        Permission.STOP_RUNS,
        Permission.FETCH_MODELS,
    },
    Role.SITE_REPRESENTATIVE: _READ | {Permission.ASK_COUNTS, Permission.FETCH_MODELS},
    Role.AUDITOR: _READ | {Permission.SEE_AUDIT, Permission.SEE_SERVICE},
}
"""An administrator lets people and sites in and watches over starts, but writes no study; an auditor changes nothing.

What a study lead does to a study that exists is for its leads alone (`studies/leads.py`); `lead-any-study` stands in for them.
"""


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in.

    Attributes:
        account: Login name, as it stands in the audit chain.
        roles: At least one.
        site: The site that a site representative speaks for; None for everybody else.
        scope: All that the API token used may do at most; None where the person came by login.
    """

    account: str
    roles: frozenset[Role]
    site: SiteId | None = None
    scope: frozenset[Permission] | None = None

    def may(self, permission: Permission) -> bool:
        """Whether one of the roles grants it, and the token used is not narrower."""
        return permission in granted(self.roles) and (self.scope is None or permission in self.scope)


def granted(roles: Iterable[Role]) -> frozenset[Permission]:
    """All that these roles may do together."""
    return frozenset().union(*(GRANTED[role] for role in roles))
