"""The study of the demonstration, as a researcher would write it for `study create --file`."""

from __future__ import annotations

from typing import Any

from myofed_demo.settings import STUDY_ID, DemoOptions
from myofed_schemas.anatomy import THIGH_11

CHANNELS = (16, 32, 64, 128)
STRIDES = (2, 2, 2)


def study_draft(options: DemoOptions) -> dict[str, Any]:
    """The fields of a study manifest but for those that `study create` reads from the weights."""
    return {
        "study_id": STUDY_ID,
        "title": "Single thigh muscles, demonstration",
        "purpose": "Segmentation of eleven thigh muscles on synthetic patients of several hospitals.",
        "duo": ["DUO:0000006"],
        "sites": list(options.site_names),
        "muscles": list(THIGH_11),
        "architecture": {
            "name": "monai-unet-2d",
            "in_channels": 1,
            "out_channels": len(THIGH_11) + 1,
            "channels": list(CHANNELS),
            "strides": list(STRIDES),
            "num_res_units": 0,
            "norm": "instance",
        },
        "image": {"kind": "in-phase-magnitude", "spacing_mm": 2.0, "size_px": [96, 96]},
        "training": {
            "optimiser": "adamw",
            "learning_rate": 0.01,
            "learning_rate_end": 0.0005,
            "weight_decay": 0.0001,
            "batch_size": 8,
            "local_steps": options.local_steps,
            "augmentation": "geometric",
            "seed": options.seed,
        },
        "split": {"test_percent": 25, "validation_percent": 10, "salt": f"{STUDY_ID}-{options.seed}"},
        "strategy": "fedavg",
        "weighting": "uniform",
        "rounds": options.rounds,
        "min_sites": max(1, options.sites - 1),
        "min_subjects": 3,
        "round_timeout_s": 300,
        "demo": True,
    }
