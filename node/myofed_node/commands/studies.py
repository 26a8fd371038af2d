"""Commands about studies: what is offered, and what this site's people decide."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myofed_node.commands import training
from myofed_node.commands.console import Console, JsonOption, SiteOption, reporting
from myofed_node.commands.passphrase import PassphraseOption, read_passphrase
from myofed_schemas.approval import DeclineReason, SiteRole
from myofed_schemas.clock import system_now

if TYPE_CHECKING:
    from myofed_node.federation.personal_approvals import PersonalSignature
    from myofed_node.study_desk import Decided, Signed, StudyDesk, StudyOverview


@dataclass(frozen=True)
class SigningInput:
    """What a command was given to sign with."""

    person: str
    role: SiteRole | None
    key: Path | None
    passphrase_file: Path | None
    statement: Path | None
    signature: Path | None


PersonOption = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Sign as this person (people list).", show_default=False)
]
RoleOption = Annotated[
    SiteRole | None, typer.Option("--role", help="In which of the person's roles; needed where there are several.")
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key", metavar="FILE", help="The person's sealed key, where it is not kept here.", show_default=False
    ),
]
StatementOption = Annotated[
    Path | None,
    typer.Option("--statement", metavar="FILE", help="From studies statement, signed elsewhere.", show_default=False),
]
SignatureOption = Annotated[
    Path | None,
    typer.Option("--signature", metavar="FILE", help="The 64 bytes (or hexadecimal) over it.", show_default=False),
]
StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="The study's id.", show_default=False)]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    studies = typer.Typer(help="Studies that the coordinator offers.", no_args_is_help=True, rich_markup_mode=None)
    studies.command("list", epilog="Example: myofed-node studies list --site /srv/myofed")(list_studies)
    studies.command("show", epilog="Example: myofed-node studies show thigh-muscles --site /srv/myofed")(show_study)
    statement = "Example: myofed-node studies statement thigh-muscles --as j.smith --out thigh.txt --site /srv/myofed"
    studies.command("statement", epilog=statement)(write_statement)
    app.add_typer(studies, name="studies")
    app.command("approve", epilog="Example: myofed-node approve thigh-muscles --as j.smith --site /srv/myofed")(approve)
    app.command(
        "decline",
        epilog="Example: myofed-node decline thigh-muscles --as j.smith --reason DECLINED_CAPACITY --site /srv/myofed",
    )(decline)
    app.command("revoke", epilog="Example: myofed-node revoke thigh-muscles --site /srv/myofed")(revoke)
    training.register(app)


def list_studies(site: SiteOption, as_json: JsonOption = False) -> None:
    """List the studies this site was asked to join, and what was decided about the newest version of each."""
    with reporting(as_json=as_json) as console:
        found = _desk(site).list()
        lines = [f"{s.study_id} version {s.version}: {s.decision}{_waiting(s)} - {s.title}" for s in found.studies]
        console.result(found, lines or ["no study yet; a running node fetches new ones by itself"])


def show_study(study: StudyArgument, site: SiteOption, as_json: JsonOption = False) -> None:
    """Show what a study asks for, in words, what would leave this site, and what changed since it was approved here last."""
    with reporting(as_json=as_json) as console:
        from myofed_node.manifest_words import difference_lines, manifest_lines
        from myofed_node.planning_desk import plan_lines
        from myofed_node.study_standing import study_standing

        desk = _desk(site)
        newest = desk.approvals.show(study).newest
        standing = study_standing(desk.site, study)
        changes = difference_lines(newest.manifest, desk.approvals.approved_before(study))
        notes = [f"  {note}" for note in desk.notes(study)]
        refusal = desk.refusal(study)
        if refusal is not None:
            notes.append(f"  AN APPROVAL WOULD BE REFUSED NOW: {refusal}")
        planned = plan_lines(newest.manifest, site=desk.site.config.site)
        signing = f"  an approval needs: {', '.join(desk.approvals.people.rule.required_roles)}"
        lines = [*manifest_lines(newest.manifest), *planned, *changes, *notes, *standing.lines(), signing]
        console.result(newest, lines)


def write_statement(
    study: StudyArgument,
    site: SiteOption,
    person: Annotated[str, typer.Option("--as", metavar="NAME", help="Whose statement.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to sign, with Ed25519, as it is.")],
    role: RoleOption = None,
    decline: Annotated[DeclineReason | None, typer.Option("--decline", help="Decline, for this reason.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the statement about the newest version that a person whose key never comes here signs elsewhere."""
    with reporting(as_json=as_json) as console:
        from myofed_node.personal_signing import statement_of
        from myofed_schemas.canonical import canonical_json
        from myofed_schemas.files import write_atomically

        desk = _desk(site)
        made = statement_of(desk, study, person=person, role=role, decline=decline, now=system_now())
        write_atomically(out, canonical_json(made), mode=0o644)
        hint = "sign exactly these bytes, then: approve or decline STUDY --as NAME --statement FILE --signature FILE"
        console.result(made, [f"{out.name}: {made.role} {made.decision} {made.study_id} version {made.version}", hint])


