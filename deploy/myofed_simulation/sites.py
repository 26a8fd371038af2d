"""Virtual sites: whose subjects each has, and the digest of their files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from myofed_node.learning.data import labelled_subjects
from myofed_node.learning.labels import site_labels
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import StudyManifest
from myofed_simulation.phantoms import make_phantom_site
from myofed_simulation.plan import Dealt, Folders, Phantoms, Plan, SiteData, VirtualSite
from myofed_simulation.study import site_names

Told = Callable[[str], None]
CHUNK_BYTES = 1 << 20


def names_of(plan: Plan) -> tuple[str, ...]:
    """Names of the virtual sites, in their order."""
    if isinstance(plan.source, Folders):
        return tuple(site.name for site in plan.source.sites)
    return site_names(plan.study, plan.source.sites)


def virtual_sites(plan: Plan, manifest: StudyManifest, *, data: Path, told: Told) -> tuple[VirtualSite, ...]:
    """Every virtual site with its subjects; phantoms lie below `data` afterwards.

    Raises:
        MyofedError: SIMULATION_DATA, SIMULATION_SUBJECTS.
    """
    if isinstance(plan.source, Folders):
        sites = tuple(_of_folder(site.name, Path(site.dataset)) for site in plan.source.sites)
    elif isinstance(plan.source, Phantoms):
        sites = _phantoms(plan.source, manifest, seed=plan.seed, data=data, told=told)
    else:
        sites = _dealt(plan.source, manifest, seed=plan.seed)
    for site in sites:
        if len(site.subjects) < manifest.min_subjects:
            raise MyofedError(
                "SIMULATION_SUBJECTS",
                f"expected {manifest.min_subjects} labelled subjects at {site.name}, as min_subjects of the study says, "
                f"found {len(site.subjects)}",
                hint="give the site more subjects, simulate fewer sites, or lower min_subjects",
                exit_code=ExitCode.BAD_INPUT,
            )
    return sites


def dealt(subjects: Iterable[str], *, sites: int, skew: float, seed: int, least: int = 1) -> list[tuple[str, ...]]:
    """Every subject at exactly one of so many sites; the same for the same subjects and seed, in whatever order they come.

    Subjects are ranked by SHA-256 of seed and label. Each site has `least` of them; the others are shared out in proportion
    to k ** -skew for site k = 1..sites, by largest remainder (Hamilton's method).

    Raises:
        MyofedError: SIMULATION_SUBJECTS where there are fewer than `sites * least`.
    """
    ranked = sorted(subjects, key=lambda label: (hashlib.sha256(f"{seed}\0{label}".encode()).hexdigest(), label))
    spare = len(ranked) - sites * least
    if spare < 0:
        raise MyofedError(
            "SIMULATION_SUBJECTS",
            f"expected {sites * least} labelled subjects for {sites} sites, found {len(ranked)}",
            hint="deal to fewer sites, or lower min_subjects of the study",
            exit_code=ExitCode.BAD_INPUT,
        )
    counts = [least + extra for extra in _shares(spare, [(k + 1) ** -skew for k in range(sites)])]
    starts = [sum(counts[:k]) for k in range(sites)]
    return [tuple(sorted(ranked[start : start + n])) for start, n in zip(starts, counts, strict=True)]


def data_of(site: VirtualSite) -> SiteData:
    """Count, and SHA-256 over names and bytes of all files of the site's subjects, label maps included."""
    sha256 = hashlib.sha256()
    root = Path(site.dataset)
    for subject in site.subjects:
        for file in _files(root, subject):
            sha256.update(file.relative_to(root).as_posix().encode() + b"\0")
            with file.open("rb") as stream:
                sha256.update(hashlib.file_digest(stream, "sha256").digest())
    return SiteData(site=site.name, subjects=len(site.subjects), data_sha256=sha256.hexdigest())


def _files(root: Path, subject: str) -> list[Path]:
    folders = [root / f"sub-{subject}", *root.glob(f"derivatives/*/sub-{subject}")]
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def _shares(total: int, weights: Sequence[float]) -> list[int]:
    exact = [total * weight / sum(weights) for weight in weights]
    shares = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda k: (shares[k] - exact[k], k))
    for k in by_remainder[: total - sum(shares)]:
        shares[k] += 1
    return shares


def _of_folder(name: str, dataset: Path) -> VirtualSite:
    found = labelled_subjects(dataset) if dataset.is_dir() else ()
    if not found:
        raise MyofedError(
            "SIMULATION_DATA",
            f"expected an ORMIR-MIDS data set with label maps for {name}, found none",
            hint="a data set holds sub-* and derivatives/labels/sub-*",
            exit_code=ExitCode.INVALID_DATASET,
        )
    return VirtualSite(name=name, dataset=str(dataset), subjects=found)


def _phantoms(
    source: Phantoms, manifest: StudyManifest, *, seed: int, data: Path, told: Told
) -> tuple[VirtualSite, ...]:
    data.mkdir(exist_ok=True)
    for number, name in enumerate(manifest.sites):
        labels = site_labels(manifest, name)
        make_phantom_site(data / name, number=number, subjects=source.subjects, seed=seed, labels=labels)
        told(f"synthetic patients of site {number + 1} of {source.sites}")
    return tuple(_of_folder(name, data / name) for name in manifest.sites)


def _dealt(source: Dealt, manifest: StudyManifest, *, seed: int) -> tuple[VirtualSite, ...]:
    whole = _of_folder("deal", Path(source.dataset))
    hands = dealt(whole.subjects, sites=source.sites, skew=source.skew, seed=seed, least=max(1, manifest.min_subjects))
    return tuple(
        VirtualSite(name=name, dataset=whole.dataset, subjects=hand)
        for name, hand in zip(manifest.sites, hands, strict=True)
    )
