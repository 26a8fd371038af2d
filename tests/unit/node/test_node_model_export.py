"""Models for other tools: MONAI and an ONNX runtime compute what the model computes, and nothing else is written."""

from __future__ import annotations

import json
from pathlib import Path

import monai.bundle
import numpy as np
import onnxruntime
import pytest
import torch
from learning_factories import manifest
from monai.bundle import ConfigParser
from safetensors.torch import load, save
from site_factories import demo_site, refusal_code
from typer.testing import CliRunner

from myofed_node import model_export
from myofed_node.cli import app
from myofed_node.initial_model import NAMES, architecture_for
from myofed_node.learning.models import build, initial_weights, network_of, state_dict_spec
from myofed_node.model_export import Source, export_bundle, export_onnx
from myofed_node.model_import import import_model
from myofed_schemas.canonical import canonical_json
from myofed_schemas.study import StudyManifest

SLICES = torch.randn((3, 1, 32, 32), generator=torch.Generator().manual_seed(4))


def study_of(name: str, **changes: object) -> StudyManifest:
    architecture = architecture_for("VL,GR", name=name)
    return manifest(architecture=architecture, state_dict=state_dict_spec(architecture), **changes)


def source_of(name: str) -> Source:
    asked = study_of(name)
    return Source(initial_weights(asked.architecture, seed=3), asked)


def test_weights_of_another_network_are_not_exported(tmp_path: Path) -> None:
    """Nothing is written."""
    other = Source(save({"a": torch.zeros(1)}), study_of("monai-unet-2d"))
    assert refusal_code(lambda: export_bundle(other, tmp_path / "out")) == "WEIGHTS_KEYS"
    assert refusal_code(lambda: export_onnx(other, tmp_path / "m.onnx")) == "WEIGHTS_KEYS"
    assert list(tmp_path.iterdir()) == []


def test_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    """A bundle is never mixed with another."""
    (tmp_path / "x").touch()
    assert refusal_code(lambda: export_bundle(source_of("monai-unet-2d"), tmp_path)) == "EXPORT_NOT_EMPTY"


@pytest.mark.parametrize("name", NAMES)
def test_monai_loads_the_bundle_and_gives_the_same_numbers(tmp_path: Path, name: str) -> None:
    """By MONAI's own loader from model.pt, which it reads with weights_only, and by our safetensors."""
    source, image = source_of(name), SLICES
    if name == "monai-unet-3d":
        image = torch.randn((1, 1, 32, 32, 32), generator=torch.Generator().manual_seed(4))
    export_bundle(source, tmp_path / "thigh")
    network = network_of(source.manifest).eval()
    network.load_state_dict(load(source.weights))
    theirs = monai.bundle.load("thigh", bundle_dir=str(tmp_path), workflow_type="inference", source="github").eval()
    assert torch.equal(theirs(image), network(image))


def test_bundle_passes_monais_own_check_and_segments_slices(tmp_path: Path) -> None:
    """Channels, shape and type are as the metadata say; `run` writes the label maps that the network gives."""
    source = source_of("monai-unet-2d")
    bundle = tmp_path / "thigh"
    export_bundle(source, bundle)
    config, meta = str(bundle / "configs/inference.json"), str(bundle / "configs/metadata.json")
    monai.bundle.verify_net_in_out(net_id="network_def", config_file=config, meta_file=meta, device="cpu")
    np.save(tmp_path / "in.npy", SLICES.numpy())
    parser = ConfigParser()
    parser.read_config(config)
    parser.read_meta(meta)
    parser["bundle_root"], parser["image"] = str(bundle), str(tmp_path / "in.npy")
    parser["output"] = str(tmp_path / "out.npy")
    parser.get_parsed_content("run")
    network = network_of(source.manifest).eval()
    network.load_state_dict(load(source.weights))
    assert np.array_equal(np.load(tmp_path / "out.npy"), network(SLICES).argmax(1).numpy())


def test_metadata_have_monais_fields_and_a_licence(tmp_path: Path) -> None:
    """What the specification asks for, the classes by number, and the licence even where the study gives none."""
    export_bundle(source_of("monai-unet-2d"), tmp_path / "thigh")
    found = json.loads((tmp_path / "thigh/configs/metadata.json").read_text())
    wanted = {
        "schema", "version", "changelog", "monai_version", "pytorch_version", "numpy_version", "task", "description",
        "authors", "copyright", "network_data_format", "license", "intended_use", "eval_metrics", "label_classes",
    }  # fmt: skip
    assert wanted <= found.keys()
    assert found["license"] == "LicenseRef-consortium-only"
    assert found["label_classes"] == "0: background; 1: vastus lateralis (VL); 2: gracilis (GR)"
    assert found["monai_version"] == monai.__version__


