"""The DICOM port: who may call, what a sender is told, and that success means on disk."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification

from myofed_node.intake import dicom_listener as module
from myofed_node.intake.dicom_listener import DicomListener, Intake
from myofed_node.intake.received import Received
from myofed_node.intake.settings import IntakeSettings, Peer, TlsSettings
from myofed_node.intake.tls import server_context
from myofed_schemas.errors import MyofedError
from myofed_schemas.service_loop import is_listening

FREE_PORT = 1
"""Stands for any: the tests ask for port 0."""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


def settings(**changes: object) -> IntakeSettings:
    here = Peer(ae_title="MR1", networks=("127.0.0.0/8",))
    elsewhere = Peer(ae_title="MR2", networks=("10.0.0.0/8",))
    made = IntakeSettings(port=FREE_PORT, peers=(here, elsewhere), reserve_gb=0)
    return made.model_copy(update={"port": 0, **changes})


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    """With an open folder."""
    received = Received(tmp_path / "received")
    received.open()
    return Intake(received, settings())


@pytest.fixture
def listener(intake: Intake) -> Iterator[DicomListener]:
    """An open port."""
    with DicomListener(intake) as opened:
        yield opened


def call(port: int, *, calling: str = "MR1", called: str = "MYOFED", tls: ssl.SSLContext | None = None) -> Association:
    entity = AE(calling)
    entity.add_requested_context(Verification)
    entity.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
    return entity.associate("127.0.0.1", port, ae_title=called, tls_args=(tls, "127.0.0.1") if tls else None)


def instance(number: int, **changes: object) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = f"1.2.3.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", "1.3"
    dataset.PatientName = "Planted^Name"
    for name, value in changes.items():
        setattr(dataset, name, value)
    return dataset


def store(port: int, *datasets: Dataset) -> list[int]:
    association = call(port)
    assert association.is_established
    try:
        return [int(association.send_c_store(dataset).Status) for dataset in datasets]
    finally:
        association.release()


def kept(intake: Intake) -> list[Path]:
    return [path for study in intake.received.studies() for path in study.rglob("*.dcm")]


def test_peer_is_echoed_and_what_it_sends_is_a_whole_file(intake: Intake, listener: DicomListener) -> None:
    """Preamble, file meta information and data set, as DICOM stores it."""
    association = call(listener.port)
    assert association.send_c_echo().Status == 0
    association.release()
    assert store(listener.port, instance(1), instance(2), instance(1)) == [0, 0, 0]
    assert intake.counts == {"new": 2, "known": 1}
    content = kept(intake)[0].read_bytes()
    assert content[128:132] == b"DICM"
    assert b"Planted^Name" in content


@pytest.mark.parametrize(
    ("calling", "called"),
    [("MR9", "MYOFED"), ("MR1", "OTHER"), ("MR2", "MYOFED")],
    ids=["nobody", "misnamed", "elsewhere"],
)
def test_stranger_gets_no_association(intake: Intake, listener: DicomListener, calling: str, called: str) -> None:
    """An unknown name, a wrong name of ours, and a peer's name from where that peer is not."""
    association = call(listener.port, calling=calling, called=called)
    assert not association.is_established
    assert kept(intake) == []


