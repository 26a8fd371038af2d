"""Phantom hospitals for `bench learning`: who has which scanner, diseases and patients, and what a study of them asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from myofed_demo.phantom import Subject, in_phase, make_subject, subject_rng
from myofed_demo.presets import PRESETS
from myofed_demo.scanner import ScannerPreset
from myofed_node.learning.models import initial_weights, state_dict_spec
from myofed_node.learning.split import split_subjects
from myofed_node.learning.subjects import LabelledVolume, Slices, slices_of
from myofed_node.learning.train import TrainingData
from myofed_node.learning.transforms import canonical, foreground, thigh_classes, thigh_grids
from myofed_schemas.anatomy import THIGH_11, Side
from myofed_schemas.canonical import digest
from myofed_schemas.muscle_sets import structures
from myofed_schemas.study import Architecture, InputImage, Split, StudyManifest, Training
from myofed_schemas.study_options import MixedLabels, SiteLabels
from myofed_schemas.wire import WireModel

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
PERCENT_STEPS = 2.5
"""The fat fraction is sampled as a byte: 0.4 points a step."""
UNKNOWN = 255


class Hospital(WireModel):
    """A phantom site: its scanner (which has its own diseases), how the legs lie there, and how many subjects.

    Attributes:
        name: Site id.
        scanner: Key of the demo's presets.
        subjects: How many.
        turned_degrees: How far the legs are turned, mean and standard deviation.
        muscle_snr: Signal of muscle over noise.
    """

    name: str
    scanner: str
    subjects: int
    turned_degrees: tuple[float, float]
    muscle_snr: float

    def preset(self) -> ScannerPreset:
        """The scanner as it is used here."""
        known = PRESETS[self.scanner]
        positioning = replace(known.positioning, rotation_degrees=self.turned_degrees)
        return replace(known, positioning=positioning, muscle_snr=self.muscle_snr)


class Settings(WireModel):
    """Everything that decides the figures; its digest names the cache and stands beside them."""

    hospitals: tuple[Hospital, ...] = (
        Hospital(name="hospital-a", scanner="siemens-3t", subjects=18, turned_degrees=(0.0, 5.0), muscle_snr=35.0),
        Hospital(name="hospital-b", scanner="philips-1.5t", subjects=14, turned_degrees=(26.0, 6.0), muscle_snr=22.0),
        Hospital(name="hospital-c", scanner="ge-3t", subjects=11, turned_degrees=(-14.0, 6.0), muscle_snr=18.0),
    )
    never_trained: Hospital = Hospital(
        name="hospital-d", scanner="siemens-3t-dixon", subjects=6, turned_degrees=(12.0, 6.0), muscle_snr=26.0
    )
    group_only: str = "hospital-b"
    groups: tuple[str, ...] = ("quadriceps", "sartorius", "gracilis", "AM", "hamstrings")
    """What the group-only hospital draws; the phantom draws one adductor only, so that this group is that muscle."""
    spacing_mm: float = 2.2
    size_px: int = 80
    channels: tuple[int, ...] = (16, 32, 64, 128)
    norm: str = "instance-affine"
    rounds: int = 20
    local_steps: int = 15
    long_rounds: int = 40
    batch_size: int = 8
    learning_rate: float = 0.01
    learning_rate_end: float = 0.0005
    single_rates: tuple[float, ...] = (0.003, 0.01, 0.03)
    augmentation: str = "geometric"
    proximal_mu: float = 0.01
    server_rate: float = 0.03
    beta_1: float = 0.5
    beta_2: float = 0.99
    tau: float = 0.01
    trim_percent: int = 34
    mixed_strategy: str = "fedbn"
    mixed_rounds: int = 60
    distillation: float = 0.0
    step_percent: int = 100

    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest(self)

    def patients_digest(self) -> str:
        """Of what decides who the patients are and what is drawn of them; the rest stands in the manifests."""
        decisive = {"hospitals", "never_trained", "group_only", "groups", "spacing_mm", "size_px"}
        return digest(self.model_dump(mode="json", include=decisive))


@dataclass(frozen=True)
class Patient:
    """One subject as network and radiologist see it.

    Attributes:
        slices: With targets of the site's label space.
        single: The same slices, every muscle drawn singly: the truth of the phantom.
        fat_percent: (n, h, w) true proton density fat fraction, NaN where there is no tissue.
    """

    slices: Slices
    single: Slices
    fat_percent: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Site:
    """One hospital's subjects by role."""

    name: str
    train: Sequence[Patient]
    validation: Sequence[Patient]
    test: Sequence[Patient]
    labels: SiteLabels | None = None

    def data(self) -> TrainingData:
        """What training may see; validation subjects, who would score each round's incoming model, are left out here."""
        return TrainingData([p.slices for p in self.train], labels=self.labels)