def test_bundle_is_imported_again_to_the_bit(tmp_path: Path) -> None:
    """Export and import are each other's inverse."""
    source = source_of("monai-segresnet")
    export_bundle(source, tmp_path / "thigh")
    from site_factories import NOW

    imported = import_model(tmp_path / "thigh", None, now=NOW)
    assert imported.weights == source.weights
    assert imported.record.architecture == source.manifest.architecture


def test_network_that_monai_makes_otherwise_is_not_called_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The comparison is what stands behind the promise."""
    other = build(architecture_for("VL,GR")).eval()
    monkeypatch.setattr(model_export, "_loaded_by_monai", lambda _bundle: other)
    assert refusal_code(lambda: export_bundle(source_of("monai-unet-2d"), tmp_path / "b")) == "EXPORT_DIFFERS"


def test_onnx_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the way to get it; no file is left."""
    monkeypatch.setattr(model_export, "onnx_there", lambda: False)
    assert refusal_code(lambda: export_onnx(source_of("monai-unet-2d"), tmp_path / "m.onnx")) == "ONNX_MISSING"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_onnx_runtime_gives_the_same_logits(tmp_path: Path, name: str) -> None:
    """On more slices, and of another size, than it was traced with."""
    source = source_of(name)
    assert export_onnx(source, tmp_path / "m.onnx") is True
    network = network_of(source.manifest).eval()
    network.load_state_dict(load(source.weights))
    image = torch.cat([SLICES, SLICES], dim=-1)
    if name == "monai-unet-3d":
        image = torch.randn((2, 1, 32, 32, 64), generator=torch.Generator().manual_seed(4))
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": image.numpy()})
    with torch.no_grad():
        assert float((torch.from_numpy(logits) - network(image)).abs().max()) < 1e-4


def test_onnx_is_written_uncompared_where_no_runtime_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And says so."""
    there = model_export.importlib.util.find_spec
    monkeypatch.setattr(model_export.importlib.util, "find_spec", lambda n: None if n == "onnxruntime" else there(n))
    assert export_onnx(source_of("monai-unet-2d"), tmp_path / "m.onnx") is False


def test_models_are_exported_and_imported_by_command(tmp_path: Path) -> None:
    """A bundle out, the same weights in; both ways of naming a study, and what cannot stand together."""

    def run(*words: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["model", *(str(word) for word in words)])
        return result.exit_code, result.output

    source, model = source_of("monai-unet-2d"), tmp_path / "m.safetensors"
    model.write_bytes(source.weights)
    (tmp_path / "study.json").write_bytes(canonical_json(source.manifest))
    named = ("--manifest", tmp_path / "study.json")
    code, said = run("export", model, *named, "--bundle", tmp_path / "b", "--json")
    assert (code, json.loads(said)["sha256"]) == (0, source.sha256)
    code, said = run("import", tmp_path / "b", "--out", tmp_path / "again.safetensors", "--json")
    assert (code, json.loads(said)["sha256"]) == (0, source.sha256)
    assert json.loads((tmp_path / "again.safetensors.json").read_text())["sha256"] == source.sha256
    named_network = ("--architecture", "monai-unet-2d", "--muscles", "VL,GR")
    assert run("import", tmp_path / "b", *named_network, "--out", tmp_path / "c.safetensors")[0] == 0
    assert run("export", model, *named)[0] == 2
    assert run("export", model, "--study", "x", "--bundle", tmp_path / "d")[0] == 2
    site = demo_site(tmp_path / "site")
    code, said = run("export", model, "--study", "none", "--site", site.folder.root, "--bundle", tmp_path / "d")
    assert "STUDY_UNKNOWN" in said
    (tmp_path / "card.json").write_text("{}")
    code, said = run("export", model, *named, "--card", tmp_path / "card.json", "--bundle", tmp_path / "d")
    assert "MODEL_CARD_INVALID" in said
    code, said = run("export", model, *named, "--onnx", tmp_path / "m.onnx")
    assert code == 0 or "ONNX_MISSING" in said
