"""From a push to the data set, by the real processes and without a person; nothing of the patient is left behind."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from proofs.intake_senders import STORESCU, send

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "node"))  # scanners' files lie with the unit tests

from mids_factories import Kind
from scanner_export import export

from myofed_node.config import DEMO_POLICY, SiteConfig
from myofed_node.intake.desk import IntakeDesk, StudyShown
from myofed_node.intake.received import Received
from myofed_node.intake.settings import IntakeSettings, Peer
from myofed_node.intake.study_store import StudyState
from myofed_node.site_setup import Site, make_site
from myofed_schemas.service_loop import free_port, is_listening

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(STORESCU is None, reason="dcmtk is not installed: make system-deps"),
]
PLANTED = (b"Planted^Identity", b"Planted^Physician", b"ACC998877", b"SUBJECTA", b"19610203")


@contextmanager
def running(site: Site) -> Iterator[int]:
    """The port and the pipeline of this site, as `up` starts them; gives the port."""
    settings = site.config.intake
    assert settings.port is not None
    modules = (("myofed_node.intake.dicom_port", "1"), ("myofed_node.intake.study_process",))
    log = (site.folder.root / "services.log").open("ab")
    started = [
        subprocess.Popen([sys.executable, "-m", name, str(site.folder.root), *more], stderr=log)
        for name, *more in modules
    ]
    try:
        _until(lambda: is_listening("127.0.0.1", settings.port or 0), "the port opens")
        yield settings.port
    finally:
        for process in started:
            process.terminate()
        ended = {process.wait(30) for process in started}
        assert ended <= {0, -signal.SIGTERM}, "cleanly, or before it had begun"
        log.close()


def _until(true: object, what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        time.sleep(0.1)


def _site(root: Path, **intake: object) -> Site:
    peer = Peer(ae_title="MR1", networks=("127.0.0.1",))
    settings = IntakeSettings(port=free_port(), peers=(peer,), reserve_gb=0, quiet_s=1).model_copy(update=intake)
    config = SiteConfig(site="alpha", policy=DEMO_POLICY, intake=settings)
    return make_site(root, config=config, now=datetime(2026, 1, 8, tzinfo=UTC))


def _studies(site: Site) -> tuple[StudyShown, ...]:
    return IntakeDesk(site).list().studies


def _left_behind(site: Site) -> list[Path]:
    """Files outside the keys that hold something of the planted person."""
    keys = site.folder.keys
    files = [path for path in site.folder.root.rglob("*") if path.is_file() and keys not in path.parents]
    return [path for path in files if any(word in path.read_bytes() for word in PLANTED)]


def test_pushed_study_is_in_the_data_set_and_its_patient_nowhere(tmp_path: Path) -> None:
    """Two series become images; what was received is gone, and logs, store and reports know no name."""
    site = _site(tmp_path / "a", legal_basis="synthetic")
    source = export(tmp_path / "out", Kind(), Kind(series=2))
    with running(site) as port:
        assert send(source, port)
        _until(lambda: any(study.state == "done" for study in _studies(site)), "the study is done")
        assert [study.code for study in _studies(site)] == ["OK"]
    assert len(list(site.folder.dataset.glob("sub-*/ses-*/*/*.nii.gz"))) >= 2
    assert {path.name for path in site.folder.received.iterdir()} <= {".arriving", ".frozen"}
    assert _left_behind(site) == []


def test_study_without_a_legal_basis_waits_and_is_not_touched(tmp_path: Path) -> None:
    """Fail closed: it lies as it came, and the data set stays empty."""
    site = _site(tmp_path / "a")
    source = export(tmp_path / "out", Kind())
    with running(site) as port:
        assert send(source, port)
        _until(lambda: any(study.state == "held" for study in _studies(site)), "the study is held")
    assert [study.code for study in _studies(site)] == ["NO_LEGAL_BASIS"]
    assert not any(site.folder.dataset.glob("sub-*"))
    assert all(site.folder.received in path.parents for path in _left_behind(site)), "only what came knows the patient"
    assert len(_left_behind(site)) == sum(1 for _ in source.iterdir())
    assert site.folder.received.stat().st_mode & 0o077 == 0


def test_killed_pipeline_goes_on_and_doubles_nothing(tmp_path: Path) -> None:
    """Three studies, the pipeline killed again and again while it works on them: all are in the data set, once."""
    site = _site(tmp_path / "a", legal_basis="synthetic")
    sources = [export(tmp_path / f"out-{n}", Kind(patient=f"SUBJECT{n}", study=n)) for n in range(3)]
    rng = random.Random(1)
    with running(site) as port:
        assert all(send(source, port) for source in sources)
    command = [sys.executable, "-m", "myofed_node.intake.study_process", str(site.folder.root)]
    kills = 0
    end = time.monotonic() + 120
    while [study.state for study in _studies(site)].count(StudyState.DONE) < 3:
        assert time.monotonic() < end, _studies(site)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(2.5, 4.5) + 1.5 * kills)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            kills += 1
    with running(site):
        _until(lambda: not any(Received(site.folder.received).studies()), "what was received goes")
    assert kills >= 1
    assert len(list(site.folder.dataset.glob("sub-*"))) == 3
    assert len(list(site.folder.dataset.glob("sub-*/ses-*/*/*.nii.gz"))) == 3 * len(
        list(min(site.folder.dataset.glob("sub-*")).glob("ses-*/*/*.nii.gz"))
    )
    assert _left_behind(site) == []
