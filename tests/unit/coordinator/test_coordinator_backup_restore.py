"""A whole coordinator comes back, from and to either database; anything less than a whole backup restores nothing."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from coordinator_factories import HOUR, NOW, FakeSite, make_card, make_manifest, make_weights
from released_databases import drop_all, make_version
from sqlalchemy import select, text

from myofed_coordinator.backup.archive import ArchiveWriter
from myofed_coordinator.backup.before_migration import save_before_migration
from myofed_coordinator.backup.make import BackupMade, Sealing, make_backup
from myofed_coordinator.backup.restore import Wanted, check_backup, restore
from myofed_coordinator.backup.sealed import SealedWriter, new_header
from myofed_coordinator.config import load_config
from myofed_coordinator.database import SCHEMA_VERSION, Base, open_database, schema_version
from myofed_coordinator.doctor import examine
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import Services, open_services
from myofed_coordinator.studies.leads import Doer
from myofed_schemas.audit import GENESIS, AuditHead
from myofed_schemas.errors import MyofedError

Enrol = Callable[[str], FakeSite]
PASSPHRASE = "correct horse battery"
SEALING = Sealing(PASSPHRASE, log2_n=10)


def save(services: Services, out: Path) -> BackupMade:
    return make_backup(services.home, services.database, out, sealing=SEALING, actor="admin", now=NOW)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(MyofedError) as caught:
        call()
    assert PASSPHRASE not in str(caught.value)
    return caught.value.code


@pytest.fixture
def living(services: Services, enrol: Enrol) -> Services:
    """With a site, its card, a study that it approved, and files of a run."""
    site, weights = enrol("hospital-a"), make_weights()
    services.catalog.publish(make_card("hospital-a"), site="hospital-a", now=NOW)
    services.studies.create(make_manifest(weights, sites=("hospital-a",)), weights, actor=Doer("admin"), now=NOW)
    manifest = services.studies.show("thigh-muscles").signed.manifest
    services.studies.record_decision(site.decide(manifest), site="hospital-a", now=NOW)
    run = services.home.run_folder("run-2026112212000001")
    (run / "updates").mkdir(parents=True)
    for name in ("status.json", "events.jsonl", "lock", "submission.json", "updates/hospital-a.safetensors"):
        (run / name).write_bytes(name.encode())
    return services


def rows_of(services: Services) -> dict[str, list[tuple[object, ...]]]:
    with services.database.read() as session:
        return {
            table.name: sorted((tuple(row) for row in session.execute(select(table))), key=str)
            for table in Base.metadata.sorted_tables
        }


@pytest.mark.parametrize("to", ["sqlite", "postgresql"])
def test_whole_coordinator_comes_back(
    living: Services, tmp_path: Path, to: str, request: pytest.FixtureRequest
) -> None:
    """Rows, keys, chain, models, settings: from and to either database; the site's certificate is still known."""
    made = save(living, tmp_path / "backup")
    before = rows_of(living)
    url = "" if to == "sqlite" else request.getfixturevalue("other_postgres_url")
    wanted = Wanted(tmp_path / "backup", PASSPHRASE, database_url=url)
    done = restore(wanted, tmp_path / "back", actor="admin", now=NOW)
    assert (done.rows, done.files, done.audit) == (made.rows, made.files, made.audit)
    home = HomeFolder(tmp_path / "back")
    back = open_services(home, load_config(home))
    try:
        assert rows_of(back) == before
        assert back.heads.verify_own().sequence == made.audit + 1
        assert [e.action for e in back.audit.entries()][-1] == "COORDINATOR_RESTORED"
        (site,) = back.enrolment.list_sites()
        registered = back.enrolment.lookup(site.certificate_sha256 or "")
        assert registered is not None
        assert not registered.revoked
        assert examine(home, load_config(home), now=NOW).healthy
        assert back.enrolment.create_invite("hospital-b", actor="admin", now=NOW, valid=HOUR).site == "hospital-b"
        again = make_card("hospital-a", version=2)
        back.catalog.publish(again, site="hospital-a", now=NOW)  # numbers that the database gives out go on
        for folder in (living.home.keys, living.home.models):
            for path in folder.iterdir():
                copy = home.root / path.relative_to(living.home.root)
                assert (copy.read_bytes(), stat.S_IMODE(copy.stat().st_mode)) == (path.read_bytes(), 0o600)
        run = home.run_folder("run-2026112212000001")
        assert sorted(path.name for path in run.iterdir()) == ["events.jsonl", "status.json"]
    finally:
        back.close()
        if to == "postgresql":
            drop_all(url)


