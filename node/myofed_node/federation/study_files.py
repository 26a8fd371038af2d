"""The folder of each study at a site: manifests, the decision, the split; read strictly, a damaged one is refused."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from pydantic import ValidationError

from myofed_node.keys import load_identity_key
from myofed_node.learning.protocol import Roles
from myofed_node.site_folder import SiteFolder
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import SignedDecision, SignedManifest


class StudyFiles:
    """Names and reads the files; `approvals.py` decides what is in them."""

    def __init__(self, folder: SiteFolder) -> None:
        self._folder = folder

    def study_ids(self) -> list[str]:
        """All studies of which a manifest came, sorted."""
        if not self._folder.studies.exists():
            return []
        return [path.name for path in sorted(self._folder.studies.iterdir()) if self.versions(path.name)]

    def versions(self, study_id: str) -> list[int]:
        """All versions that came, ascending."""
        found = self._folder.study(study_id).glob("manifest-*.json")
        return sorted(int(path.stem.removeprefix("manifest-")) for path in found)

    def manifest(self, study_id: str, version: int) -> SignedManifest:
        """The manifest as it came.

        Raises:
            MyofedError: MANIFEST_CHANGED where it is missing or damaged.
        """
        try:
            return SignedManifest.model_validate_json(self.manifest_path(study_id, version).read_bytes())
        except (FileNotFoundError, ValidationError):
            raise refused("MANIFEST_CHANGED", "the stored manifest", "none, or a damaged one") from None

    def decision(self, study_id: str) -> SignedDecision | None:
        """The site's last word, signed with the site's own key; None where nobody decided.

        Raises:
            MyofedError: DECISION_ALTERED.
        """
        path = self.decision_path(study_id)
        if not path.exists():
            return None
        try:
            signed = SignedDecision.model_validate_json(path.read_bytes())
            load_identity_key(self._folder).public_key().verify(
                bytes.fromhex(signed.signature), canonical_json(signed.decision)
            )
        except (ValidationError, InvalidSignature):
            raise refused("DECISION_ALTERED", "a decision signed at this site", "another") from None
        return signed

    def roles(self, study_id: str, version: int) -> Roles:
        """The split made at approval.

        Raises:
            MyofedError: SPLIT_MISSING.
        """
        try:
            return Roles.model_validate_json(self.split_path(study_id, version).read_bytes())
        except (FileNotFoundError, ValidationError):
            raise refused("SPLIT_MISSING", "the split made at approval", "none, or a damaged one") from None

    def splits(self, study_id: str) -> list[Roles]:
        """The splits of all versions that were approved at some time, ascending.

        Raises:
            MyofedError: SPLIT_MISSING where one is damaged.
        """
        versions = [v for v in self.versions(study_id) if self.split_path(study_id, v).exists()]
        return [self.roles(study_id, version) for version in versions]

    def approved_before(self, study_id: str, *, version: int) -> SignedManifest | None:
        """The highest version below this one that was approved here at some time; None where none was.

        Raises:
            MyofedError: MANIFEST_CHANGED where it is damaged.
        """
        earlier = [v for v in self.versions(study_id) if v < version and self.split_path(study_id, v).exists()]
        return self.manifest(study_id, earlier[-1]) if earlier else None

    def manifest_path(self, study_id: str, version: int) -> Path:
        """Where this version lies."""
        return self._folder.study(study_id) / f"manifest-{version}.json"

    def split_path(self, study_id: str, version: int) -> Path:
        """Where the split of this version lies."""
        return self._folder.study(study_id) / f"split-{version}.json"

    def decision_path(self, study_id: str) -> Path:
        """Where the last word lies."""
        return self._folder.study(study_id) / "decision.json"

    def rounds_path(self, study_id: str) -> Path:
        """Where the rounds asked for are listed."""
        return self._folder.study(study_id) / "rounds.jsonl"


def refused(code: str, expected: str, found: str) -> MyofedError:
    """A refusal of a message or a decision, with what would have been accepted."""
    return MyofedError(
        code,
        f"expected {expected}, found {found}",
        hint="myofed-node studies show STUDY; any change is a new version to approve",
        exit_code=ExitCode.NOT_APPROVED,
    )
