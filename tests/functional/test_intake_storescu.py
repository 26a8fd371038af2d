"""Real senders: all of it arrives, each exactly once, also when the port is killed again and again while they send."""

from __future__ import annotations

from pathlib import Path

import pytest
from proofs.intake_kills import killed_intakes
from proofs.intake_port import port_of
from proofs.intake_senders import STORESCU, generate, send, send_until_taken
from pydicom import dcmread, dcmwrite

from myofed_node.intake.received import Received

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(STORESCU is None, reason="dcmtk is not installed: make system-deps"),
]


def test_real_scans_come_as_they_were_sent(tmp_path: Path, shared_data: Path) -> None:
    """Pixels and headers are not touched on the way; the log says nothing of them."""
    sources = [folder for folder in sorted((shared_data / "dicom").iterdir()) if folder.is_dir()]
    with port_of(tmp_path / "a") as port:
        assert all(send(folder, port.number) for folder in sources)
        sent = {dataset.SOPInstanceUID: dataset for f in sources for dataset in map(dcmread, f.iterdir())}
        files = [path for study in Received(port.folder.received).studies() for path in study.rglob("*.dcm")]
        assert len(files) == len(sent) > 0
        for path in files:
            back = dcmread(path)
            assert back.pixel_array.tobytes() == sent[back.SOPInstanceUID].pixel_array.tobytes()
            assert back.get("PatientID") == sent[back.SOPInstanceUID].get("PatientID")
    log = (port.folder.root / "port.log").read_bytes()
    assert all(str(uid).encode() not in log for uid in sent)


def test_log_quotes_no_value_of_an_instance(tmp_path: Path) -> None:
    """Not even a name in the place of a UID, or a UID with leading zeros: pydicom warns of both and quotes them."""
    generate(tmp_path / "out", 8, side=8)
    wrong = {"1.2.0840.19610203": True, "Doe^John": False}
    with port_of(tmp_path / "a") as port:
        for number, (uid, taken) in enumerate(wrong.items()):
            dataset = dcmread(tmp_path / "out" / str(number) / f"{number}.dcm")
            dataset.StudyInstanceUID = uid
            (tmp_path / uid).mkdir()
            dcmwrite(tmp_path / uid / "x.dcm", dataset)
            assert send(tmp_path / uid, port.number) is taken
    log = (port.folder.root / "port.log").read_text()
    assert "INSTANCE_UNREADABLE" in log
    assert not any(uid in log for uid in wrong)


def test_kills_while_eight_senders_send_lose_and_double_nothing() -> None:
    """A part of `make prove NAME=intake-kills`."""
    tried, failed = killed_intakes(instances=200, kills=3, longest_s=0.4)
    assert failed == []
    assert tried[0]["received"] == 200


def test_judge_sees_what_is_lost_and_what_comes_twice(tmp_path: Path) -> None:
    """A file that went, and one under a second name."""
    uids = generate(tmp_path / "out", 16, side=8)
    with port_of(tmp_path / "a") as port:
        assert send_until_taken(tmp_path / "out", port.number) >= 8
        assert port.received() == dict.fromkeys(uids, 1)
        first, second, *_ = (
            path for study in Received(port.folder.received).studies() for path in study.rglob("*.dcm")
        )
        second.with_suffix(".again.dcm").write_bytes(second.read_bytes())
        first.unlink()
        found = port.received()
        assert (len(found), max(found.values())) == (15, 2)