def test_backup_is_private_and_shows_nothing(living: Services, tmp_path: Path) -> None:
    """Mode 0600; no key, name of a site or setting stands in it; it is in the chain with its digest."""
    made = save(living, tmp_path / "backup")
    content = (tmp_path / "backup").read_bytes()
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o600
    assert not any(word in content for word in (b"hospital-a", b"PRIVATE", b"consortium"))
    entry = list(living.audit.entries())[-1]
    assert (entry.action, entry.detail["sha256"]) == ("BACKUP_MADE", made.sha256)
    assert PASSPHRASE not in repr(SEALING) + repr(Wanted(tmp_path, PASSPHRASE))


def test_nothing_is_restored_over_something(living: Services, tmp_path: Path) -> None:
    """A folder with anything in it stays as it is, and a database with sites too."""
    save(living, tmp_path / "backup")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    wanted = Wanted(tmp_path / "backup", PASSPHRASE)
    assert refusal(lambda: restore(wanted, tmp_path / "full", actor="admin", now=NOW)) == "HOME_NOT_EMPTY"
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["file"]
    used = Wanted(tmp_path / "backup", PASSPHRASE, database_url=living.config.database(living.home))
    assert refusal(lambda: restore(used, tmp_path / "new", actor="admin", now=NOW)) == "DATABASE_IN_USE"
    assert len(living.enrolment.list_sites()) == 1
    assert refusal(lambda: load_config(HomeFolder(tmp_path / "new"))) == "NOT_A_HOME"


@pytest.mark.parametrize("how", ["altered", "cut", "other passphrase"])
def test_backup_that_is_not_whole_leaves_no_trace(home: HomeFolder, tmp_path: Path, how: str) -> None:
    """All of it is proven before the first byte is written."""
    services = open_services(home, load_config(home))
    save(services, tmp_path / "backup")
    services.close()
    content = bytearray((tmp_path / "backup").read_bytes())
    if how == "altered":
        content[-20] ^= 4
    (tmp_path / "backup").write_bytes(content[:-1] if how == "cut" else content)
    wanted = Wanted(tmp_path / "backup", "another passphrase" if how == "other passphrase" else PASSPHRASE)
    assert refusal(lambda: restore(wanted, tmp_path / "new", actor="admin", now=NOW)).startswith("BACKUP_")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("database.jsonl", b'["sites",{"site":"x","unknown":1}]\n'),
        ("database.jsonl", b"no row\n"),
        ("database.jsonl", b'["nothing",{}]\n'),
        ("audit.jsonl", b'{"action":"FORGED"}\n'),
        ("config.yaml", b"people: nowhere"),
    ],
)
def test_archive_made_of_something_else_restores_nothing(tmp_path: Path, name: str, content: bytes) -> None:
    """Whoever knows the passphrase can seal anything: what does not hold in itself is refused all the same."""
    files = {"database.jsonl": b"", "audit.jsonl": b"", "config.yaml": b"{}"} | {name: content}
    rows = {"sites": 1} if name == "database.jsonl" else {}
    out = tmp_path / "backup"
    with out.open("wb") as stream:
        header = new_header(made_at="2026-11-22T12:00:00Z", version="0.1.0", tables=SCHEMA_VERSION, log2_n=10)
        sealed = SealedWriter(stream, header, PASSPHRASE)
        archive = ArchiveWriter(sealed)
        for each, held in files.items():
            (tmp_path / "held").write_bytes(held)
            with (tmp_path / "held").open("rb") as source:
                archive.add(each, source, size=len(held))
        head = AuditHead(owner="coordinator", sequence=0, digest=GENESIS)
        archive.finish(tables=SCHEMA_VERSION, rows=rows, audit=head)
    assert refusal(lambda: restore(Wanted(out, PASSPHRASE), tmp_path / "new", actor="a", now=NOW)) == "BACKUP_DAMAGED"
    assert refusal(lambda: load_config(HomeFolder(tmp_path / "new"))) == "NOT_A_HOME"


