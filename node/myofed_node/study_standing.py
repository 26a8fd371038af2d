"""Where each study stands at this site: its budget and whom its tasks left out; a study with a broken file hides no other."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from myofed_node.federation.approvals import Approvals
from myofed_node.federation.privacy_ledger import PrivacyBudget, privacy_budget
from myofed_node.federation.study_files import StudyFiles
from myofed_node.learning.exclusions import RECORDS, TaskKind, read_exclusions
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import ExclusionCount
from myofed_schemas.ids import Code, StudyId
from myofed_schemas.wire import WireModel

Decision = Literal["approved", "declined", "revoked", "waiting"]
TASK_WORDS = {"train": "last training", "evaluate": "final evaluation"}


class LeftOut(WireModel):
    """Whom the last task of one kind had to leave out; exact counts, for this site's own people.

    Attributes:
        task: What was asked.
        asked: Subjects it was to read.
        excluded: Those that could not be used, by code.
    """

    task: TaskKind
    asked: int = Field(ge=0)
    excluded: tuple[ExclusionCount, ...]

    def line(self, study_id: str) -> str:
        """The same in words."""
        number = sum(count.subjects for count in self.excluded)
        codes = ", ".join(f"{count.code} {count.subjects}" for count in self.excluded)
        left = f"{number} of {self.asked} subjects ({codes})" if codes else f"none of {self.asked} subjects"
        return f"  left out of the {TASK_WORDS[self.task]} of {study_id}: {left}"


class StudyStanding(WireModel):
    """One study.

    Attributes:
        code: `OK`, or what is wrong with its files.
        title: Of the newest version; empty where the manifest cannot be read.
        version: The newest; 0 where it cannot be read.
        decision: About the newest version; None where it cannot be read.
        budget: Of a study that asks for privacy.
        left_out: One for each kind of task that ran.
    """

    study_id: StudyId
    code: Code
    title: str = ""
    version: int = Field(default=0, ge=0)
    decision: Decision | None = None
    budget: PrivacyBudget | None = None
    left_out: tuple[LeftOut, ...] = ()

    def lines(self) -> list[str]:
        """What people should know beside the manifest."""
        broken = [] if self.code == "OK" else [f"  {self.study_id} is broken: {self.code}"]
        spent = [self.budget.line()] if self.budget else []
        return [*broken, *spent, *(task.line(self.study_id) for task in self.left_out)]


def study_standings(site: Site) -> tuple[StudyStanding, ...]:
    """Every study of which a manifest came, by id."""
    return tuple(study_standing(site, study_id) for study_id in StudyFiles(site.folder).study_ids())


def study_standing(site: Site, study_id: str) -> StudyStanding:
    """One study, with the first of its files that is broken as its code, and everything else that can be read."""
    folder, codes = site.folder.study(study_id), list[str]()
    known: dict[str, object] = {}
    try:
        state = Approvals(site.folder, site.config).show(study_id)
        manifest, decided = state.newest.manifest, state.decision
        known = {"title": manifest.title, "version": manifest.version}
        known["decision"] = "waiting" if state.waits or decided is None else decided.decision
        known["budget"] = privacy_budget(manifest, study_folder=folder)
    except MyofedError as error:
        codes.append(error.code)
    left_out = []
    for kind, name in RECORDS.items():
        try:
            found = read_exclusions(folder / name)
        except MyofedError as error:
            codes.append(error.code)
            continue
        if found is not None:
            left_out.append(LeftOut(task=kind, asked=found.asked, excluded=found.counts()))
    document = {"study_id": study_id, "code": next(iter(codes), "OK"), "left_out": tuple(left_out), **known}
    return StudyStanding.model_validate(document)
