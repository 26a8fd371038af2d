"""Confined processes of this host try to get at a site's key, and do not; everything else is as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from site_factories import demo_site

from myofed_node import confinement, hidden_folder, landlock, linux_calls
from myofed_node.confinement import Confinement, find_confinement, without_key
from myofed_node.site_folder import SiteFolder
from myofed_schemas import files

EVERY_KIND = ("file", "link", "move", "process")
TRIAL = (sys.executable, "-m", "myofed_node.key_trial")


@pytest.fixture
def folder(tmp_path: Path) -> SiteFolder:
    return demo_site(tmp_path / "a").folder


@pytest.fixture
def hidden(folder: SiteFolder) -> SiteFolder:
    """A site on a host that can hide a folder."""
    if find_confinement(folder) is not Confinement.HIDDEN:
        pytest.skip("this host allows no mount in a user namespace")
    return folder


@pytest.fixture
def apart(folder: SiteFolder, tmp_path: Path) -> SiteFolder:
    """A site whose key's folder lies elsewhere, on a host with Landlock."""
    if landlock.version() < landlock.LEAST_VERSION:
        pytest.skip("this kernel has no Landlock of version 2")
    elsewhere = tmp_path / "elsewhere" / "deid"
    elsewhere.parent.mkdir()
    folder.deid_keys.rename(elsewhere)
    folder.deid_keys.symlink_to(elsewhere)
    return folder


def _run(folder: SiteFolder, way: Confinement, *program: str) -> subprocess.CompletedProcess[str]:
    command = without_key(program, folder=folder, name="x", confinement=way)
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def _tries(folder: SiteFolder, way: Confinement) -> str:
    """What a confined process found in every way there is, also those that move the key."""
    done = _run(folder, way, *TRIAL, str(folder.deid_key.resolve()), str(folder.run), *EVERY_KIND)
    assert done.stderr == ""
    assert done.returncode == (3 if done.stdout else 0)
    return done.stdout.strip()


