"""Exports: valid against the shapes of DCAT-AP 3.0.1, the same in both notations, and only what the card says."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from catalog_examples import count_of
from coordinator_factories import make_card

from myofed_coordinator.catalog.dcat import catalog_document, dataset_document
from myofed_coordinator.catalog.dcat_terms import CatalogPlace, Format
from myofed_coordinator.catalog.public import public_card
from myofed_schemas.catalog import DisclosurePolicy
from myofed_schemas.catalog_search import CardShown

rdflib = pytest.importorskip("rdflib", reason="the coordinator's extra is not installed")
pyshacl = pytest.importorskip("pyshacl", reason="pyshacl comes with the extra `dev` only")

PLACE = CatalogPlace("https://myofed.example.org:8443", "myofed consortium")
NODE = rdflib.URIRef("https://myofed.example.org:8443/api/v1/catalog/cards/hospital-a/thigh-dixon")
HEALTH = "http://healthdataportal.eu/ns/health#"
FULL = make_card(
    "hospital-a",
    duo=("DUO:0000007", "DUO:0000021", "DUO:0000046"),
    vendors=("Siemens", "United Imaging"),
    diagnoses=("ORPHA:269", "ORPHA:9999999"),
    phenotypes=("HP:0003691",),
    protocols=("fat-fraction-6-echo",),
    contact="mri-research@clinic.example",
    follow_up="1-2-years",
)
BARE = make_card(
    "hospital-a",
    vendors=(),
    suffixes=(),
    diagnoses=(),
    muscles=(),
    label_origin="none",
    subjects=count_of(None),
    sessions=count_of(None),
    conforms=False,
    disclosure=DisclosurePolicy(k=1, round_to=1, demo=True),
)
CARDS = {"full": FULL, "bare": BARE, "public": public_card(FULL, None, ())}
FORMATS: tuple[tuple[Format, str], ...] = (("ttl", "turtle"), ("jsonld", "json-ld"))


def shown(name: str) -> CardShown:
    return CardShown(card=CARDS[name], published_at="2026-11-22T12:00:00Z")


def graph_of(document: bytes, notation: str) -> Any:
    return rdflib.Graph().parse(data=document, format=notation)


def violations(graph: Any, folder: Path, names: tuple[str, ...]) -> list[str]:
    """Violations by all these shape files; property shapes without a path, which pyshacl refuses, are taken out first."""
    shapes, sh = rdflib.Graph(), rdflib.Namespace("http://www.w3.org/ns/shacl#")
    for name in names:
        shapes.parse(folder / name)
    for shape in {o for o in shapes.objects(None, sh.property) if (o, sh.path, None) not in shapes}:
        shapes.remove((None, sh.property, shape))
    _, report, text = pyshacl.validate(graph, shacl_graph=shapes, do_owl_imports=False)
    found = [
        str(o) for s, o in report.subject_objects(sh.resultMessage) if (s, sh.resultSeverity, sh.Violation) in report
    ]
    assert "Validation Report" in text
    return found


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects fails: no context, no vocabulary is fetched."""

    def refuse(*_: object) -> None:
        msg = "an export or its reading connected somewhere"
        raise AssertionError(msg)

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_shapes_find_a_planted_mistake(repository: Path) -> None:
    """Without a title or an access address the check below would say so."""
    graph = graph_of(dataset_document(shown("full"), PLACE, form="ttl"), "turtle")
    graph.remove((NODE, rdflib.DCTERMS.title, None))
    graph.remove((None, rdflib.DCAT.accessURL, None))
    assert len(violations(graph, repository / "tests/fixtures/dcat-ap-3.0.1", ("shapes.ttl", "range.ttl"))) == 2


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize(("form", "notation"), FORMATS)
def test_export_has_no_violation_of_dcat_ap(repository: Path, name: str, form: Format, notation: str) -> None:
    """One card and a catalog, in both notations, against properties and classes of DCAT-AP 3.0.1."""
    folder = repository / "tests" / "fixtures" / "dcat-ap-3.0.1"
    for document in (
        dataset_document(shown(name), PLACE, form=form),
        catalog_document([shown(name)], PLACE, form=form),
    ):
        assert violations(graph_of(document, notation), folder, ("shapes.ttl", "range.ttl")) == []


def test_export_has_no_violation_of_the_release_files(shared_data: Path) -> None:
    """Also by the second set of shapes that the release carries."""
    graph = graph_of(catalog_document([shown("full")], PLACE, form="ttl"), "turtle")
    folder = shared_data / "dcat" / "dcat-ap-3.0.1"
    assert violations(graph, folder, ("dcat-ap-SHACL.ttl",)) == []


def test_both_notations_say_the_same() -> None:
    """Triple by triple; the JSON-LD carries its context with it."""
    turtle, linked = (dataset_document(shown("full"), PLACE, form=form) for form, _ in FORMATS)
    first, second = graph_of(turtle, "turtle"), graph_of(linked, "json-ld")
    assert first.isomorphic(second)
    assert isinstance(json.loads(linked)["@context"], dict)


def test_terms_of_healthdcat_are_written() -> None:
    """Those that docs/catalog.md lists; counts are the card's."""
    graph = graph_of(dataset_document(shown("full"), PLACE, form="ttl"), "turtle")
    said = {str(p).removeprefix(HEALTH): str(o) for p, o in graph.predicate_objects(NODE) if str(p).startswith(HEALTH)}
    assert said.keys() == {
        "healthCategory",
        "numberOfUniqueIndividuals",
        "numberOfRecords",
        "hasCodeValues",
        "hasCodingSystem",
        "hasStructuredData",
        "populationCoverage",
    }
    assert (said["numberOfUniqueIndividuals"], said["hasStructuredData"]) == ("20", "false")


def test_withheld_count_is_nowhere_in_the_export() -> None:
    """Neither as a number nor in words."""
    document = dataset_document(shown("bare"), PLACE, form="ttl").decode()
    assert "numberOf" not in document
    assert "withheld" in document
    assert "Synthetic patients only" in document


def test_terms_of_use_stand_as_an_offer() -> None:
    """Each DUO term is a constraint; a card without terms has no policy."""
    graph = graph_of(dataset_document(shown("full"), PLACE, form="ttl"), "turtle")
    operands = set(graph.objects(None, rdflib.URIRef("http://www.w3.org/ns/odrl/2/rightOperand")))
    assert {str(o).rpartition("/")[2] for o in operands} == {"DUO_0000007", "DUO_0000021", "DUO_0000046"}
    assert b"odrl:hasPolicy" not in dataset_document(shown("bare"), PLACE, form="ttl")
