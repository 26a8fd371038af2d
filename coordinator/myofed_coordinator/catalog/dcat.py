"""Cards as DCAT-AP 3.0.1 with terms of HealthDCAT-AP, as Turtle or JSON-LD; the context is inline and nothing is fetched.

docs/catalog.md, Export, lists every term that is written and which mandatory ones of HealthDCAT-AP are not, and why. Counts are
those of the card: rounded at the hospital, absent where withheld.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from rdflib import BNode, Graph, Literal, Namespace, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, ODRL2, RDF, RDFS, SKOS, XSD

from myofed_coordinator.catalog.dcat_terms import CatalogPlace, Format
from myofed_coordinator.catalog.names import name_of
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.catalog_search import CardShown

DCATAP = Namespace("http://data.europa.eu/r5r/")
ELI = Namespace("http://data.europa.eu/eli/ontology#")
HEALTH = Namespace("http://healthdataportal.eu/ns/health#")
OBO = Namespace("http://purl.obolibrary.org/obo/")
ORPHANET = Namespace("http://www.orpha.net/ORDO/Orphanet_")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
EU = "http://publications.europa.eu/resource/authority/"
HDEU = "https://hdeu-dcat.data.health.europa.eu/resource/authority/"
PREFIXES = {
    "dcat": DCAT,
    "dct": DCTERMS,
    "dcatap": DCATAP,
    "eli": ELI,
    "foaf": FOAF,
    "healthdcatap": HEALTH,
    "odrl": ODRL2,
    "rdfs": RDFS,
    "skos": SKOS,
    "vcard": VCARD,
    "xsd": XSD,
}
EHDS = URIRef("http://data.europa.eu/eli/reg/2025/327/oj")
"""Regulation (EU) 2025/327 on the European Health Data Space."""
NON_PUBLIC = URIRef(EU + "access-right/NON_PUBLIC")
HEALTH_THEME = URIRef(EU + "data-theme/HEAL")
HEALTH_RECORDS = URIRef(HDEU + "healthcategories/EHRS")
PERSONAL_DATA = URIRef(EU + "dataset-type/PERSONAL_DATA")
ENGLISH = URIRef(EU + "language/ENG")
DICOM = URIRef(HDEU + "standard/DICOM")
HPO = URIRef("http://purl.obolibrary.org/obo/hp.owl")
ORPHA_CODES = URIRef("http://www.orpha.net/ORDO/")
AVAILABLE = URIRef(EU + "planned-availability/AVAILABLE")
VERSION = URIRef(f"{DCAT}version")
"""Of DCAT 3; the vocabulary in rdflib is that of DCAT 2."""


def _card_node(place: CatalogPlace, card: DatasetCard) -> URIRef:
    return URIRef(place.card_url(card.site, card.dataset))


def dataset_document(shown: CardShown, place: CatalogPlace, *, form: Format) -> bytes:
    """One card, as a data set."""
    graph = _graph()
    _add_dataset(graph, shown, place)
    return _text(graph, form)


def catalog_document(cards: Iterable[CardShown], place: CatalogPlace, *, form: Format) -> bytes:
    """The catalog with all these cards."""
    graph, catalog = _graph(), URIRef(f"{place.url}/api/v1/catalog")
    graph.add((catalog, RDF.type, DCAT.Catalog))
    graph.add((catalog, DCTERMS.title, Literal(f"{place.name}: data sets", lang="en")))
    said = "Muscle MRI of neuromuscular disease at hospitals that train together; no image leaves one."
    graph.add((catalog, DCTERMS.description, Literal(said, lang="en")))
    publisher = URIRef(f"{place.url}/api/v1/catalog#publisher")
    _add_agent(graph, publisher, place.name)
    graph.add((catalog, DCTERMS.publisher, publisher))
    _add_legislation(graph, catalog)
    graph.add((catalog, DCAT.themeTaxonomy, URIRef(EU + "data-theme")))
    for shown in cards:
        graph.add((catalog, DCAT.dataset, _add_dataset(graph, shown, place)))
    return _text(graph, form)


def _graph() -> Graph:
    graph = Graph(bind_namespaces="none")
    for prefix, namespace in PREFIXES.items():
        graph.bind(prefix, namespace)
    return graph


def _text(graph: Graph, form: Format) -> bytes:
    if form == "ttl":
        return graph.serialize(format="turtle", encoding="utf-8")
    context = {prefix: str(namespace) for prefix, namespace in PREFIXES.items()}
    return graph.serialize(format="json-ld", encoding="utf-8", context=context, indent=1)


def _add_dataset(graph: Graph, shown: CardShown, place: CatalogPlace) -> URIRef:
    card = shown.card
    node = _card_node(place, card)
    graph.add((node, RDF.type, DCAT.Dataset))
    graph.add((node, DCTERMS.identifier, Literal(f"{card.site}/{card.dataset}")))
    graph.add((node, DCTERMS.title, Literal(card.title, lang="en")))
    graph.add((node, DCTERMS.description, Literal(_description(card), lang="en")))
    graph.add((node, VERSION, Literal(str(card.version))))
    graph.add((node, DCTERMS.modified, Literal(shown.published_at[:10], datatype=XSD.date)))
    _add_people(graph, node, card, place)
    _add_terms(graph, node, card)
    _add_health(graph, node, card)
    _add_distribution(graph, node, card)
    return node


def _description(card: DatasetCard) -> str:
    """One sentence of what is there; made of the card's own codes."""
    kinds = ", ".join(card.suffixes) or "images"
    count = card.subjects
    people = "a number of subjects that is withheld" if count.value is None else f"about {count.value} subjects"
    rule = f"counts below {card.disclosure.k} are withheld, others rounded to {card.disclosure.round_to}"
    demo = " Synthetic patients only." if card.disclosure.demo else ""
    return f"Muscle MRI of the {card.region} ({kinds}) of {people}; {rule}.{demo}"


