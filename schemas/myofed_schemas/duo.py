"""Terms of use in the Data Use Ontology, and whether a purpose is within them.

Codes, shorthands and labels are those of the Data Use Ontology (DUO, github.com/EBISPOT/DUO, CC BY 4.0). What a rule here
cannot decide is for a person; nothing is ever allowed because a term is unknown. docs/catalog.md, Terms of use, has the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from myofed_schemas.catalog import OrphaCode
from myofed_schemas.study import DuoTerm
from myofed_schemas.wire import WireModel

Verdict = Literal["allowed", "needs-a-person", "not-allowed"]
ALLOWED: Verdict = "allowed"
PERSON: Verdict = "needs-a-person"
REFUSED: Verdict = "not-allowed"
_ORDER: tuple[Verdict, ...] = (ALLOWED, PERSON, REFUSED)


@dataclass(frozen=True)
class Term:
    """One term of DUO.

    Attributes:
        code: As on a card.
        shorthand: Its letters; empty for the two classes that are no condition by themselves.
        label: Its name.
        permission: It says what research is allowed; otherwise it narrows what a permission allows.
    """

    code: str
    shorthand: str
    label: str
    permission: bool = False


DUO_TERMS: Mapping[str, Term] = {
    term.code: term
    for term in (
        Term("DUO:0000001", "", "data use permission"),
        Term("DUO:0000004", "NRES", "no restriction", permission=True),
        Term("DUO:0000006", "HMB", "health or medical or biomedical research", permission=True),
        Term("DUO:0000007", "DS", "disease specific research", permission=True),
        Term("DUO:0000011", "POA", "population origins or ancestry research only", permission=True),
        Term("DUO:0000042", "GRU", "general research use", permission=True),
        Term("DUO:0000012", "RS", "research specific restrictions"),
        Term("DUO:0000015", "NMDS", "no general methods research"),
        Term("DUO:0000016", "GSO", "genetic studies only"),
        Term("DUO:0000017", "", "data use modifier"),
        Term("DUO:0000018", "NPUNCU", "not for profit, non commercial use only"),
        Term("DUO:0000019", "PUB", "publication required"),
        Term("DUO:0000020", "COL", "collaboration required"),
        Term("DUO:0000021", "IRB", "ethics approval required"),
        Term("DUO:0000022", "GS", "geographical restriction"),
        Term("DUO:0000024", "MOR", "publication moratorium"),
        Term("DUO:0000025", "TS", "time limit on use"),
        Term("DUO:0000026", "US", "user specific restriction"),
        Term("DUO:0000027", "PS", "project specific restriction"),
        Term("DUO:0000028", "IS", "institution specific restriction"),
        Term("DUO:0000029", "RTN", "return to database or resource"),
        Term("DUO:0000043", "CC", "clinical care use"),
        Term("DUO:0000044", "NPOA", "population origins or ancestry research prohibited"),
        Term("DUO:0000045", "NPU", "not for profit organisation use only"),
        Term("DUO:0000046", "NCU", "non-commercial use only"),
    )
}
CARE = "DUO:0000043"


class ResearchPurpose(WireModel):
    """What somebody wants to use data for, in the words that DUO's terms ask about.

    Attributes:
        health: Health, medical or biomedical research.
        diseases: Diseases that are studied; none is research on no particular disease.
        methods: Methods are developed, e.g. a segmentation network; also where a disease is studied with them.
        ancestry: Population origins or ancestry are studied.
        genetic: Genotypes are studied, alone or beside phenotypes.
        care: Results are used in the care of patients.
        commercial: Use for commercial ends.
        for_profit: The organisation works for profit.
        accepts: Conditions that the asker agrees to keep: PUB, COL, IRB, RTN.
    """

    health: bool = True
    diseases: tuple[OrphaCode, ...] = Field(default=(), max_length=20)
    methods: bool = False
    ancestry: bool = False
    genetic: bool = False
    care: bool = False
    commercial: bool = False
    for_profit: bool = False
    accepts: tuple[DuoTerm, ...] = Field(default=(), max_length=20)


class TermVerdict(WireModel):
    """What one term of a card says to a purpose."""

    term: DuoTerm
    verdict: Verdict


class DuoMatch(WireModel):
    """Whether a purpose is within a card's terms.

    Attributes:
        verdict: The strictest of the terms'; `needs-a-person` where the card states no permission at all.
        terms: Every term of the card, as it stands there.
    """

    verdict: Verdict
    terms: tuple[TermVerdict, ...]


@dataclass(frozen=True)
class _Case:
    purpose: ResearchPurpose
    diagnoses: frozenset[str]


def match(terms: Iterable[str], purpose: ResearchPurpose, *, diagnoses: Iterable[str]) -> DuoMatch:
    """The purpose against each term; where there are several permissions, it has to be within all of them.

    Args:
        terms: Of the card.
        purpose: Of the asker.
        diagnoses: ORPHA codes of the card: what DS (disease specific) is about, as a card names no other disease.
    """
    case = _Case(purpose, frozenset(diagnoses))
    judged = tuple(TermVerdict(term=term, verdict=_rule(term)(case)) for term in terms)
    verdicts = {each.verdict for each in judged}
    if not any(term.term in DUO_TERMS and DUO_TERMS[term.term].permission for term in judged):
        verdicts.add(PERSON)
    if purpose.care and CARE not in {each.term for each in judged}:
        verdicts.add(REFUSED)
    return DuoMatch(verdict=max(verdicts, key=_ORDER.index), terms=judged)


def _rule(term: str) -> Callable[[_Case], Verdict]:
    return _RULES.get(term, lambda _case: PERSON)


def _when(holds: object) -> Verdict:
    return ALLOWED if holds else REFUSED


def _disease(case: _Case) -> Verdict:
    studied = set(case.purpose.diseases)
    if studied and studied <= case.diagnoses:
        return ALLOWED
    return PERSON if studied & case.diagnoses else REFUSED


def _methods(case: _Case) -> Verdict:
    """Methods within the study of the card's disease are for a person to weigh; general ones are what NMDS forbids."""
    if not case.purpose.methods:
        return ALLOWED
    return PERSON if _disease(case) == ALLOWED else REFUSED


