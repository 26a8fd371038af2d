"""Weights on their way: what may be fetched, what was uploaded, what is dead."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from myofed_coordinator.federation.weights_transit import WeightsTransit, append, digest_of, sweep
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RunStatus

UPDATE = b"an update"
SHA = hashlib.sha256(UPDATE).hexdigest()


@pytest.fixture
def transit(tmp_path: Path) -> WeightsTransit:
    root = tmp_path / "run-0123abcd"
    root.mkdir()
    return WeightsTransit(RunFolder(root))


def status(folder: RunFolder, state: str) -> None:
    values = {"run_id": folder.run_id, "study_id": "thigh-muscles", "manifest_digest": "0" * 64, "code": "OK"}
    folder.write_status(RunStatus.model_validate({**values, "state": state, "rounds": ()}))


def upload(transit: WeightsTransit, *, site: str = "site-a", content: bytes = UPDATE) -> None:
    append(transit.begin(site, SHA), content, at=0)
    transit.finish(site, SHA)


def test_update_with_another_digest_never_becomes_visible(transit: WeightsTransit) -> None:
    """It is gone, and the upload begins anew."""
    with pytest.raises(MyofedError) as caught:
        upload(transit, content=b"another")
    assert caught.value.code == "WEIGHTS_DIGEST"
    assert transit.arrived("site-a", SHA) == 0
    with pytest.raises(MyofedError) as caught:
        transit.take("site-a", SHA)
    assert caught.value.code == "WEIGHTS_NOT_UPLOADED"


def test_update_is_taken_once_and_from_its_own_site_only(transit: WeightsTransit) -> None:
    """The same digest from another site is another file."""
    upload(transit)
    with pytest.raises(MyofedError):
        transit.take("site-b", SHA)
    assert transit.arrived("site-a", SHA) == len(UPDATE)
    assert transit.take("site-a", SHA).read_bytes() == UPDATE
    assert transit.arrived("site-a", SHA) == 0


def test_update_that_changed_on_the_disk_is_not_taken(transit: WeightsTransit) -> None:
    """A power cut can leave a file of zeros."""
    upload(transit)
    transit.uploaded("site-a", SHA).write_bytes(bytes(9))
    with pytest.raises(MyofedError) as caught:
        transit.take("site-a", SHA)
    assert caught.value.code == "WEIGHTS_DIGEST"


def test_a_site_has_one_upload_at_a_time(transit: WeightsTransit) -> None:
    """Whatever else it had sent is gone: a site fills the disk once at most."""
    append(transit.begin("site-a", SHA), UPDATE, at=0)
    other = transit.begin("site-a", "1" * 64)
    assert [path.name for path in other.parent.iterdir()] == [other.name]


def test_new_question_ends_what_came_for_the_old_one(transit: WeightsTransit) -> None:
    """The same question asked again keeps it."""
    transit.offer(b"first", digest := hashlib.sha256(b"first").hexdigest())
    upload(transit)
    transit.offer(b"first", digest)
    assert transit.arrived("site-a", SHA) == len(UPDATE)
    transit.offer(b"second", "2" * 64)
    assert transit.arrived("site-a", SHA) == 0
    assert not transit.offered(digest).exists()
    assert transit.offered("2" * 64).read_bytes() == b"second"


def test_ended_runs_keep_nothing(transit: WeightsTransit, tmp_path: Path) -> None:
    """A running one keeps all."""
    transit.offer(b"first", SHA)
    status(transit.folder, "running")
    sweep(tmp_path)
    assert digest_of(transit.offered(SHA)) == hashlib.sha256(b"first").hexdigest()
    status(transit.folder, "failed")
    sweep(tmp_path)
    assert not transit.root.exists()


def test_weights_that_a_power_cut_emptied_are_offered_anew(transit: WeightsTransit) -> None:
    """The same length is not the same bytes."""
    transit.offer(b"first", digest := hashlib.sha256(b"first").hexdigest())
    transit.offered(digest).write_bytes(bytes(5))
    transit.offer(b"first", digest)
    assert transit.offered(digest).read_bytes() == b"first"


def test_damaged_run_does_not_keep_the_port_closed(transit: WeightsTransit, tmp_path: Path) -> None:
    """It has no status; what lies there stays for its people."""
    transit.offer(b"first", SHA)
    sweep(tmp_path)
    assert transit.offered(SHA).exists()


def test_weights_on_the_disk_are_offered_under_another_name(transit: WeightsTransit, tmp_path: Path) -> None:
    """No copy; where that cannot be, or the file is gone, their bytes are written."""
    kept = tmp_path / "kept"
    kept.write_bytes(b"first")
    transit.offer(b"first", SHA, file=kept)
    assert transit.offered(SHA).samefile(kept)
    transit.offer(b"second", "2" * 64, file=tmp_path / "gone")
    assert transit.offered("2" * 64).read_bytes() == b"second"
    assert kept.read_bytes() == b"first"
