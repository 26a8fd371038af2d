"""People of a tiny site who sign, with keys that are opened cheaply."""

from __future__ import annotations

from pathlib import Path

from site_factories import NOW, PASSPHRASE, demo_site

from myofed_anonymization.escrow import ScryptCost
from myofed_node.config import DEMO_POLICY, ApprovalRule
from myofed_node.people import People, Person
from myofed_node.site_setup import Site
from myofed_schemas.approval import SiteRole

CHEAP = ScryptCost(n=4)
PI: SiteRole = "principal-investigator"
DPO: SiteRole = "data-protection-officer"


def site_of_two(root: Path, rule: ApprovalRule | None = None) -> Site:
    """A demonstration's site that asks for signatures, as sites for patients do by default; nobody may sign yet."""
    policy = DEMO_POLICY.model_copy(update={"approvals": rule or ApprovalRule()})
    return demo_site(root, policy=policy)


def add_person(site: Site, name: str, *roles: SiteRole) -> Person:
    """The person may sign, with the passphrase of all tests."""
    return People(site.folder).add_with_new_key(name, roles, now=NOW, passphrase=PASSPHRASE, cost=CHEAP)