def _accepted(term: str, *, otherwise: Verdict = ALLOWED) -> Callable[[_Case], Verdict]:
    return lambda case: otherwise if term in case.purpose.accepts else REFUSED


_RULES: Mapping[str, Callable[[_Case], Verdict]] = {
    "DUO:0000004": lambda _case: ALLOWED,
    "DUO:0000042": lambda _case: ALLOWED,
    "DUO:0000006": lambda case: _when(case.purpose.health and not case.purpose.ancestry),
    "DUO:0000007": _disease,
    "DUO:0000011": lambda case: _when(case.purpose.ancestry),
    "DUO:0000015": _methods,
    "DUO:0000016": lambda case: _when(case.purpose.genetic),
    "DUO:0000018": lambda case: _when(not case.purpose.commercial and not case.purpose.for_profit),
    "DUO:0000019": _accepted("DUO:0000019"),
    "DUO:0000020": _accepted("DUO:0000020"),
    "DUO:0000021": _accepted("DUO:0000021", otherwise=PERSON),
    "DUO:0000029": _accepted("DUO:0000029"),
    CARE: lambda _case: ALLOWED,
    "DUO:0000044": lambda case: _when(not case.purpose.ancestry),
    "DUO:0000045": lambda case: _when(not case.purpose.for_profit),
    "DUO:0000046": lambda case: _when(not case.purpose.commercial),
}
"""Terms that no rule decides (RS, GS, MOR, TS, US, PS, IS, the two classes, and whatever is new) need a person."""
