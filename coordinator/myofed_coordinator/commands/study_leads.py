"""`study lead list|add|remove`: whose study it is."""

from __future__ import annotations

from typing import Annotated

import typer

from myofed_coordinator.commands.frame import HomeOption, JsonOption, dumped, new_group, opened, operator, show
from myofed_coordinator.studies.leads import StudyLead
from myofed_schemas.clock import system_now

lead = new_group("Who leads a study: writes its next versions, asks for its runs, stops them.")
StudyArgument = Annotated[str, typer.Argument(help="The study's id, e.g. thigh-muscles.", show_default=False)]
NameArgument = Annotated[str, typer.Argument(help="Login name, e.g. ann.lee.", show_default=False)]


@lead.command("list")
def list_leads(study_id: StudyArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Shows who leads a study, the owner first.

    Example: myofed-coordinator study lead list thigh-muscles --home /srv/myofed
    """
    with opened(home) as services:
        found = services.leads.of_study(study_id)
    _show(found, as_json=json)


@lead.command()
def add(study_id: StudyArgument, account: NameArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Lets an account with the role study-lead lead a study; the first one of a study without an owner owns it.

    Example: myofed-coordinator study lead add thigh-muscles ann.lee --home /srv/myofed
    """
    with opened(home) as services:
        found = services.leads.add(study_id, account, by=operator(), now=system_now())
    _show(found, as_json=json)


@lead.command()
def remove(study_id: StudyArgument, name: NameArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Takes a study out of somebody's hands; the last lead stays.

    Example: myofed-coordinator study lead remove thigh-muscles ann.lee --home /srv/myofed
    """
    with opened(home) as services:
        found = services.leads.remove(study_id, name, by=operator(), now=system_now())
    _show(found, as_json=json)


def _show(found: tuple[StudyLead, ...], *, as_json: bool) -> None:
    lines = [_line(each) for each in found] or ["Nobody leads it: `study lead add` assigns an owner."]
    show({"leads": dumped(found)}, lines=lines, as_json=as_json)


def _line(each: StudyLead) -> str:
    what = "owner" if each.owner else "lead"
    where = "" if each.origin == "account" else ", at this machine"
    return f"{each.name:<24} {what}{where}, since {each.added_at} by {each.added_by}"
