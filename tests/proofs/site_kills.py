"""`subjects import`, `publish` and its withdrawal killed with SIGKILL at random moments and run again: no half file, nothing twice."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from proofs import site_run
from proofs.killed_process import Tree, tree_of
from proofs.site_run import FACTS, NOW, RECEIVED, TOLD, RememberingCoordinator, publisher

sys.path[:0] = [str(Path(__file__).parents[1] / "unit" / each) for each in ("node", "schemas")]  # tiny sites lie there

from site_factories import Scan, demo_site, write_image, write_labels

from myofed_node.audit import SiteAudit
from myofed_node.publication_record import read_record
from myofed_node.site_setup import open_site
from myofed_node.store import SiteStore
from myofed_node.subjects.register import FactsFile, import_facts, read_register
from myofed_schemas.errors import MyofedError
from myofed_schemas.files import HALF_WRITTEN
from myofed_schemas.mids import ImageName, Suffix

SUBJECTS, KNOWN = 12, 5


@dataclass(frozen=True, slots=True)
class Reference:
    """A site before a deed, what an undisturbed one makes of it, and seconds it takes."""

    before: Path
    after: Path
    seconds: float


def killed_sites(kills: int = 100, seed: int = 1) -> tuple[list[dict[str, Any]], list[str]]:
    """What so many kills did, one to three of them before each run to the end, and what must not have happened."""
    rng, begin = random.Random(seed), time.monotonic()
    counts = {"kills": 0, "too late": 0, "runs to the end": 0, **{f"kills of {deed}": 0 for deed in TOLD}}
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="myofed-site-kills-") as folder:
        references = {deed: _reference(Path(folder), deed) for deed in TOLD}
        while counts["kills"] < kills:
            deed = list(TOLD)[counts["runs to the end"] % len(TOLD)]
            root = Path(folder, f"run-{counts['runs to the end']}")
            shutil.copytree(references[deed].before, root)
            for _ in range(min(rng.choice((1, 1, 2, 3)), kills - counts["kills"])):
                status = _kill(deed, root, rng.uniform(0, 1.2 * references[deed].seconds))
                counts["kills" if status else "too late"] += 1
                counts[f"kills of {deed}"] += bool(status)
                faults = half_files(root, references[deed]) + ([f"exit status {status}"] if status > 0 else [])
                failed += [f"{deed}, kill {counts['kills']}: {fault}" for fault in faults]
            ended = _undisturbed(deed, root) is not None
            faults = differences(root, references[deed].after) if ended else ["the deed fails"]
            failed += [f"{deed}, after kill {counts['kills']}: {fault}" for fault in faults]
            counts["runs to the end"] += 1
            shutil.rmtree(root)
    return [{"seed": seed, **counts, "seconds": round(time.monotonic() - begin, 1)}], failed


def make_site(root: Path, deed: str) -> None:
    """A site on which the deed is due: facts known and new, images published and new."""
    site = demo_site(root)
    _fill(root, KNOWN)
    facts = root / FACTS
    facts.write_text(_facts(range(KNOWN), "female"))
    import_facts(site, FactsFile(facts), now=NOW, actor="steward")
    publisher(root).publish(now=NOW)
    facts.write_text(_facts(range(KNOWN - 2, SUBJECTS), "male"))
    if deed == "publish":
        _fill(root, SUBJECTS)


def _fill(root: Path, subjects: int) -> None:
    dataset = open_site(root).folder.dataset
    for number in range(subjects):
        write_image(dataset, Scan(number, ImageName(f"S{number}", "A", Suffix.MEGRE)))
        write_labels(dataset, f"S{number}")


def _facts(numbers: range, sex: str) -> str:
    return "subject,sex,diagnosis\n" + "".join(f"S{number},{sex},ORPHA:269\n" for number in numbers)


def _kill(deed: str, root: Path, after_s: float) -> int:
    """The exit status of a deed that was killed so many seconds after it had begun, if it was not done before."""
    process, watch = _begun(deed, root)
    time.sleep(after_s)
    process.kill()
    process.join()
    watch.close()
    return int(process.exitcode or 0)


def _undisturbed(deed: str, root: Path) -> float | None:
    """Seconds that the deed took; None where it ended with an error."""
    process, watch = _begun(deed, root)
    process.join()
    with watch:
        return float(watch.recv()) if process.exitcode == 0 else None


def _begun(deed: str, root: Path) -> tuple[ForkServerProcess, Connection]:
    """A process that has everything it needs loaded and begins with the deed now."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["myofed_node.publish", "myofed_node.subjects.register"])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=site_run.process, args=(deed, root, theirs), daemon=True)
    process.start()
    theirs.close()
    ours.recv()
    return process, ours