@pytest.mark.parametrize("step", ["_put", "_load", "save_config"])
def test_restore_that_was_cut_short_begins_anew(
    home: HomeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Killed before any step, the folder is no home, and the next call makes it whole."""
    services = open_services(home, load_config(home))
    save(services, tmp_path / "backup")
    services.close()

    def killed(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    wanted = Wanted(tmp_path / "backup", PASSPHRASE)
    with monkeypatch.context() as patch:
        patch.setattr(f"myofed_coordinator.backup.restore.{step}", killed)
        with pytest.raises(KeyboardInterrupt):
            restore(wanted, tmp_path / "new", actor="admin", now=NOW)
    assert refusal(lambda: load_config(HomeFolder(tmp_path / "new"))) == "NOT_A_HOME"
    restore(wanted, tmp_path / "new", actor="admin", now=NOW)
    back = HomeFolder(tmp_path / "new")
    assert examine(back, load_config(back), now=NOW).healthy


def test_backup_while_others_write_is_of_one_moment(services: Services, enrol: Enrol, tmp_path: Path) -> None:
    """Each invite is a row and an entry: in every backup, made in the middle of them, both are there or neither."""
    enrol("hospital-a")
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.002):  # SQLite's lock goes to whoever asks first: without a pause nobody else ever would
            services.enrolment.create_invite(f"site-{number}", actor="admin", now=NOW, valid=HOUR)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            save(services, tmp_path / f"backup-{number}")
    finally:
        stop.set()
        writer.join()
    for number in range(3):
        manifest, _ = check_backup(tmp_path / f"backup-{number}", PASSPHRASE)
        home = HomeFolder(tmp_path / f"back-{number}")
        restore(Wanted(tmp_path / f"backup-{number}", PASSPHRASE, ""), home.root, actor="admin", now=NOW)
        back = open_services(home, load_config(home))
        invited = sum(entry.action == "SITE_INVITED" for entry in back.audit.entries())
        assert invited == manifest.rows["invites"]
        back.close()


def test_backup_before_a_migration_brings_the_earlier_tables_into_this_release(
    home: HomeFolder, bare_url: str, tmp_path: Path
) -> None:
    """Sealed with the home's own secret; of version 1, restored it has today's tables; SQLite is copied as it is, too."""
    database = open_database(bare_url)
    make_version(database, 1)
    with database.write() as session:
        session.execute(
            text(
                "INSERT INTO models (sha256, run_id, study_id, registered_at, record) VALUES ('a', 'r', 's', 'n', '{}')"
            )
        )
    saved = Path(save_before_migration(home, database, actor="admin", now=NOW))
    copies = [path.suffix for path in sorted(home.backups.iterdir())]
    assert copies == ([".myofed-backup", ".sqlite"] if "sqlite" in bare_url else [".myofed-backup"])
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.backups.iterdir()} == {0o600}
    if "sqlite" in bare_url:
        assert schema_version(open_database(f"sqlite:///{saved.with_suffix('.sqlite')}")) == 1
    database.close()
    restore(Wanted(saved, home.backup_secret.read_text(), ""), tmp_path / "back", actor="admin", now=NOW)
    back = HomeFolder(tmp_path / "back")
    services = open_services(back, load_config(back))
    with services.database.read() as session:
        assert session.scalar(text("SELECT study_id FROM models")) == "s"
    services.close()


def test_certificate_of_a_site_that_was_revoked_stays_revoked(living: Services, tmp_path: Path) -> None:
    """A backup does not bring back what was ended before it."""
    living.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    save(living, tmp_path / "backup")
    restore(Wanted(tmp_path / "backup", PASSPHRASE, ""), tmp_path / "back", actor="admin", now=NOW)
    home = HomeFolder(tmp_path / "back")
    back = open_services(home, load_config(home))
    certificate = living.enrolment.list_sites()[0].certificate_sha256 or ""
    found = back.enrolment.lookup(certificate)
    back.close()
    assert found is not None
    assert found.revoked