def study(settings: Settings, *, seed: int, **changes: object) -> StudyManifest:
    """The manifest of the comparison; `changes` for a strategy or a longer run."""
    architecture = Architecture.model_validate(
        {
            "name": "monai-unet-2d",
            "in_channels": 1,
            "out_channels": len(THIGH_11) + 1,
            "channels": settings.channels,
            "strides": (2,) * (len(settings.channels) - 1),
            "num_res_units": 0,
            "norm": settings.norm,
        }
    )
    training = asdict_of(settings, "learning_rate", "learning_rate_end", "batch_size", "local_steps", "augmentation")
    document = {
        "study_id": "learning-bench",
        "version": 1,
        "title": "Learning bench",
        "purpose": "Compare ways to learn together",
        "sites": tuple(h.name for h in settings.hospitals),
        "muscles": THIGH_11,
        "architecture": architecture,
        "state_dict": state_dict_spec(architecture),
        "initial_weights_sha256": hashlib.sha256(start(architecture, seed=seed)).hexdigest(),
        "image": InputImage(
            kind="in-phase-magnitude", spacing_mm=settings.spacing_mm, size_px=(settings.size_px, settings.size_px)
        ),
        "training": Training.model_validate(training | {"optimiser": "adamw", "weight_decay": 1e-4, "seed": seed}),
        "split": Split(test_percent=25, validation_percent=15, salt=f"seed-{seed}"),
        "strategy": "fedavg",
        "weighting": "uniform",
        "rounds": settings.rounds,
        "min_sites": 2,
        "min_subjects": 4,
        "round_timeout_s": 600,
        "demo": True,
    }
    return StudyManifest.model_validate(document | changes)


def asdict_of(settings: Settings, *names: str) -> dict[str, object]:
    """These settings by name."""
    return {name: getattr(settings, name) for name in names}


def start(architecture: Architecture, *, seed: int) -> bytes:
    """The weights that every model of a seed starts from."""
    return initial_weights(architecture, seed=seed)


def mixed_labels(settings: Settings, **changes: object) -> MixedLabels:
    """One hospital draws groups, the others every muscle."""
    site = SiteLabels(site=settings.group_only, structures=settings.groups)
    return MixedLabels.model_validate(
        {"sites": (site,), **asdict_of(settings, "distillation", "step_percent"), **changes}
    )


def make_site(hospital: Hospital, *, seed: int, manifest: StudyManifest, labels: SiteLabels | None = None) -> Site:
    """The hospital's subjects, drawn, prepared and split; diseases in turn, as the demo draws them."""
    scanner = hospital.preset()
    found = {}
    for index in range(hospital.subjects):
        disease = scanner.diseases[index % len(scanner.diseases)]
        subject = make_subject(disease, scanner, subject_rng(seed, hospital=hospital.name, subject=index))
        found[f"{hospital.name[-1]}{index:03d}"] = patient(subject, manifest=manifest, labels=labels)
    roles = split_subjects(found, manifest.split)
    return Site(
        name=hospital.name,
        train=[found[s] for s in roles.train],
        validation=[found[s] for s in roles.validation],
        test=[found[s] for s in roles.test],
        labels=labels,
    )


def patient(subject: Subject, *, manifest: StudyManifest, labels: SiteLabels | None = None) -> Patient:
    """The phantom's subject on the network's grid, with what this site draws and with the whole truth."""
    affine = RAS_FROM_LPS @ subject.affine_lps
    single = LabelledVolume(in_phase(subject), subject.labels, affine)
    truth = slices_of(single, image=manifest.image, muscles=manifest.muscles)
    if labels is None:
        return Patient(truth, truth, _fat_percent(subject, affine, manifest=manifest))
    drawn = LabelledVolume(single.image, drawn_as(subject.labels, labels), affine)
    slices = slices_of(drawn, image=manifest.image, muscles=manifest.muscles, labels=labels)
    return Patient(slices, truth, _fat_percent(subject, affine, manifest=manifest))


def drawn_as(values: npt.NDArray[np.integer], labels: SiteLabels) -> npt.NDArray[np.int32]:
    """The label map of somebody who draws these structures only: a muscle's value becomes that of its set."""
    out = np.zeros(values.shape, np.int32)
    for name in labels.structures:
        drawn = structures()[name]
        for side in Side:
            members = [structures()[m].label_value(side) for m in drawn.members]
            out[np.isin(values, members)] = drawn.label_value(side)
    return out


def _fat_percent(
    subject: Subject, affine_ras: npt.NDArray[np.float64], *, manifest: StudyManifest
) -> npt.NDArray[np.float32]:
    """The true fat fraction on the slices of `slices_of`, nearest neighbour."""
    magnitude = canonical(in_phase(subject), affine_ras=affine_ras)
    known = np.isfinite(subject.fat_fraction_percent)
    coded = np.where(known, np.round(np.nan_to_num(subject.fat_fraction_percent) * PERCENT_STEPS), UNKNOWN)
    fat = canonical(coded.astype(np.uint8), affine_ras=affine_ras).values.astype(np.uint8)
    labelled = canonical((subject.labels > 0).astype(np.uint8), affine_ras=affine_ras).values.astype(np.uint8)
    parts = []
    for grid in thigh_grids(foreground(magnitude.values)):
        values = thigh_classes(fat, magnitude, grid, image=manifest.image)
        kept = thigh_classes(labelled, magnitude, grid, image=manifest.image).any(axis=(1, 2))
        parts.append(np.where(values == UNKNOWN, np.nan, values / PERCENT_STEPS)[kept])
    return np.concatenate(parts).astype(np.float32)


def pooled(sites: Sequence[Site]) -> Site:
    """All hospitals' subjects under one roof."""
    return Site(
        name="pooled",
        train=[p for s in sites for p in s.train],
        validation=[p for s in sites for p in s.validation],
        test=[p for s in sites for p in s.test],
    )