def _reference(folder: Path, deed: str) -> Reference:
    before, after = folder / f"{deed}-before", folder / f"{deed}-after"
    make_site(before, deed)
    shutil.copytree(before, after)
    seconds = _undisturbed(deed, after)
    assert seconds is not None, f"an undisturbed {deed} fails"
    return Reference(before, after, seconds)


def half_files(root: Path, reference: Reference) -> list[str]:
    """What lies in the site's folder at the moment of a kill and must not."""
    site, faults = open_site(root), []
    reads: dict[str, Callable[[], object]] = {
        "subjects.json": lambda: read_register(site),
        "publication.json": lambda: read_record(site.folder),
        "site.sqlite": lambda: SiteStore(site.folder.store).latest_card(),
    }
    for name, read in reads.items():
        try:
            read()
        except MyofedError as error:
            faults.append(f"{name}: {error.code}")
    if not faults:
        expected = [read_register(open_site(each)).subjects for each in (reference.before, reference.after)]
        if read_register(site).subjects not in expected:
            faults.append("a register that is neither the one before nor the one after")
    return faults


def differences(root: Path, after: Path) -> list[str]:
    """How a site where the deed was killed and done again differs from one where it was done once."""
    faults = []
    try:
        SiteAudit(open_site(root).folder).verify()
    except MyofedError as error:
        faults.append(f"the audit chain: {error.code}")
    told, wanted = Counter(_deeds(root)), Counter(_deeds(after))
    faults += [f"not on record: {deed}" for deed in (wanted - told).elements()]
    faults += [f"on record, but should not be: {deed}" for deed in (told - wanted).elements()]
    found, expected = _files(root), _files(after)
    faults += [f"not there: {name}" for name in sorted(expected.keys() - found.keys())]
    faults += [f"there, but should not be: {name}" for name in sorted(found.keys() - expected.keys())]
    faults += [
        f"other content or mode: {name}"
        for name in sorted(found.keys() & expected.keys())
        if found[name] != expected[name]
    ]
    if _last_cards(root) != _last_cards(after):
        faults.append("another card is kept")
    sent = RememberingCoordinator(root / RECEIVED).received()
    if sorted(set(sent)) != sorted(set(RememberingCoordinator(after / RECEIVED).received())):
        faults.append("something else was sent")
    return faults


def _deeds(root: Path) -> list[str]:
    entries = SiteAudit(open_site(root).folder).entries()
    return [
        " ".join([entry.action, *(f"{key}={value}" for key, value in sorted(entry.detail.items()))])
        for entry in entries
    ]


def _last_cards(root: Path) -> object:
    return SiteStore(open_site(root).folder.store).latest_card()


OWN_KIND = ("audit.jsonl", RECEIVED)


def _files(root: Path) -> Tree:
    """What is compared byte by byte: not the chain and the database, which are read, nor locks and files half written."""
    tree = tree_of(root)
    return {
        name: found
        for name, found in tree.items()
        if name not in OWN_KIND and "sqlite" not in name and not HALF_WRITTEN.fullmatch(Path(name).name)
    }