def approve(
    study: StudyArgument,
    site: SiteOption,
    digest: Annotated[
        str, typer.Option("--digest", help="Beginning of the digest you read; a newer version is refused.")
    ] = "",
    person: PersonOption = None,
    role: RoleOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseOption = None,
    statement: StatementOption = None,
    signature: SignatureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve the newest version of a study: exactly this manifest may train here, nothing else.

    Where the site's policy asks for signatures of people (it does unless it is marked demo), each signs with --as NAME, and
    the site approves with the last one.
    """
    with reporting(as_json=as_json) as console:
        from myofed_node.learning.models import check_architecture

        desk = _desk(site)
        newest = desk.approvals.show(study).newest
        if newest.digest.startswith(digest):  # else it is refused below
            check_architecture(newest.manifest)
        read = digest or newest.digest
        desk.approvals.check_read(study, read)
        rule = desk.approvals.people.rule
        if person is None and "operator" in rule.required_roles and not rule.operator_alone:
            _tell_signed(console, desk.sign_as_operator(study, by=getpass.getuser(), now=system_now()))
            return
        if person is None:
            _tell(console, desk.approve(study, by=getpass.getuser(), now=system_now(), digest=read))
            return
        given = SigningInput(person, role, key, passphrase_file, statement, signature)
        _tell_signed(console, desk.sign(_signed(desk, study, given, decline=None), now=system_now()))


def decline(
    study: StudyArgument,
    site: SiteOption,
    reason: Annotated[
        DeclineReason, typer.Option("--reason", help="The code that the coordinator learns; docs/approvals.md.")
    ] = "DECLINED",
    person: PersonOption = None,
    role: RoleOption = None,
    key: KeyOption = None,
    passphrase_file: PassphraseOption = None,
    statement: StatementOption = None,
    signature: SignatureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decline the newest version of a study; the coordinator learns the decision and a reason's code, no name.

    Anybody who may sign here, and the operator, can decline: one is enough.
    """
    with reporting(as_json=as_json) as console:
        desk = _desk(site)
        if person is None:
            _tell(console, desk.decline(study, by=getpass.getuser(), now=system_now(), reason=reason))
            return
        given = SigningInput(person, role, key, passphrase_file, statement, signature)
        _tell_signed(console, desk.sign(_signed(desk, study, given, decline=reason), now=system_now()))


def revoke(study: StudyArgument, site: SiteOption, as_json: JsonOption = False) -> None:
    """Revoke an approval: from its next message on, the study trains here no more."""
    with reporting(as_json=as_json) as console:
        _tell(console, _desk(site).revoke(study, by=getpass.getuser(), now=system_now()))


def _waiting(study: StudyOverview) -> str:
    return f", waits for {', '.join(study.waits_for)}" if study.waits_for else ""


def _desk(site: Path) -> StudyDesk:
    from myofed_node.coordinator_api import CoordinatorApi
    from myofed_node.federation.egress_client import EgressClient
    from myofed_node.site_setup import open_site
    from myofed_node.study_desk import StudyDesk

    opened = open_site(site)
    return StudyDesk(opened, CoordinatorApi(EgressClient(opened.folder)))


def _tell(console: Console, decided: Decided) -> None:
    decision = decided.decision.decision
    reached = "the coordinator knows" if decided.delivered else "the coordinator will know when the node runs"
    said = f"{decision.study_id} version {decision.version}: {decision.decision} ({reached})"
    console.result(decided, [said, *(f"  {note}" for note in decided.notes)])


def _signed(desk: StudyDesk, study: str, given: SigningInput, *, decline: DeclineReason | None) -> PersonalSignature:
    """The person's signature: made here with the opened key, or brought."""
    from myofed_node.personal_signing import brought_signature, make_signature, statement_of

    if given.statement or given.signature:
        return brought_signature(given.person, given.statement, given.signature, declines=decline is not None)
    made = statement_of(desk, study, person=given.person, role=given.role, decline=decline, now=system_now())
    return make_signature(
        desk,
        made,
        person=given.person,
        passphrase=lambda: read_passphrase(given.passphrase_file, new=False),
        key=given.key,
    )


def _tell_signed(console: Console, signed: Signed) -> None:
    said = f"{signed.study_id} version {signed.version}: signed by {signed.person} as {signed.role}"
    if signed.decided is None:
        console.result(signed, [said, f"  waits for: {', '.join(signed.waits_for)}; nothing has left yet"])
        return
    decision = signed.decided.decision.decision.decision
    reached = "the coordinator knows" if signed.decided.delivered else "the coordinator will know when the node runs"
    notes = [f"  {note}" for note in signed.decided.notes]
    console.result(signed, [said, f"  the site has {decision} it ({reached}; no name leaves)", *notes])
