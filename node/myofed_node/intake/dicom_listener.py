"""The site's DICOM port (C-STORE and C-ECHO, pynetdicom): an instance is acknowledged once it is safely on disk.

The adapter to pynetdicom, and the only module that knows it.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from socketserver import BaseServer
from typing import Any, Self

from pydicom.uid import UID, DeflatedExplicitVRLittleEndian
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, VerificationPresentationContexts, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.transport import ThreadedAssociationServer

from myofed_node.intake.instance import UnreadableInstanceError, place_of
from myofed_node.intake.received import Kept, Received
from myofed_node.intake.settings import IntakeSettings

log = logging.getLogger("myofed.intake")

SUCCESS, OUT_OF_RESOURCES, NOT_AS_ANNOUNCED, UNREADABLE = 0x0000, 0xA700, 0xA900, 0xC000
"""PS3.4 annex B.2.3: what a sender is answered."""
ACSE_TIMEOUT_S, DIMSE_TIMEOUT_S, NETWORK_TIMEOUT_S = 30, 60, 300
STALL_S = 60.0
"""A caller that stops in the middle of what it says loses its connection; without that it would hold its place for ever."""
MOST_CONNECTIONS = 4
"""Times the associations: connections that have not said yet who they are."""
ENDS_S, ACCEPTS_S = 5.0, 1.0
LOOK_AT_DISK_S = 1.0
GIB, MIB = 1 << 30, 1 << 20
MAX_PDU_BYTES = 1 << 17
MOST_HELD = 2
"""Times the largest instance: up to there a sender is told by a status, and goes on with the next."""
SYNTAXES = [each for each in ALL_TRANSFER_SYNTAXES if each != DeflatedExplicitVRLittleEndian]
"""Not the deflated one: 200 kB of it can become 200 MB."""


@dataclass
class Intake:
    """What is done with each instance, whoever brought it.

    Attributes:
        received: Where it goes.
        settings: Of the site.
        counts: What became of instances since the start, by outcome or code.
        clock: Monotonic seconds.
    """

    received: Received
    settings: IntakeSettings
    counts: Counter[str] = field(default_factory=Counter)
    clock: Callable[[], float] = time.monotonic
    _free: int = field(default=0, init=False)
    _looked: float = field(default=float("-inf"), init=False)

    def take(self, whole: bytes, body: bytes, *, transfer_syntax: UID, announced: str) -> int:
        """The status for the sender: success only when the instance is on disk.

        Args:
            whole: The file: preamble, file meta information, data set.
            body: The data set alone.
            transfer_syntax: Of the data set.
            announced: SOP Instance UID of the request.
        """
        if len(whole) > self.settings.max_instance_mb * MIB or not self._has_room(len(whole)):
            return self._refuse("OUT_OF_RESOURCES", OUT_OF_RESOURCES)
        try:
            place = place_of(body, transfer_syntax=transfer_syntax)
        except UnreadableInstanceError:
            return self._refuse("INSTANCE_UNREADABLE", UNREADABLE)
        if place.instance != announced:
            return self._refuse("INSTANCE_NOT_AS_ANNOUNCED", NOT_AS_ANNOUNCED)
        try:
            kept = self.received.keep(place, [whole])
        except OSError:
            self._looked = float("-inf")
            return self._refuse("DISK_REFUSES", OUT_OF_RESOURCES)
        if kept is Kept.OTHER:
            log.warning("INSTANCE_CHANGED: another instance with a UID that came before; both are kept")
        self.counts[kept] += 1
        return SUCCESS

    def _has_room(self, size: int) -> bool:
        """The disk is looked at once a second; what came since is reckoned with."""
        if self.clock() - self._looked > LOOK_AT_DISK_S:
            self._free, self._looked = self.received.free_bytes(), self.clock()
        self._free -= size
        return self._free >= self.settings.reserve_gb * GIB

    def note(self, code: str) -> None:
        """Something was refused."""
        self.counts[code] += 1
        log.warning("refused: %s", code)

    def _refuse(self, code: str, status: int) -> int:
        self.note(code)
        return status


class _KnownAddresses(ThreadedAssociationServer):
    """Closes a connection from an address of no peer before a byte of it is read; several processes may have the port."""

    daemon_threads = True
    intake: Intake

    def server_bind(self) -> None:
        """The system spreads callers over the processes that bound the port alike."""
        assert self.socket is not None
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()
        self.socket.settimeout(ACCEPTS_S)  # a caller that went before it was let in does not stop the loop

    def shutdown(self) -> None:
        """Nobody is let in any more; who is in is left as is (pynetdicom's own looks for a server that `make_server` never notes)."""
        BaseServer.shutdown(self)
        self.server_close()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """The next caller whose address is known; a handshake of TLS is left to its own thread, where it stops nobody else.

        Raises:
            ConnectionRefusedError: It is not known; the server goes on.
        """
        assert self.socket is not None
        caller, address = self.socket.accept()
        if not self.intake.settings.is_known(address[0]):
            caller.close()
            self.intake.note("CALLER_UNKNOWN")
            raise ConnectionRefusedError
        if len(self.active_associations) >= MOST_CONNECTIONS * self.intake.settings.max_associations:
            caller.close()
            self.intake.note("TOO_MANY_CALLERS")
            raise ConnectionRefusedError
        caller.settimeout(STALL_S)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self.ssl_context is not None:
            caller = self.ssl_context.wrap_socket(caller, server_side=True, do_handshake_on_connect=False)
        return caller, address


class DicomListener:
    """The port, while it is open; use as a context manager."""

    def __init__(self, intake: Intake, *, tls: ssl.SSLContext | None = None) -> None:
        self._intake, self._tls = intake, tls
        self._held: dict[int, int] = {}
        """Bytes of each association since its last whole instance."""
        self._entity: AE | None = None
        self._server: ThreadedAssociationServer | None = None

    def __enter__(self) -> Self:
        """The port is open.

        Raises:
            OSError: The address or port cannot be had.
        """
        settings = self._intake.settings
        entity = AE(settings.ae_title)
        entity.require_called_aet = True
        entity.require_calling_aet = sorted({peer.ae_title for peer in settings.peers})
        entity.maximum_associations = settings.max_associations
        entity.maximum_pdu_size = MAX_PDU_BYTES
        entity.acse_timeout, entity.dimse_timeout = ACSE_TIMEOUT_S, DIMSE_TIMEOUT_S
        entity.network_timeout = NETWORK_TIMEOUT_S
        for context in VerificationPresentationContexts:
            entity.add_supported_context(context.abstract_syntax or "")
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax or "", SYNTAXES)
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, self._bound),
            (evt.EVT_REQUESTED, self._asked),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_DATA_RECV, self._measure),
            (evt.EVT_CONN_CLOSE, self._forget),
        ]
        kind = type("_Server", (_KnownAddresses,), {"intake": self._intake})
        server = entity.make_server(
            (settings.address, settings.port or 0), ssl_context=self._tls, evt_handlers=handlers, server_class=kind
        )
        self._entity, self._server = entity, server
        threading.Thread(target=server.serve_forever, name="dicom-port", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """The port is closed; associations that are open are aborted, and their senders send again.

        pynetdicom waits for ever for a caller that has not said yet who it is; what is acknowledged is on disk, so nobody waits here.
        """
        if self._entity is not None and self._server is not None:
            ending = threading.Thread(target=self._end, name="dicom-port-end", daemon=True)
            ending.start()
            ending.join(ENDS_S)

    def _end(self) -> None:
        if self._entity is not None and self._server is not None:
            self._server.shutdown()
            self._entity.shutdown()

    @property
    def port(self) -> int:
        """On which it listens."""
        return int(self._server.server_address[1]) if self._server is not None else 0

    def _bound(self, event: evt.Event) -> None:
        """A PDU that is longer than we said we take is not read: pynetdicom would hold all of it in memory."""
        connection = event.assoc.dul.socket
        assert connection is not None
        read = connection.recv

        def bounded(count: int) -> bytearray:
            if count > MAX_PDU_BYTES:
                self._intake.note("PDU_TOO_LONG")
                raise ConnectionAbortedError
            return read(count)

        setattr(connection, "recv", bounded)  # noqa: B010  a test sees whether pynetdicom still asks it

    def _asked(self, event: evt.Event) -> None:
        """A peer's name from another peer's address is refused, too."""
        caller = event.assoc.requestor
        name = caller.primitive.calling_ae_title if caller.primitive is not None else ""
        if not self._intake.settings.admits(ae_title=name.strip(), address=caller.address or ""):
            self._intake.note("CALLER_UNKNOWN")
            event.assoc.abort()

    def _measure(self, event: evt.Event) -> None:
        """An instance that grows far beyond what the site takes ends its association before it fills the memory."""
        held = self._held.get(id(event.assoc), 0) + len(event.data)
        self._held[id(event.assoc)] = held
        if held > MOST_HELD * self._intake.settings.max_instance_mb * MIB:
            self._intake.note("OUT_OF_RESOURCES")
            event.assoc.abort()

    def _forget(self, event: evt.Event) -> None:
        self._held.pop(id(event.assoc), None)

    def _store(self, event: evt.Event) -> int:
        if event.assoc.dimse.msg_queue.empty():  # else the sender does not wait for answers, and all that counts on
            self._held[id(event.assoc)] = 0
        assert isinstance(event.request, C_STORE), "the handler of C-STORE"
        return self._intake.take(
            event.encoded_dataset(),
            event.encoded_dataset(include_meta=False),
            transfer_syntax=UID(event.context.transfer_syntax),
            announced=str(event.request.AffectedSOPInstanceUID),
        )