def test_address_of_no_peer_is_not_listened_to(tmp_path: Path) -> None:
    """The connection is closed before a byte of it is read."""
    received = Received(tmp_path / "received")
    received.open()
    far = settings(peers=(Peer(ae_title="MR1", networks=("10.0.0.0/8",)),))
    intake = Intake(received, far)
    with DicomListener(intake) as listener:
        assert not call(listener.port).is_established
    assert intake.counts == {"CALLER_UNKNOWN": 1}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, a server and a client of it, and a client of another CA, in one folder."""
    folder = tmp_path_factory.mktemp("tls")
    for authority, names in {"ca": ("server", "client"), "other-ca": ("stranger",)}.items():
        key = ec.generate_private_key(ec.SECP256R1())
        write_pem(folder, authority, key, signed(authority, key, authority, key, is_ca=True))
        for name in names:
            own = ec.generate_private_key(ec.SECP256R1())
            write_pem(folder, name, own, signed(name, own, authority, key, is_ca=False))
    return folder


def signed(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, *, is_ca: bool
) -> x509.Certificate:
    name = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])  # noqa: E731  one line says it
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(name(issuer), name(subject), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(by, hashes.SHA256())
    )


def write_pem(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )


def test_with_tls_only_a_sender_with_a_certificate_of_the_ca_gets_in(intake: Intake, certificates: Path) -> None:
    """In the clear, without a certificate and with a stranger's there is no association; one who never shakes hands stops nobody."""
    files = TlsSettings(certificate="server.pem", key="server.key", client_ca="ca.pem")
    with DicomListener(intake, tls=server_context(files, root=certificates)) as listener:
        with socket.create_connection(("127.0.0.1", listener.port)):
            assert not call(listener.port).is_established, "in the clear"
            for name, established in (("", False), ("stranger", False), ("client", True)):
                context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
                if name:
                    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
                association = call(listener.port, tls=context)
                assert association.is_established is established, name
        assert int(association.send_c_store(instance(1)).Status) == 0
        association.release()
    assert len(kept(intake)) == 1


def test_files_of_tls_that_do_not_fit_are_told(certificates: Path) -> None:
    """A key of another certificate, a file that is missing: the port does not open in the clear instead."""
    for wrong in (
        TlsSettings(certificate="server.pem", key="client.key"),
        TlsSettings(certificate="server.pem", key="none.key"),
        TlsSettings(certificate="server.pem", key="server.key", client_ca="none.pem"),
    ):
        with pytest.raises(MyofedError, match="INTAKE_TLS"):
            server_context(wrong, root=certificates)


