"""A model for other people's tools: a MONAI bundle, or ONNX; both are loaded again here and compared before they are called written."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import monai
import numpy as np
import torch
from monai.bundle.config_parser import ConfigParser
from monai.networks.utils import copy_model_state
from safetensors.torch import load

from myofed_node.bundle_network import NETWORK_DEF, definition
from myofed_node.learning.models import network_of
from myofed_node.learning.weights import check, load_weights
from myofed_schemas.bundle_metadata import FrameworkVersions, bundle_metadata, metadata_json
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.model_card import ModelCard
from myofed_schemas.study import StudyManifest

OPSET = 17
"""ONNX operators: the newest that PyTorch's exporter without onnxscript writes and current runtimes read."""
TOLERANCE = 1e-4
"""Largest difference of a logit between PyTorch and an ONNX runtime (float32, other order of sums)."""
WEIGHTS, CHECKPOINT = "models/model.safetensors", "models/model.pt"
README = """# {title}

{purpose}

A model of study `{study}` (version {version}), trained across hospitals with myofed. Research software, not a medical device. Licence: {licence}.

- `models/model.safetensors`: the weights (SHA-256 `{sha256}`); `models/model.pt` holds the same for MONAI's loader, a plain state dict for `weights_only`.
- `configs/metadata.json`: what goes in and comes out. `configs/inference.json`: the network, and how prepared slices are segmented.
- Inputs are prepared slices, `(n, channels, rows, columns)` float32 in a `.npy` file: one thigh each, left ones mirrored, resampled to {spacing:g} mm,
  cropped or padded to {rows} x {columns}, z-scored over tissue and cut at 5 standard deviations (`docs/learning.md` of myofed).

    python -m monai.bundle run --config_file configs/inference.json --bundle_root . --image slices.npy --output labels.npy
"""


@dataclass(frozen=True)
class Source:
    """What is exported.

    Attributes:
        weights: Safetensors bytes.
        manifest: Of the study the model was trained in.
        card: From `models export` of the coordinator; None where there is none.
    """

    weights: bytes
    manifest: StudyManifest
    card: ModelCard | None = None

    @property
    def sha256(self) -> str:
        """Of the weights."""
        return hashlib.sha256(self.weights).hexdigest()


def check_source(source: Source) -> torch.nn.Module:
    """The network of this study with these weights, in evaluation mode.

    Raises:
        MyofedError: WEIGHTS_*, ARCHITECTURE_*; MODEL_CARD_OTHER, the card is of another model or study.
    """
    card = source.card
    if card and (card.model.sha256, card.manifest_digest) != (source.sha256, source.manifest.digest()):
        raise _refused(
            "MODEL_CARD_OTHER", "the card of this model and study, found another", "name the card that lies beside it"
        )
    network = network_of(source.manifest)
    load_weights(network, source.weights, spec=source.manifest.state_dict)
    return network.eval()


def export_bundle(source: Source, out: Path) -> tuple[Path, ...]:
    """`out` is a MONAI bundle from which MONAI makes the same network, tried on one input.

    Args:
        source: Model and study.
        out: New or empty folder.

    Returns:
        Its files, relative to it.

    Raises:
        MyofedError: As `check_source`; EXPORT_NOT_EMPTY; EXPORT_DIFFERS, MONAI's network gives other numbers: a defect of ours.
        OSError: The folder cannot be written.
    """
    network = check_source(source)
    if out.exists() and any(out.iterdir()):
        raise _refused("EXPORT_NOT_EMPTY", "a new or empty folder, found files in it", "name another folder")
    checkpoint = io.BytesIO()
    torch.save(check(source.weights, source.manifest.state_dict), checkpoint)
    metadata = bundle_metadata(
        source.manifest, source.sha256, versions=_versions(), dice=source.card.dice if source.card else None
    )
    files: dict[str, bytes] = {
        WEIGHTS: source.weights,
        CHECKPOINT: checkpoint.getvalue(),
        "configs/inference.json": json.dumps(_inference(source.manifest), indent=1).encode() + b"\n",
        "docs/README.md": _readme(source).encode(),
        "docs/manifest.json": canonical_json(source.manifest),
        **({"docs/card.json": canonical_json(source.card)} if source.card else {}),
        "configs/metadata.json": metadata_json(metadata),
    }
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content, mode=0o644)
    with torch.no_grad():
        _compare(network(_trial(source.manifest)), _loaded_by_monai(out)(_trial(source.manifest)))
    return tuple(Path(name) for name in files)