def _python(folder: SiteFolder, way: Confinement, code: str) -> str:
    done = _run(folder, way, sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_unconfined_process_reads_the_key(folder: SiteFolder) -> None:
    """So the trial finds what is there to find."""
    assert _tries(folder, Confinement.NONE) == "directly"
    assert _tries(folder, Confinement.OWN_USER) == "directly"


def test_process_does_not_get_at_a_hidden_key(hidden: SiteFolder) -> None:
    """Neither by name, links, moves, /proc, memory of its parent, a grandchild, unmounting nor other namespaces."""
    key = hidden.deid_key.read_bytes()
    assert _tries(hidden, Confinement.HIDDEN) == ""
    assert hidden.deid_key.read_bytes() == key
    assert hidden.deid_key.stat().st_nlink == 1


def test_process_does_not_get_at_a_key_under_landlock(apart: SiteFolder) -> None:
    """In the same ways; the answer is EACCES, because the file is seen and not opened."""
    assert _tries(apart, Confinement.LANDLOCK) == ""
    code = f"import os\ntry: os.open({str(apart.deid_key)!r}, 0)\nexcept OSError as error: print(error.errno)"
    assert _python(apart, Confinement.LANDLOCK, code) == "13\n"


LIFE = """
import os, sqlite3, sys, tempfile
from pathlib import Path
from myofed_schemas.files import write_atomically
root = Path(sys.argv[1] if len(sys.argv) > 1 else {root!r})
write_atomically(root / "keys" / "tls.key", b"new")
write_atomically(root / "audit-head.json", b"{{}}")
write_atomically(root / "later.json", b"{{}}")
(root / "later").mkdir()
(root / "later" / "file").write_bytes(b"x")
(root / "later" / "file").rename(root / "dataset" / "file")
connection = sqlite3.connect(root / "site.sqlite")
connection.execute("INSERT INTO card VALUES (9, '', '')")
connection.commit()
os.fsync(os.open(root / "keys", os.O_RDONLY))
print((root / "keys" / "tls.key").read_text(), (root / "later.json").read_text(), (root / "dataset" / "file").read_text(),
    (root / "late-file").read_text() if (root / "late-file").exists() else "-", os.geteuid() == {user})
"""


@pytest.mark.parametrize(("site", "way"), [("hidden", Confinement.HIDDEN), ("apart", Confinement.LANDLOCK)])
def test_everything_else_in_the_site_is_as_it_was(
    site: str, way: Confinement, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Keys renewed beside it, files made later in the site's folder, the store, renames, the user: all as without."""
    folder: SiteFolder = request.getfixturevalue(site)
    said = _python(folder, way, LIFE.format(root=str(folder.root), user=os.geteuid()))
    assert said == "new {} x - True\n"


def test_file_made_by_others_after_the_start_is_seen(hidden: SiteFolder) -> None:
    """The key's folder stays empty for a service, also when a key is put there anew; all else that is new it sees."""
    code = f"""
import sys
from pathlib import Path
print("up", flush=True)
sys.stdin.readline()
print(Path({str(hidden.root / "late")!r}).read_text(), list(Path({str(hidden.deid_keys)!r}).iterdir()))
"""
    command = without_key([sys.executable, "-c", code], folder=hidden, name="x", confinement=Confinement.HIDDEN)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "up\n"
        (hidden.root / "late").write_text("late")
        hidden.deid_key.with_name("new").write_bytes(hidden.deid_key.read_bytes())
        hidden.deid_key.with_name("new").rename(hidden.deid_key)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "late []\n"


def test_record_says_who_is_confined_and_how(folder: SiteFolder) -> None:
    """The process id is that of the service itself."""
    said = _python(folder, Confinement.NONE, "import os; print(os.getpid())")
    record = json.loads(folder.confinement("x").read_bytes())
    assert record == {"name": "x", "pid": int(said), "confinement": "none"}


def test_strongest_way_is_taken(folder: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another owner, then hiding; Landlock only where the key's folder lies elsewhere."""
    tried = list[Confinement]()
    monkeypatch.setattr(confinement, "_holds", lambda _folder, way: tried.append(way))
    assert find_confinement(folder) is Confinement.NONE
    assert tried == [Confinement.HIDDEN]
    tried.clear()
    folder.deid_keys.rename(folder.root.parent / "elsewhere")
    folder.deid_keys.symlink_to(folder.root.parent / "elsewhere")
    monkeypatch.setattr(confinement.os, "geteuid", lambda: -1)
    assert find_confinement(folder) is Confinement.NONE
    assert tried == [Confinement.OWN_USER, Confinement.HIDDEN, Confinement.LANDLOCK]


def test_trial_that_hangs_or_cannot_start_proves_nothing(folder: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way does not count as working."""
    for error in (OSError(), subprocess.TimeoutExpired("x", 1)):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(confinement.subprocess, "run", fail)
        assert find_confinement(folder) is Confinement.NONE


def test_program_is_not_started_where_the_way_fails(
    folder: SiteFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service that should be confined and cannot be does not run; the log has a code."""
    monkeypatch.setattr(linux_calls, "forbid_new_privileges", lambda: None)
    monkeypatch.setattr(confinement.os, "execvp", lambda *_: pytest.fail("started"))
    for module, name in ((hidden_folder, "hide"), (landlock, "forbid")):

        def fail(_folder: Path) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(module, name, fail)
    for way in ("hidden", "landlock"):
        record = folder.confinement("x")
        assert confinement.main([way, str(folder.deid_keys), "--record", str(record), "--", "true"]) == 1
        assert "CONFINEMENT_FAILED" in capsys.readouterr().err
        assert not record.exists()


def test_process_becomes_the_program(folder: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its own arguments, after the record was written; without --record none is."""
    started = list[list[str]]()
    monkeypatch.setattr(linux_calls, "forbid_new_privileges", lambda: None)
    monkeypatch.setattr(confinement, "die_with_parent", lambda: None)
    monkeypatch.setattr(confinement.os, "execvp", lambda _program, argv: started.append(argv))
    record = folder.confinement("x")
    confinement.main(["none", str(folder.deid_keys), "--", "program", "--socket", "s"])
    assert not record.exists()
    confinement.main(["none", str(folder.deid_keys), "--record", str(record), "--name", "x", "--", "program"])
    assert record.exists()
    assert started == [["program", "--socket", "s"], ["program"]]


SYSTEM_PYTHON = "/usr/bin/python3"
"""One that every account may start; the confinement and its trial need nothing but the standard library."""


@pytest.fixture
def of_nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[SiteFolder]:
    """A site that belongs to an account without rights, as in a hospital, which has its own copy of the sources.

    A checkout may hold files that only its owner reads (umask 077): the copy makes the test independent of that.
    """
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user, by setpriv")
    place = Path(tempfile.mkdtemp(prefix="myofed-"))
    for package in (confinement, files):
        source = Path(package.__file__ or "").parent
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(source, place / "sources" / source.name, ignore=ignored)
    monkeypatch.setenv("SOURCES_OF_NOBODY", str(place / "sources"))
    made = demo_site(place / "a").folder
    for path in (place, *place.rglob("*")):
        os.chown(path, 65534, 65534)
    found = _as_nobody("-c", "import sys; assert sys.version_info >= (3, 11); import myofed_node.confinement")
    if found.returncode:
        shutil.rmtree(place)
        pytest.skip(f"an account without rights has no Python 3.11 here: {found.stderr[-300:]}")
    yield made
    shutil.rmtree(place)


def _as_nobody(*arguments: str) -> subprocess.CompletedProcess[str]:
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", SYSTEM_PYTHON, *arguments]
    sources = os.environ["SOURCES_OF_NOBODY"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": sources, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(drop, capture_output=True, text=True, cwd="/", env=environment, timeout=60)


def _found_by_nobody(folder: SiteFolder) -> str:
    code = "import sys; from pathlib import Path; from myofed_node import confinement as c, site_folder as s; "
    code += "print(c.find_confinement(s.SiteFolder(Path(sys.argv[1]))).value)"
    done = _as_nobody("-c", code, str(folder.root))
    assert done.stderr == ""
    return done.stdout.strip()


def test_account_without_rights_keeps_its_services_from_its_key(of_nobody: SiteFolder) -> None:
    """No root is needed; de-identification, which is the same account, reads it."""
    if _found_by_nobody(of_nobody) != "hidden":
        pytest.skip("this host lets an account without rights mount nothing")
    key = str(of_nobody.deid_key)
    trial = (SYSTEM_PYTHON, "-m", "myofed_node.key_trial", key, str(of_nobody.run), *EVERY_KIND)
    done = _as_nobody("-m", "myofed_node.confinement", "hidden", str(of_nobody.deid_keys), "--", *trial)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert _as_nobody("-c", "import sys; open(sys.argv[1], 'rb')", key).returncode == 0


def test_key_of_another_user_is_the_strongest_form(of_nobody: SiteFolder) -> None:
    """The kernel's ordinary permissions keep the services' account out; nothing else is needed."""
    for path in (of_nobody.deid_keys, of_nobody.deid_key):
        os.chown(path, 65533, 65533)
    assert _found_by_nobody(of_nobody) == "own-user"