def test_what_cannot_be_kept_is_not_acknowledged(
    intake: Intake, listener: DicomListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its status, so that the sender keeps it; the port goes on."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    assert store(listener.port, instance(1, StudyInstanceUID="")) == [0xC000]
    with monkeypatch.context() as patch:
        patch.setattr(intake.received, "keep", full)
        assert store(listener.port, instance(2)) == [0xA700]
    with monkeypatch.context() as patch:
        patch.setattr(intake.received, "free_bytes", lambda: 10)
        assert store(listener.port, instance(3)) == [0xA700]
    intake.settings = settings(max_instance_mb=1)
    assert store(listener.port, instance(4, PixelData=b"\0" * (3 << 19), BitsAllocated=16)) == [0xA700]
    assert kept(intake) == []
    assert intake.counts == {"INSTANCE_UNREADABLE": 1, "DISK_REFUSES": 1, "OUT_OF_RESOURCES": 2}


def test_endless_instance_ends_its_association_before_it_fills_the_memory(
    intake: Intake, listener: DicomListener
) -> None:
    """Others go on; many instances over one association are not added up."""
    intake.settings = settings(max_instance_mb=1)
    association = call(listener.port)
    assert "Status" not in association.send_c_store(instance(1, PixelData=b"\0" * (8 << 20), BitsAllocated=16))
    assert (
        store(listener.port, *(instance(n, PixelData=b"\0" * (1 << 19), BitsAllocated=16) for n in range(2, 8)))
        == [0] * 6
    )
    assert intake.counts["OUT_OF_RESOURCES"] >= 1
    assert len(kept(intake)) == 6


def raw_caller(port: int) -> socket.socket:
    caller = socket.create_connection(("127.0.0.1", port))
    caller.settimeout(20)
    return caller


def is_closed(caller: socket.socket) -> bool:
    """The other side has ended the connection."""
    try:
        return caller.recv(1) == b""
    except ConnectionResetError:
        return True


def test_caller_that_stalls_in_a_pdu_loses_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scanner that lost power in the middle holds no place for ever; the next sender is served."""
    monkeypatch.setattr(module, "STALL_S", 0.5)
    monkeypatch.setattr(module, "ACSE_TIMEOUT_S", 2)
    received = Received(tmp_path / "received")
    received.open()
    with DicomListener(Intake(received, settings(max_associations=1))) as listener:
        stalled = raw_caller(listener.port)
        stalled.sendall(b"\x01\x00\x00")
        assert is_closed(stalled)
        end = time.monotonic() + 20
        while not (association := call(listener.port)).is_established:
            assert time.monotonic() < end, "the place is still taken"
            time.sleep(0.1)
        association.release()
        stalled.close()


def test_port_closes_though_a_caller_says_nothing(tmp_path: Path) -> None:
    """Pynetdicom alone would wait for it for ever."""
    received = Received(tmp_path / "received")
    received.open()
    with DicomListener(Intake(received, settings())) as listener:
        caller = raw_caller(listener.port)
        port = listener.port
    assert not is_listening("127.0.0.1", port)
    caller.close()


def test_pdu_that_announces_a_gigabyte_is_not_read(intake: Intake, listener: DicomListener) -> None:
    """Neither before the association nor in it; pynetdicom itself would hold all of it."""
    with raw_caller(listener.port) as caller:
        caller.sendall(b"\x01\x00" + (1 << 30).to_bytes(4, "big") + b"\x00" * 1000)
        assert is_closed(caller)
    assert intake.counts["PDU_TOO_LONG"] == 1
    assert store(listener.port, instance(1)) == [0]


def test_more_connections_than_may_wait_are_closed(tmp_path: Path) -> None:
    """Before they have said who they are."""
    received = Received(tmp_path / "received")
    received.open()
    intake = Intake(received, settings(max_associations=1))
    with DicomListener(intake) as listener:
        waiting = [raw_caller(listener.port) for _ in range(module.MOST_CONNECTIONS)]
        end = time.monotonic() + 20
        while not intake.counts["TOO_MANY_CALLERS"] and time.monotonic() < end:
            waiting.append(raw_caller(listener.port))
            time.sleep(0.05)
        assert is_closed(waiting[-1])
        for caller in waiting:
            caller.close()


def test_instance_that_is_another_than_announced_is_refused(intake: Intake) -> None:
    """The UID of the request and that of the data set differ: neither is believed."""
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, instance(1))
    body = stream.getvalue()
    assert intake.take(body, body, transfer_syntax=ExplicitVRLittleEndian, announced="9.9") == 0xA900
    assert intake.take(body, body, transfer_syntax=ExplicitVRLittleEndian, announced="1.2.3.1") == 0


def test_changed_instance_is_kept_beside_the_first(intake: Intake, listener: DicomListener) -> None:
    """Both are on disk; a person decides."""
    assert store(listener.port, instance(1), instance(1, PatientName="Other")) == [0, 0]
    assert len(kept(intake)) == 2
    assert intake.counts == {"new": 1, "other": 1}


def test_no_more_senders_than_allowed(tmp_path: Path) -> None:
    """The next one is refused for the time being, and served once another has ended."""
    received = Received(tmp_path / "received")
    received.open()
    with DicomListener(Intake(received, settings(max_associations=1))) as listener:
        first = call(listener.port)
        assert first.is_established
        assert not call(listener.port).is_established
        first.release()
        assert store(listener.port, instance(1)) == [0]


def test_disk_is_looked_at_once_a_second(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each of thousands of instances; what came since is reckoned with."""
    looks, moment = [], [0.0]
    intake.clock = lambda: moment[0]
    intake.settings = settings(reserve_gb=1)
    monkeypatch.setattr(intake.received, "free_bytes", lambda: looks.append(1) or (1 << 30) + 1000)
    body = b"x" * 600
    answers = [intake.take(body, body, transfer_syntax=ExplicitVRLittleEndian, announced="") for _ in range(2)]
    assert answers == [0xC000, 0xA700], "the first is looked at (and unreadable), the second has no room"
    moment[0] = 5.0
    assert intake.take(body, body, transfer_syntax=ExplicitVRLittleEndian, announced="") == 0xC000
    assert len(looks) == 2