def _add_people(graph: Graph, node: URIRef, card: DatasetCard, place: CatalogPlace) -> None:
    publisher = URIRef(f"{place.url}/api/v1/sites/{quote(card.site)}")
    _add_agent(graph, publisher, card.site)
    graph.add((node, DCTERMS.publisher, publisher))
    contact = URIRef(f"{node}#contact")
    graph.add((contact, RDF.type, VCARD.Kind))
    graph.add((contact, VCARD.fn, Literal(card.site)))
    graph.add((contact, VCARD.hasURL, node))
    if card.contact is not None:
        graph.add((contact, VCARD.hasEmail, URIRef(f"mailto:{card.contact}")))
    graph.add((node, DCAT.contactPoint, contact))


def _add_agent(graph: Graph, agent: URIRef, name: str) -> None:
    graph.add((agent, RDF.type, FOAF.Agent))
    graph.add((agent, FOAF.name, Literal(name)))


def _add_terms(graph: Graph, node: URIRef, card: DatasetCard) -> None:
    """Words by which catalogs find it, and the controlled vocabularies, each stated as what it is."""
    words = {
        card.region,
        *map(name_of, card.phenotypes),
        "muscle MRI",
        "neuromuscular disease",
        *map(name_of, card.diagnoses),
        *card.suffixes,
    }
    for word in sorted(words | set(card.vendors)):
        graph.add((node, DCAT.keyword, Literal(word, lang="en")))
    graph.add((node, DCTERMS.accessRights, NON_PUBLIC))
    graph.add((NON_PUBLIC, RDF.type, DCTERMS.RightsStatement))
    graph.add((node, DCTERMS.language, ENGLISH))
    graph.add((ENGLISH, RDF.type, DCTERMS.LinguisticSystem))
    _add_concept(graph, node, DCAT.theme, HEALTH_THEME, "Health")
    _add_concept(graph, node, DCTERMS.type, PERSONAL_DATA, "Personal data")
    _add_legislation(graph, node)
    provenance = URIRef(f"{node}#provenance")
    graph.add((provenance, RDF.type, DCTERMS.ProvenanceStatement))
    origin = f"DICOM of routine care or studies, de-identified and converted to ORMIR-MIDS at the hospital; label maps: {card.label_origin}"
    graph.add((provenance, RDFS.label, Literal(origin, lang="en")))
    graph.add((node, DCTERMS.provenance, provenance))


def _add_legislation(graph: Graph, node: URIRef) -> None:
    graph.add((node, DCATAP.applicableLegislation, EHDS))
    graph.add((EHDS, RDF.type, ELI.LegalResource))