def export_onnx(source: Source, out: Path) -> bool:
    """`out` is an ONNX file of the network: `image` (n, channels, rows, columns) float32 -> `logits`.

    Returns:
        An ONNX runtime is installed, and gives the same logits within 1e-4; False: nobody compared.

    Raises:
        MyofedError: As `check_source`; ONNX_MISSING; EXPORT_DIFFERS.
        OSError: The file cannot be written.
    """
    network = check_source(source)
    if not onnx_there():
        raise _refused(
            "ONNX_MISSING", "the package onnx, which PyTorch's exporter needs, found none", "pip install 'myofed[onnx]'"
        )
    image = _trial(source.manifest)
    axes = {0: "n", **dict(enumerate("hwd"[: image.dim() - 2], start=2))}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an older exporter, and of tracing; the comparison below tells
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            network,
            (image,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": axes, "logits": axes},
        )
        content = path.read_bytes()
    compared = _compare_onnx(network, image, content)
    write_atomically(out, content, mode=0o644)
    return compared


def onnx_there() -> bool:
    """The package that PyTorch's exporter needs is installed."""
    return importlib.util.find_spec("onnx") is not None


def read_card(path: Path) -> ModelCard:
    """The card in this file.

    Raises:
        MyofedError: MODEL_CARD_INVALID.
    """
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        raise _refused(
            "MODEL_CARD_INVALID", "a model card as `models export` writes it, found none", "OUT.card.json"
        ) from None


def _inference(manifest: StudyManifest) -> Mapping[str, Any]:
    """Prepared slices in, label maps out; what makes slices of volumes is myofed's."""
    return {
        "imports": [
            "$import numpy",
            "$import torch",
            "$from safetensors.torch import load_file",
            "$from monai.networks.utils import copy_model_state",
        ],
        "bundle_root": ".",
        "device": "$torch.device('cpu')",
        "image": "slices.npy",
        "output": "labels.npy",
        "weights": f"$@bundle_root + '/{WEIGHTS}'",
        NETWORK_DEF: definition(manifest.architecture),
        "network": f"$@{NETWORK_DEF}.to(@device).eval()",
        "inferer": {"_target_": "monai.inferers.SimpleInferer"},
        "load": "$copy_model_state(@network, load_file(@weights))",
        "slices": "$torch.from_numpy(numpy.load(@image)).to(@device)",
        "predict": "$@inferer(@slices, @network).argmax(1).cpu().numpy()",
        "run": ["$@load", "$numpy.save(@output, @predict)"],
    }


def _loaded_by_monai(bundle: Path) -> torch.nn.Module:
    """As MONAI makes it from the configuration, with the weights that lie beside it."""
    parser = ConfigParser()
    parser.read_config(bundle / "configs" / "inference.json")
    network: torch.nn.Module = parser.get_parsed_content(NETWORK_DEF)
    copy_model_state(network, load((bundle / WEIGHTS).read_bytes()))
    return network.eval()


def _trial(manifest: StudyManifest) -> torch.Tensor:
    """One input of the study's size; the same numbers each time."""
    rows, columns = manifest.image.size_px
    depth = (4 * manifest.architecture.divisor()[0],) if manifest.architecture.spatial_dims == 3 else ()
    shape = (1, manifest.architecture.in_channels, *depth, rows, columns)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def _compare(ours: torch.Tensor, theirs: torch.Tensor, *, within: float = 0.0) -> None:
    if (
        ours.shape != theirs.shape
        or not bool(torch.isfinite(theirs).all())
        or float((ours - theirs).abs().max()) > within
    ):
        raise MyofedError(
            "EXPORT_DIFFERS",
            "expected the exported network to give the model's own numbers, found others",
            hint="a defect of ours: do not use what was written",
            exit_code=ExitCode.FAILED,
        )


def _compare_onnx(network: torch.nn.Module, image: torch.Tensor, content: bytes) -> bool:
    """On two slices at once, which the file was not traced with."""
    if importlib.util.find_spec("onnxruntime") is None:
        return False
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    two = torch.cat([image, image.flip(-1)])
    (found,) = session.run(["logits"], {"image": two.numpy()})
    with torch.no_grad():
        _compare(network(two), torch.from_numpy(np.asarray(found)), within=TOLERANCE)
    return True


def _readme(source: Source) -> str:
    manifest = source.manifest
    rows, columns = manifest.image.size_px
    return README.format(
        title=manifest.title,
        purpose=manifest.purpose,
        study=manifest.study_id,
        version=manifest.version,
        licence=manifest.data_use.model_licence if manifest.data_use else "LicenseRef-consortium-only",
        sha256=source.sha256,
        spacing=manifest.image.spacing_mm,
        rows=rows,
        columns=columns,
    )


def _versions() -> FrameworkVersions:
    return FrameworkVersions(
        monai=str(monai.__version__), torch=torch.__version__.partition("+")[0], numpy=np.__version__
    )


def _refused(code: str, expected: str, hint: str) -> MyofedError:
    return MyofedError(code, f"expected {expected}", hint=hint, exit_code=ExitCode.BAD_INPUT)
