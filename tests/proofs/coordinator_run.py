"""`python -m proofs.coordinator_run HOME SITES`: enrolment, publishing, approval and backups in a process that may be killed.

Says on standard output where it stands: a line with the number of steps done, as they are done. Called again it goes on:
every step is one that a person, a node or a port would simply do again.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "coordinator"))  # the factories lie with the unit tests

from coordinator_factories import make_card, make_manifest, make_weights

from myofed_coordinator.backup.make import Sealing, make_backup
from myofed_coordinator.config import load_config
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import Services, open_services
from myofed_coordinator.studies.leads import Doer
from myofed_schemas.enrolment import Invite
from myofed_schemas.errors import MyofedError
from myofed_schemas.files import write_atomically
from proofs.coordinator_sites import kept_site

PASSPHRASE = "a passphrase of the proof"
STUDIES = 2


def now() -> datetime:
    """As a port's clock."""
    return datetime.now(UTC)


def main(folder: str, sites: str) -> None:
    """Everything is done once."""
    home = HomeFolder(Path(folder))
    services = open_services(home, load_config(home))
    names = [f"site-{number}" for number in range(int(sites))]
    steps = [partial(enrol, services, name) for name in names]
    steps += [partial(publish, services, name) for name in names]
    steps += [partial(create, services, number, names) for number in range(STUDIES)]
    steps += [partial(approve, services, number, name) for number in range(STUDIES) for name in names]
    for number, step in enumerate(steps):
        step()
        if number % 6 == 5:
            backup(services, number)
        print(number + 1, flush=True)
    backup(services, len(steps))
    services.close()


def enrol(services: Services, name: str) -> None:
    """Invited, asked, approved: each by somebody else, each again if it has to be."""
    site = kept_site(services.home.root.parent / "sites", name)
    states = {record.site: record.state for record in services.enrolment.list_sites()}
    if states.get(name) == "approved":
        return
    kept = services.home.root.parent / "sites" / f"{name}.invite"
    if not kept.exists():
        made = services.enrolment.create_invite(name, actor="admin", now=now(), valid=timedelta(hours=1))
        write_atomically(kept, made.model_dump_json().encode())
    invite = Invite.model_validate_json(kept.read_bytes())
    reply = services.enrolment.receive_request(site.request(invite), now=now())
    assert reply.state in ("pending", "approved"), reply.code
    services.enrolment.approve(name, actor="admin", now=now())
    assert services.enrolment.receive_request(site.request(invite), now=now()).state == "approved"


def publish(services: Services, name: str) -> None:
    """The card of the site; the same one again changes nothing."""
    services.catalog.publish(make_card(name), site=name, now=now())


def create(services: Services, number: int, names: list[str]) -> None:
    """A study for all sites, unless it is there."""
    weights = make_weights(number)
    manifest = make_manifest(weights, sites=tuple(names), study_id=f"study-{number}")
    if manifest.study_id not in {study.signed.manifest.study_id for study in services.studies.list_studies()}:
        services.studies.create(manifest, weights, actor=Doer("admin"), now=now())


def approve(services: Services, number: int, name: str) -> None:
    """The site's decision; a node sends it until it has an answer."""
    site = kept_site(services.home.root.parent / "sites", name)
    manifest = services.studies.show(f"study-{number}").signed.manifest
    services.studies.record_decision(site.decide(manifest), site=name, now=now())


def backup(services: Services, number: int) -> None:
    """A backup under the name of its step, made anew if it is called again."""
    out = services.home.root.parent / "backups" / f"{number:03d}.myofed-backup"
    sealing = Sealing(PASSPHRASE, log2_n=10)
    make_backup(services.home, services.database, out, sealing=sealing, actor="admin", now=now())


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except MyofedError as error:
        print(error, file=sys.stderr)
        sys.exit(int(error.exit_code))
