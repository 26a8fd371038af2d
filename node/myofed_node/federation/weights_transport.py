"""How weights move as the approved manifest says: by reference over `/site/weights`, and the update in its encoding.

Nothing is fetched for a message that names no approved study: the approval is checked here as well, before the first byte.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from myofed_node.federation.approvals import Approvals
from myofed_node.federation.encoding import encode
from myofed_node.federation.flower_adapter import Incoming, Weights
from myofed_node.federation.term import Term
from myofed_node.federation.training_gate import stopped
from myofed_node.federation.weights_link import WeightsLink
from myofed_node.site_folder import SiteFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import Instruction
from myofed_schemas.files import write_atomically
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import Transport
from myofed_schemas.weights_transfer import largest_weights


class WeightsTransport:
    """`flower_adapter.Transport` of this site."""

    def __init__(self, folder: SiteFolder, approvals: Approvals, link: WeightsLink) -> None:
        self._folder = folder
        self._approvals = approvals
        self._link = link

    def fetch(self, instruction: Mapping[str, object], *, total: int, term: Term | None = None) -> Weights:
        """The weights this instruction names.

        Args:
            instruction: Scalars of the message, not checked yet.
            total: How many bytes the message says there are.
            term: Until when the task's answer is waited for; no byte is fetched after it.

        Raises:
            MyofedError: MESSAGE_INVALID, a code of `Approvals.check`, TRANSPORT_NOT_APPROVED, WEIGHTS_SIZE, or one of
                `WeightsLink.fetch`.
        """
        asked, manifest = self._approved(instruction)
        if _transport(manifest).by != "reference":
            raise MyofedError("TRANSPORT_NOT_APPROVED", "expected weights in the message, found them by reference")
        if total > largest_weights(manifest.state_dict):
            raise MyofedError("WEIGHTS_SIZE", "expected weights of the manifest's size, found larger ones")
        file = self._link.fetch(
            _path(asked, asked.weights_sha256),
            sha256=asked.weights_sha256,
            total=total,
            study=asked.study_id,
            timeout_s=min(float(manifest.round_timeout_s), (term or Term()).left_s()),
        )
        with file.open("rb") as stream:
            view = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        return Weights(view, asked.weights_sha256, file)

    def parcel(self, incoming: Incoming, packed: bytes | memoryview) -> bytes | memoryview:
        """The update in the study's encoding; what was rounded away waits in the study's folder for the next round.

        Raises:
            MyofedError: TRAINING_STOPPED, a code of `Approvals.check`, or ENCODING_RANGE.
        """
        self._check_going()
        asked, manifest = self._approved(incoming.instruction)
        encoding = _transport(manifest).encoding
        if encoding == "float32":
            return packed
        kept = Carried(self._folder.study(asked.study_id) / "carried")
        carried = kept.before(asked) if encoding == "delta-int8" else b""
        parcel, left = encode(bytes(packed), incoming=incoming.weights.content, encoding=encoding, carried=carried)
        if left:
            kept.keep(asked, left)
        return parcel

    def upload(
        self,
        instruction: Mapping[str, object],
        parcel: bytes | memoryview | Path,
        *,
        sha256: str,
        term: Term | None = None,
    ) -> None:
        """The coordinator has the parcel under its digest; where it lay in a file, that is gone.

        Raises:
            MyofedError: TRAINING_STOPPED and ROUND_OVER also while it is under way, a code of `Approvals.check` or of
                `WeightsLink.upload`.
        """
        asked, manifest = self._approved(instruction)
        task = term or Term()

        def going() -> None:
            self._check_going()
            task.check()

        timeout_s = min(float(manifest.round_timeout_s), task.left_s())
        self._link.upload(_path(asked, sha256), parcel, study=asked.study_id, timeout_s=timeout_s, going=going)

    def _check_going(self) -> None:
        """The kill switch holds for what is ready as well: the worker is idle while an update is still on its way."""
        if stopped(self._folder):
            raise MyofedError("TRAINING_STOPPED", "expected to go on, found that the site stopped training")

    def _approved(self, instruction: Mapping[str, object]) -> tuple[Instruction, StudyManifest]:
        try:
            asked = Instruction.model_validate(dict(instruction))
        except ValidationError:
            raise MyofedError("MESSAGE_INVALID", "expected an instruction, found something else") from None
        return asked, self._approvals.check(asked).manifest


class Carried:
    """What `delta-int8` rounded away, a file for each round: a round asked for again starts from the same as before."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def before(self, asked: Instruction) -> bytes:
        """What the last earlier round of this run left; empty where there was none."""
        earlier = [path for path in self._of_run(asked) if path.name < self._path(asked).name]
        return earlier[-1].read_bytes() if earlier else b""

    def keep(self, asked: Instruction, left: bytes) -> None:
        """This round left so much; only it and the round before it are kept, of this run alone."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path(asked), left)
        last_two = self._of_run(asked)[-2:]
        for path in self._root.iterdir():
            if path not in last_two:
                path.unlink()

    def _of_run(self, asked: Instruction) -> list[Path]:
        return sorted(self._root.glob(f"{asked.run_id}-*.safetensors")) if self._root.exists() else []

    def _path(self, asked: Instruction) -> Path:
        return self._root / f"{asked.run_id}-{asked.round:04d}.safetensors"


def _transport(manifest: StudyManifest) -> Transport:
    return manifest.transport or Transport()


def _path(asked: Instruction, sha256: str) -> str:
    return f"/site/weights/{asked.run_id}/{sha256}"
