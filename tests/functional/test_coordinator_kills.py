"""A seeded small sample of the kills of a coordinator, and the judge that looks at them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from proofs.coordinator_kills import killed_coordinators, missing, new_place, records
from sqlalchemy import update

from myofed_coordinator.config import load_config
from myofed_coordinator.enrolment.models import CertificateRow
from myofed_coordinator.services import open_services

pytestmark = [pytest.mark.functional, pytest.mark.slow]


def test_a_killed_coordinator_has_whole_records_and_serves_again() -> None:
    """Two of the hundred kills of `make prove NAME=coordinator-kills`, on SQLite."""
    tried, failed = killed_coordinators(2, seed=3, serve_every=2)
    assert failed == []
    assert tried[0]["kills"] == 2


def test_the_judge_of_kills_finds_what_is_broken_missing_or_twice(tmp_path: Path) -> None:
    """A half backup, a deed without its entry, a chain that was altered, and a run that did nothing."""
    from collections import Counter

    with new_place(tmp_path, None) as place:
        assert records(place) == []
        assert len(missing(place, Counter())) == 4
        (place.root / "backups" / "000.myofed-backup").write_bytes(b"half")
        assert records(place) == ["a backup that is not whole: BACKUP_FORMAT"]
        (place.root / "backups" / "000.myofed-backup").unlink()
        services = open_services(place.home, load_config(place.home))
        from coordinator_factories import HOUR, make_site

        now = datetime.now(UTC)
        site = make_site("site-0")
        invite = services.enrolment.create_invite("site-0", actor="a", now=now, valid=HOUR, pre_approved=True)
        services.enrolment.receive_request(site.request(invite), now=now)
        assert records(place) == []
        with services.database.write() as session:
            session.execute(update(CertificateRow).values(sha256="f" * 64))
        services.close()
        assert records(place) == ["without an entry: SITE_APPROVED"]
        place.home.audit.write_bytes(place.home.audit.read_bytes().replace(b"SITE_INVITED", b"SITE_REVOKED"))
        assert "the audit chain does not hold" in records(place)
