"""Commands about the site's key and the vault: show, escrow, shares, restore, rotate; look-up and its record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myofed_node.commands.console import JsonOption, SiteOption, reporting
from myofed_node.commands.passphrase import PassphraseOption, read_passphrase
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

if TYPE_CHECKING:
    from myofed_anonymization.keys import SiteKeys
    from myofed_node.key_custody import Escrow

AbandonOption = Annotated[
    bool,
    typer.Option("--abandon-links", help="Although subjects are there: their old and new files will not match."),
]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    key = typer.Typer(help="The key of pseudonyms, UIDs and dates.", no_args_is_help=True, rich_markup_mode=None)
    key.command("show", epilog="Example: myofed-node key show --site /srv/myofed")(key_show)
    key.command("escrow", epilog="Example: myofed-node key escrow --site /srv/myofed --out /media/a/key.json")(
        key_escrow
    )
    shares = "Example: myofed-node key shares --site /srv/myofed --needed 2 --shares 3 --out /media/a/shares"
    key.command("shares", epilog=shares)(key_shares)
    key.command("restore", epilog="Example: myofed-node key restore --site /srv/myofed --from /media/a/key.json")(
        key_restore
    )
    key.command("rotate", epilog="Example: myofed-node key rotate --site /srv/myofed --escrow /media/a/old-key.json")(
        key_rotate
    )
    app.add_typer(key, name="key")
    vault = typer.Typer(help="Back from a pseudonym to its patient.", no_args_is_help=True, rich_markup_mode=None)
    lookup = "Example: myofed-node vault lookup ABCDEFGH23456723 --site /srv/myofed --reason 'nodule, Dr A informs'"
    vault.command("lookup", epilog=lookup)(vault_lookup)
    vault.command("audit", epilog="Example: myofed-node vault audit --site /srv/myofed --json")(vault_audit)
    app.add_typer(vault, name="vault")


def key_show(site: SiteOption, as_json: JsonOption = False) -> None:
    """Show check, age, mode and owner of the site's key; never the key."""
    with reporting(as_json=as_json) as console:
        from myofed_node.key_custody import key_facts
        from myofed_node.site_setup import open_site

        facts = key_facts(open_site(site), now=system_now())
        lines = [f"key {facts.check}: {facts.age_days} days old, mode {facts.mode}, owner {facts.owner}"]
        if facts.rotation_pending:
            lines.append("a rotation was cut short: make the same call again")
        console.result(facts, lines)


def key_escrow(
    site: SiteOption,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="New file, outside the site's folder.")],
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Seal the site's key under a passphrase in FILE, then read it back. The passphrase is asked for twice."""
    with reporting(as_json=as_json) as console:
        from myofed_node.key_custody import escrow_key
        from myofed_node.site_setup import open_site

        check = escrow_key(open_site(site), _escrow(out, passphrase_file, new=True), now=system_now())
        console.result({"check": check}, [f"key {check} is in the escrow, which was read back"])


def key_shares(
    site: SiteOption,
    needed: Annotated[int, typer.Option("--needed", metavar="M", help="Sheets that restore the key; 2 or more.")],
    shares: Annotated[int, typer.Option("--shares", metavar="N", help="Sheets to make.")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="New or empty, outside the site's folder.")],
    as_json: JsonOption = False,
) -> None:
    """Write N sheets to FOLDER, any M of which give the site's key back; print them, then destroy the files."""
    with reporting(as_json=as_json) as console:
        from myofed_node.key_custody import share_key
        from myofed_node.site_setup import open_site

        paths = share_key(open_site(site), out, shares=shares, needed=needed, now=system_now())
        document = {"sheets": [path.name for path in paths], "needed": needed}
        console.result(document, [f"{shares} sheets, any {needed} restore the key; they were read back"])


def key_restore(
    site: SiteOption,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Escrow of the key.", show_default=False)
    ] = None,
    shares: Annotated[
        list[Path] | None, typer.Option("--shares", metavar="FILE", help="A share's sheet; once a sheet.")
    ] = None,
    passphrase_file: PassphraseOption = None,
    abandon_links: AbandonOption = False,
    as_json: JsonOption = False,
) -> None:
    """Restore the site's key from an escrow or from shares. Another key that is there is never overwritten."""
    with reporting(as_json=as_json) as console:
        from myofed_node.key_custody import restore_key
        from myofed_node.site_setup import open_site

        opened = open_site(site)
        keys = _restored(source, shares or [], passphrase_file)
        check = restore_key(opened, keys, now=system_now(), abandon_links=abandon_links)
        console.result({"check": check}, [f"the site has key {check}"])


def key_rotate(
    site: SiteOption,
    escrow: Annotated[
        Path, typer.Option("--escrow", metavar="FILE", help="New file for the old key, outside the site's folder.")
    ],
    abandon_links: AbandonOption = False,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the site a new key, after the old one was sealed in FILE and read back. Cut short: the same call again."""
    with reporting(as_json=as_json) as console:
        from myofed_node.key_rotation import rotate_key
        from myofed_node.site_setup import open_site

        opened, sealed = open_site(site), _escrow(escrow, passphrase_file, new=True)
        made = rotate_key(opened, sealed, now=system_now(), abandon_links=abandon_links)
        lines = [f"the site has key {made.new_check}; key {made.old_check} is in the escrow, which was read back"]
        if made.abandoned_subjects:
            lines.append(f"{made.abandoned_subjects} subjects: their new files will be other subjects")
        console.result(made, lines)


def vault_lookup(
    pseudonym: Annotated[str, typer.Argument(metavar="PSEUDONYM", help="As in the data set.", show_default=False)],
    site: SiteOption,
    reason: Annotated[str, typer.Option("--reason", help="Why, in 10 to 500 characters; goes on record.")],
    as_json: JsonOption = False,
) -> None:
    """Show whose pseudonym this is; who asked, when and why is on record before the answer."""
    with reporting(as_json=as_json) as console:
        from myofed_node.site_setup import open_site
        from myofed_node.vault_desk import look_up, person

        found = look_up(open_site(site), pseudonym, reason=reason, who=person(), now=system_now())
        console.result(found, [found.line()])


def vault_audit(site: SiteOption, as_json: JsonOption = False) -> None:
    """Show every look-up, after the record was verified against its chain and against the site's own."""
    with reporting(as_json=as_json) as console:
        from myofed_node.site_setup import open_site
        from myofed_node.vault_desk import look_ups

        found = look_ups(open_site(site))
        console.result(found, found.lines())


def _escrow(path: Path, passphrase_file: Path | None, *, new: bool) -> Escrow:
    from myofed_node.key_custody import Escrow

    return Escrow(path, read_passphrase(passphrase_file, new=new))


def _restored(source: Path | None, shares: list[Path], passphrase_file: Path | None) -> SiteKeys:
    if (source is None) == (not shares):
        raise _usage("KEY_SOURCE", "--from FILE or --shares FILE, found both or neither", "name one of them")
    if source is not None:
        return _escrow(source, passphrase_file, new=False).key()
    from myofed_anonymization.key_shares import join
    from myofed_node.key_custody import share_of

    return join(share_of(path.read_text(encoding="utf-8", errors="replace")) for path in shares)


def _usage(code: str, expected: str, hint: str) -> MyofedError:
    return MyofedError(code, f"expected {expected}", hint=hint, exit_code=ExitCode.USAGE)
