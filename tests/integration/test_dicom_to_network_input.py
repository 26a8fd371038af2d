"""From a vendor's DICOM to the network's input, through every room: nothing is shifted, mirrored or relabelled on the way."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from myofed_anonymization import default_policy
from myofed_anonymization.keys import SiteKeys
from myofed_demo.hospital import make_hospital
from myofed_demo.phantom import in_phase, make_subject, subject_rng
from myofed_demo.presets import PRESETS
from myofed_demo.scanner import ScannerPreset
from myofed_node.ingest import IngestPolicy, ingest
from myofed_node.labels import import_labels
from myofed_node.learning.data import labelled_subjects, read_subject
from myofed_node.learning.models import state_dict_spec
from myofed_node.learning.subjects import LabelledVolume, Slices, slices_of
from myofed_schemas.anatomy import THIGH_11
from myofed_schemas.study import Architecture, InputImage, Split, StudyManifest, Training

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def study() -> StudyManifest:
    architecture = Architecture(
        name="monai-unet-2d",
        in_channels=1,
        out_channels=12,
        channels=(4, 8),
        strides=(2,),
        num_res_units=0,
        norm="instance",
    )
    training = Training(
        optimiser="adamw",
        learning_rate=0.01,
        learning_rate_end=0.001,
        weight_decay=0,
        batch_size=4,
        local_steps=1,
        augmentation="none",
        seed=1,
    )
    return StudyManifest(
        study_id="chain",
        version=1,
        title="From DICOM to the network",
        purpose="Test of the whole chain",
        sites=("hospital-a",),
        muscles=THIGH_11,
        architecture=architecture,
        state_dict=state_dict_spec(architecture),
        initial_weights_sha256="0" * 64,
        image=InputImage(kind="in-phase-magnitude", spacing_mm=2.0, size_px=(96, 96)),
        training=training,
        split=Split(test_percent=25, validation_percent=0, salt="s"),
        strategy="fedavg",
        weighting="uniform",
        rounds=1,
        min_sites=1,
        min_subjects=1,
        round_timeout_s=60,
    )


@pytest.mark.slow
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_network_sees_the_phantom_as_it_was_drawn(tmp_path: Path, preset: str) -> None:
    """De-identified, converted, labelled and read back: classes equal those of the phantom itself, intensities to 0.5 % of an SD.

    The rest is the rounding of DICOM's 16-bit integers.
    """
    scanner, keys = PRESETS[preset], SiteKeys(bytes(32))
    make_hospital(tmp_path / "hospital", name="h", preset=scanner, subjects=2, seed=1)
    dataset = tmp_path / "dataset"
    ingest(tmp_path / "hospital" / "dicom", dataset, keys=keys, policy=IngestPolicy(default_policy()), now=NOW)
    import_labels(tmp_path / "hospital" / "labels", dataset, keys=keys, now=NOW)
    read = [read_subject(dataset, label, manifest=study()) for label in labelled_subjects(dataset)]
    assert len(read) == 2
    for number in range(2):
        want = drawn(scanner, number)
        got = max(read, key=lambda subject: float((subject.classes == want.classes).float().mean()))
        assert float((got.classes == want.classes).float().mean()) > 0.999
        assert float((got.images - want.images).abs().mean()) < 0.005


def drawn(scanner: ScannerPreset, number: int) -> Slices:
    """The network's input, straight from the phantom's arrays."""
    subject = make_subject(scanner.diseases[number], scanner, subject_rng(1, hospital="h", subject=number))
    volume = LabelledVolume(in_phase(subject), subject.labels, RAS_FROM_LPS @ subject.affine_lps)
    return slices_of(volume, image=study().image, muscles=THIGH_11)
