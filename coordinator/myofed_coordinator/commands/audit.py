"""`audit verify|export`: the record of everything decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from myofed_coordinator.commands.frame import HomeOption, JsonOption, new_group, opened, show
from myofed_schemas.canonical import canonical_json
from myofed_schemas.files import open_atomically, write_atomically

audit = new_group("The append-only record of everything decided.")


@audit.command("verify")
def verify_audit(home: HomeOption, json: JsonOption = False) -> None:
    """Verifies the whole chain, also against the heads and roots that sites co-signed, and names the first bad entry, if there is one.

    Example: myofed-coordinator audit verify --home /srv/myofed
    """
    with opened(home) as services:
        witnessed = services.heads.witnessed()
        head = services.heads.verify_own()
    known = max(witnessed, default=0)
    document = {**head.model_dump(mode="json"), "cosigned_up_to": known}
    line = f"The chain holds: {head.sequence} entries, co-signed up to {known}, head {head.digest}."
    show(document, lines=[line], as_json=json)


@audit.command("export")
def export_audit(
    jsonl: Annotated[
        Path, typer.Option("--jsonl", help="One entry a line; the signed head as FILE.head.json.", show_default=False)
    ],
    home: HomeOption,
    json: JsonOption = False,
) -> None:
    """Writes the verified chain as JSON lines, and its signed head beside it.

    Example: myofed-coordinator audit export --jsonl audit.jsonl --home /srv/myofed
    """
    with opened(home) as services, open_atomically(jsonl) as out:
        signed = services.heads.export(out)
    beside = jsonl.with_name(jsonl.name + ".head.json")
    write_atomically(beside, canonical_json(signed) + b"\n")
    document = {"path": str(jsonl), "head": str(beside), "entries": signed.head.sequence}
    show(document, lines=[f"Written: {signed.head.sequence} entries, head {signed.head.digest}."], as_json=json)
