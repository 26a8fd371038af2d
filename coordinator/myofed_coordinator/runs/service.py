"""The use cases of runs: start one, stop one, say where each stands. A run lives in its folder; the engine follows it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from myofed_coordinator import certificates
from myofed_coordinator.audit import Deed
from myofed_coordinator.runs.folder import FINAL_STATES, RunFolder, RunSites
from myofed_coordinator.services import Services
from myofed_coordinator.studies.leads import Doer, act_as_lead
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import RunStatus
from myofed_schemas.study import SignedManifest

RUN_ID = re.compile(r"run-[a-z0-9]{8,32}")


class RunsService:
    """Works on the home folder and the other rooms' services; `up` need not run."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def start(self, study_id: str, *, actor: str, now: datetime) -> RunStatus:
        """A run of the newest version is ordered; `up` hands it to the engine within seconds.

        Args:
            study_id: The study.
            actor: Who starts it.
            now: Aware.

        Raises:
            MyofedError: STUDY_UNKNOWN, NOT_APPROVED, RUN_ACTIVE where an earlier run of the study has not ended.
        """
        signed = self.check_startable(study_id)
        run_id = f"run-{now.astimezone(UTC):%Y%m%d%H%M%S}{secrets.token_hex(4)}"
        sites = self.participants(signed)
        status = RunStatus(
            run_id=run_id, study_id=study_id, manifest_digest=signed.digest, state="submitted", code="OK", rounds=()
        )
        self._services.audit.append(
            Deed(
                actor,
                "RUN_STARTED",
                run_id,
                {"study": study_id, "manifest": signed.digest, "sites": len(sites.node_keys)},
            ),
            now=now,
        )
        self._make_folder(signed, sites, status)
        return status

    def check_startable(self, study_id: str) -> SignedManifest:
        """The newest version, which a run could be started of now.

        Raises:
            MyofedError: STUDY_UNKNOWN, NOT_APPROVED, RUN_ACTIVE where an earlier run of the study has not ended.
        """
        signed = self._services.studies.ready_to_start(study_id)
        active = [run.run_id for run in self.list() if run.study_id == study_id and run.state not in FINAL_STATES]
        if active:
            raise MyofedError(
                "RUN_ACTIVE",
                f"expected no active run of this study, found {active[0]}",
                hint="wait for its end, or stop it with `study stop`",
                exit_code=ExitCode.BAD_INPUT,
            )
        return signed

    def stop(self, run_id: str, *, actor: Doer, now: datetime) -> RunStatus:
        """The run ends as stopped: at once, or at its ServerApp's next look; an ended run stays as it is.

        Args:
            run_id: The run.
            actor: Who leads its study, or stands in for the leads.
            now: Aware.

        Raises:
            MyofedError: RUN_UNKNOWN; STUDY_NOT_YOURS; STUDY_NO_LEAD.
        """
        folder = self.folder(run_id)
        status = folder.status()
        if status.state in FINAL_STATES:
            return status
        with self._services.database.write() as session:
            act_as_lead(session, self._services.audit, status.study_id, actor, deed="stop", now=now)
            self._services.audit.append(Deed(actor.name, "RUN_STOP_ASKED", run_id), now=now)
        folder.stop_request.touch(mode=0o600)
        if not folder.is_locked():
            folder.write_status(status.model_copy(update={"state": "stopped", "code": "STOPPED"}))
        return folder.status()

    def list(self) -> Sequence[RunStatus]:
        """Every run, oldest first."""
        return [folder.status() for folder in self.folders()]

    def show(self, run_id: str) -> RunStatus:
        """One run.

        Raises:
            MyofedError: RUN_UNKNOWN.
        """
        return self.folder(run_id).status()

    def folder(self, run_id: str) -> RunFolder:
        """The folder of this run.

        Raises:
            MyofedError: RUN_UNKNOWN.
        """
        path = self._services.home.run_folder(run_id)
        if RUN_ID.fullmatch(run_id) is None or not path.is_dir():
            raise MyofedError(
                "RUN_UNKNOWN",
                "expected the id of a run, found none of this name",
                hint="`runs list` shows them",
                exit_code=ExitCode.BAD_INPUT,
            )
        return RunFolder(path)

    def folders(self) -> Sequence[RunFolder]:
        """All runs' folders, oldest first: the id begins with the time."""
        root = self._services.home.runs
        names = sorted(path.name for path in root.iterdir() if RUN_ID.fullmatch(path.name)) if root.exists() else []
        return [RunFolder(root / name) for name in names]

    def participants(self, signed: SignedManifest) -> RunSites:
        """Sites that approved this version and are enrolled now, with the digests of their node keys."""
        approved = self._services.studies.approved_sites(signed.manifest.study_id, version=signed.manifest.version)
        keys = dict(self._services.enrolment.approved_node_keys())
        return RunSites(node_keys={s: certificates.node_key_sha256(keys[s]) for s in approved if s in keys})

    def _make_folder(self, signed: SignedManifest, sites: RunSites, status: RunStatus) -> None:
        """Appears whole or not at all: made under another name, then renamed."""
        final = self._services.home.run_folder(status.run_id)
        final.parent.mkdir(mode=0o700, exist_ok=True)
        draft = RunFolder(final.with_name(f".{status.run_id}"))
        draft.root.mkdir(mode=0o700)
        draft.write_manifest(signed)
        draft.write_sites(sites)
        draft.write_status(status)
        shutil.copyfile(self._weights(signed), draft.initial_weights)
        os.rename(draft.root, final)  # noqa: PTH104  beside fsync and replace, the words of the rule

    def _weights(self, signed: SignedManifest) -> Path:
        return self._services.home.models / f"{signed.manifest.initial_weights_sha256}.safetensors"