def _add_concept(graph: Graph, node: URIRef, term: URIRef, concept: URIRef, label: str) -> None:
    scheme = URIRef(concept.rpartition("/")[0])
    graph.add((node, term, concept))
    graph.add((concept, RDF.type, SKOS.Concept))
    graph.add((concept, SKOS.prefLabel, Literal(label, lang="en")))
    graph.add((concept, SKOS.inScheme, scheme))
    graph.add((scheme, RDF.type, SKOS.ConceptScheme))
    graph.add((scheme, DCTERMS.title, Literal(scheme.rpartition("/")[2], lang="en")))


def _add_health(graph: Graph, node: URIRef, card: DatasetCard) -> None:
    """Terms of HealthDCAT-AP."""
    _add_concept(graph, node, HEALTH.healthCategory, HEALTH_RECORDS, "Electronic health data from EHRs")
    for term, count in (
        (HEALTH.numberOfUniqueIndividuals, card.subjects.value),
        (HEALTH.numberOfRecords, card.sessions.value),
    ):
        if count is not None:
            graph.add((node, term, Literal(count, datatype=XSD.nonNegativeInteger)))
    for phenotype in card.phenotypes:
        graph.add((node, HEALTH.hasCodeValues, Literal(phenotype)))
        _add_concept(graph, node, DCAT.theme, OBO[phenotype.replace(":", "_")], name_of(phenotype))
    if card.phenotypes:
        graph.add((node, HEALTH.hasCodingSystem, HPO))
        graph.add((HPO, RDF.type, DCTERMS.Standard))
    for code in card.diagnoses:
        disease = ORPHANET[code.partition(":")[2]]
        graph.add((node, HEALTH.hasCodeValues, Literal(code)))
        _add_concept(graph, node, DCAT.theme, disease, name_of(code))
    if card.diagnoses:
        graph.add((node, HEALTH.hasCodingSystem, ORPHA_CODES))
        graph.add((ORPHA_CODES, RDF.type, DCTERMS.Standard))
    coverage = ", ".join(name_of(code) for code in card.diagnoses) or "Diagnoses are not told"
    graph.add((node, HEALTH.populationCoverage, Literal(f"Patients of one hospital: {coverage}", lang="en")))
    graph.add((node, HEALTH.hasStructuredData, Literal(False)))


def _add_distribution(graph: Graph, node: URIRef, card: DatasetCard) -> None:
    """How one gets at it: by asking the site from its card, on the DUO terms that stand there."""
    distribution = URIRef(f"{node}#participation")
    graph.add((node, DCAT.distribution, distribution))
    graph.add((distribution, RDF.type, DCAT.Distribution))
    graph.add((distribution, DCTERMS.title, Literal("Participation in a federated study", lang="en")))
    said = "Ask the site from the card; it answers, approves a study by its own people, and trains on its own machine."
    graph.add((distribution, DCTERMS.description, Literal(said, lang="en")))
    graph.add((distribution, DCAT.accessURL, node))
    _add_concept(graph, distribution, DCATAP.availability, AVAILABLE, "Available")
    _add_legislation(graph, distribution)
    graph.add((distribution, DCTERMS.conformsTo, DICOM))
    graph.add((DICOM, RDF.type, DCTERMS.Standard))
    rights = URIRef(f"{node}#rights")
    graph.add((rights, RDF.type, DCTERMS.RightsStatement))
    said = "Images stay at the hospital; a study trains there after its people approved it."
    graph.add((rights, RDFS.label, Literal(said, lang="en")))
    graph.add((distribution, DCTERMS.rights, rights))
    if card.duo:
        graph.add((distribution, ODRL2.hasPolicy, _policy(graph, node, card)))


def _policy(graph: Graph, node: URIRef, card: DatasetCard) -> URIRef:
    """An ODRL offer: use, each DUO term a constraint on its purpose."""
    policy, permission = URIRef(f"{node}#policy"), BNode()
    graph.add((policy, RDF.type, ODRL2.Policy))
    graph.add((policy, RDF.type, ODRL2.Offer))
    graph.add((policy, ODRL2.permission, permission))
    graph.add((permission, ODRL2.action, ODRL2.use))
    graph.add((permission, ODRL2.target, node))
    for term in card.duo:
        constraint = BNode()
        graph.add((permission, ODRL2.constraint, constraint))
        graph.add((constraint, ODRL2.leftOperand, ODRL2.purpose))
        graph.add((constraint, ODRL2.operator, ODRL2.isA))
        graph.add((constraint, ODRL2.rightOperand, OBO[term.replace(":", "_")]))
        graph.add((OBO[term.replace(":", "_")], RDFS.label, Literal(name_of(term), lang="en")))
    return policy
