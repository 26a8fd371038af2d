"""What `configs/metadata.json` of a MONAI bundle says of one of our models; only facts of its study and its record.

Fields: MONAI bundle specification, https://docs.monai.io/en/stable/bundle_intro.html, schema of 2024-07-25.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from myofed_schemas.anatomy import muscle
from myofed_schemas.ids import Sha256
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_terms import CONSORTIUM_ONLY, Licence
from myofed_schemas.wire import WireModel

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
CLIP_SD = 5.0
"""Inputs are z-scored and cut there, in both directions."""


@dataclass(frozen=True)
class FrameworkVersions:
    """What the model was made with and can be loaded with."""

    monai: str
    torch: str
    numpy: str


class ChannelFormat(WireModel):
    """One input or output of the network.

    Attributes:
        spatial_shape: Rows, columns (and depth first, of a volume); any multiple of what the network halves will do.
        value_range: Least and largest number; empty for logits.
        channel_def: Channel's number -> what it is.
    """

    type: Literal["image"] = "image"
    format: Literal["magnitude", "segmentation"]
    modality: Literal["MR", "n/a"]
    num_channels: int
    spatial_shape: tuple[int, ...]
    dtype: Literal["float32"] = "float32"
    value_range: tuple[float, ...]
    is_patch_data: bool = False
    channel_def: dict[str, str]


class NetworkFormat(WireModel):
    """Inputs and outputs by name."""

    inputs: dict[str, ChannelFormat]
    outputs: dict[str, ChannelFormat]


class BundleMetadata(WireModel):
    """MONAI's fields, and ours behind them.

    Attributes:
        version: Version of the study's manifest; the model itself is told by `model_sha256`.
        license: SPDX; never absent.
        eval_metrics: Mean Dice over muscles on the sites' validation subjects, where it was scored.
        manifest_digest: Of the study's manifest.
        model_sha256: Of the safetensors file.
    """

    version: str
    changelog: dict[str, str]
    monai_version: str
    pytorch_version: str
    numpy_version: str
    required_packages_version: dict[str, str]
    name: str
    task: str
    description: str
    authors: str
    copyright: str
    license: Licence
    data_source: str
    data_type: str
    image_classes: str
    label_classes: str
    pred_classes: str
    eval_metrics: dict[str, float]
    intended_use: str
    references: tuple[str, ...]
    network_data_format: NetworkFormat
    manifest_digest: Sha256
    model_sha256: Sha256


def licence_of(manifest: StudyManifest) -> Licence:
    """Under which licence a model of this study may be given out; to the consortium alone where the study says nothing."""
    return manifest.data_use.model_licence if manifest.data_use else CONSORTIUM_ONLY


def bundle_metadata(
    manifest: StudyManifest, sha256: str, *, versions: FrameworkVersions, dice: float | None = None
) -> BundleMetadata:
    """The metadata of a model of this study.

    Args:
        manifest: The study's.
        sha256: Of the model's safetensors file.
        versions: Of the frameworks.
        dice: Of this model; None where it was not scored.
    """
    version = f"{manifest.version}.0.0"
    classes = ["background", *(f"{muscle(name).name} ({name})" for name in manifest.muscles)]
    listed = "; ".join(f"{number}: {name}" for number, name in enumerate(classes))
    return BundleMetadata(
        version=version,
        changelog={version: f"Version {manifest.version} of study {manifest.study_id}"},
        monai_version=versions.monai,
        pytorch_version=versions.torch,
        numpy_version=versions.numpy,
        required_packages_version={"safetensors": "0.8.0"},
        name=manifest.title,
        task="Segmentation of single muscles of the thigh in axial MR slices",
        description=manifest.purpose,
        authors="The sites of the consortium and its coordinator",
        copyright="The consortium; see license",
        license=licence_of(manifest),
        data_source=(
            "Trained across hospitals without an image leaving any of them; "
            f"at least {manifest.min_subjects} labelled subjects a site"
        ),
        data_type="safetensors; inputs are prepared slices, one thigh each",
        image_classes=", ".join(manifest.image.channel_names),
        label_classes=listed,
        pred_classes=listed,
        eval_metrics={} if dice is None else {"mean_dice": round(dice, 4)},
        intended_use="For research; no medical device",
        references=(),
        network_data_format=_formats(manifest, classes),
        manifest_digest=manifest.digest(),
        model_sha256=sha256,
    )


def metadata_json(metadata: BundleMetadata) -> bytes:
    """The bytes of `configs/metadata.json`: the metadata under the address of MONAI's schema."""
    document = {"schema": SCHEMA, **metadata.model_dump(mode="json")}
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def _formats(manifest: StudyManifest, classes: list[str]) -> NetworkFormat:
    depth = (4 * manifest.architecture.divisor()[0],) if manifest.architecture.spatial_dims == 3 else ()
    shape = (*depth, *manifest.image.size_px)
    channels = {str(number): name for number, name in enumerate(manifest.image.channel_names)}
    image = ChannelFormat(
        format="magnitude",
        modality="MR",
        num_channels=manifest.architecture.in_channels,
        spatial_shape=shape,
        value_range=(-CLIP_SD, CLIP_SD),
        channel_def=channels,
    )
    pred = ChannelFormat(
        format="segmentation",
        modality="n/a",
        num_channels=manifest.architecture.out_channels,
        spatial_shape=shape,
        value_range=(),
        channel_def={str(number): name for number, name in enumerate(classes)},
    )
    return NetworkFormat(inputs={"image": image}, outputs={"pred": pred})
