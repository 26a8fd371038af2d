"""The card: its counts are those of the cube that everybody sees, and the rest is what the site says of itself."""

from __future__ import annotations

from collections import Counter

from myofed_node.catalog_card import build_card
from myofed_node.config import DEMO_POLICY, DatasetSettings, SiteConfig
from myofed_node.dataset_census import Census
from myofed_schemas.cube import CountCube, CubeCell

HOSPITAL = SiteConfig(
    site="alpha",
    dataset=DatasetSettings(diagnoses=("ORPHA:98473",), follow_up="1-2-years", contact="mri-research@clinic.example"),
)


def _census(muscles: dict[str, int], origins: dict[str, int]) -> Census:
    return Census(
        subjects=0,
        sessions=0,
        labelled_subjects=0,
        vendors=Counter(),
        tesla=Counter(),
        suffixes=Counter(),
        muscles=Counter(muscles),
        origins=Counter(origins),
    )


def _cube(total: int | None, cells: dict[tuple[str, str], int], config: SiteConfig = HOSPITAL) -> CountCube:
    at = [
        CubeCell.model_validate({"at": ({"dimension": name, "value": value},), "count": count})
        for (name, value), count in sorted(cells.items())
    ]
    return CountCube(
        site="alpha", dataset="mri", version=3, policy=config.policy.cube(), subjects=total, cells=tuple(at)
    )


FULL = _cube(
    40,
    {
        ("diagnosis", "ORPHA:269"): 15,
        ("diagnosis", "unknown"): 20,
        ("field-strength", "1.5T"): 5,
        ("field-strength", "3T"): 35,
        ("labels", "single-muscles"): 20,
        ("sequence", "MEGRE"): 40,
        ("sequence", "MESE"): 5,
        ("vendor", "GE"): 5,
        ("vendor", "United-Imaging"): 30,
        ("vendor", "several"): 10,
        ("visits", "1"): 25,
        ("visits", "2"): 10,
    },
)


def test_withheld_cube_leaves_only_what_the_site_says_of_itself() -> None:
    """Nothing of the census reaches the card when nothing of the cube does."""
    card = build_card(_cube(None, {}), _census({"VL": 30}, {"manual": 30}), config=HOSPITAL, conforms=True)
    counts = (card.subjects, card.sessions, card.labelled_subjects, card.repeat_subjects)
    assert [count and count.value for count in counts] == [None] * 4
    assert (card.vendors, card.suffixes, card.muscles, card.label_origin) == ((), (), (), "none")
    assert (card.diagnoses, card.contact) == (("ORPHA:98473",), "mri-research@clinic.example")


def test_card_tells_what_everybody_may_see_and_no_more() -> None:
    """Cells from public_k on, by the names of the card; those for people who are signed in are not on it."""
    card = build_card(FULL, _census({"VL": 10, "VI": 9}, {"manual": 20}), config=HOSPITAL, conforms=True)
    assert (card.vendors, card.field_strengths_tesla, card.suffixes) == (("United Imaging",), (3.0,), ("MEGRE",))
    assert card.diagnoses == ("ORPHA:269", "ORPHA:98473")
    assert (card.subjects.value, card.labelled_subjects.value) == (40, 20)
    assert card.repeat_subjects is not None
    assert (card.sessions.value, card.repeat_subjects.value, card.version) == (45, 10, 3)


def test_muscle_of_nine_subjects_is_not_named() -> None:
    """A muscle or an origin is told from public_k subjects on."""
    card = build_card(
        FULL, _census({"VL": 10, "VI": 9}, {"manual": 20, "automatic": 9}), config=HOSPITAL, conforms=True
    )
    assert (card.muscles, card.label_origin) == (("VL",), "manual")


def test_least_careful_origin_of_labels_is_told() -> None:
    """Automatic labels of enough subjects are not hidden behind manual ones."""
    census = _census({}, {"manual": 20, "automatic": 12})
    assert build_card(FULL, census, config=HOSPITAL, conforms=True).label_origin == "automatic"


def test_muscles_are_named_only_beside_a_told_number_of_labels() -> None:
    """Else they would say that at least public_k subjects have labels, which nothing else says."""
    cube = _cube(40, {("labels", "single-muscles"): 5})
    card = build_card(cube, _census({"VL": 30}, {"manual": 30}), config=HOSPITAL, conforms=True)
    assert (card.muscles, card.label_origin, card.labelled_subjects.value) == ((), "none", None)


def test_single_muscles_are_named_only_beside_their_own_number() -> None:
    """Beside a told number of group labels they would say that at least public_k subjects have single ones."""
    cube = _cube(40, {("labels", "groups"): 20})
    assert build_card(cube, _census({"VL": 12}, {"manual": 30}), config=HOSPITAL, conforms=True).muscles == ()


def test_demo_card_says_that_it_is_one() -> None:
    """The lowered policy stands on the card itself."""
    demo = SiteConfig(site="alpha", policy=DEMO_POLICY)
    card = build_card(_cube(4, {}, demo), _census({}, {}), config=demo, conforms=True)
    assert card.disclosure.demo
    assert card.subjects.value == 4
