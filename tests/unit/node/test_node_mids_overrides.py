"""A site's override file: what is refused, what it matches, and what it may say."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest
from mids_factories import Kind, classic

from myofed_node.mids.dicom_input.frames import Series
from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.classify import PlannedImage, classify
from myofed_node.mids.judging.override_words import EXPECTED
from myofed_node.mids.judging.overrides import (
    NO_OVERRIDES,
    Candidate,
    Level,
    Match,
    Overrides,
    Rule,
    apply,
    load_overrides,
    unused_levels,
)
from myofed_node.mids.judging.quantity import Quantity
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import Part, Suffix

HEAD = "format: myofed-overrides-1\n"
ONE = (4.6,)
X = "rules:\n  - match: {protocol_name: x}\n"


def load(tmp_path: Path, text: str) -> Overrides:
    path = tmp_path / "overrides.yaml"
    path.write_text(HEAD + text)
    return load_overrides(path)


def rule(tmp_path: Path, **keys: object) -> Overrides:
    """One rule for the protocol `thigh`."""
    lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    return load(tmp_path, f"rules:\n  - match: {{protocol_name: thigh}}\n{lines}")


def series(number: int = 1, **kind: object) -> Series:
    extra = {"ProtocolName": "thigh", "SeriesDescription": "t1 left"} | dict(kind.pop("extra", {}))  # type: ignore[call-overload]
    return read_series(classic(Kind(series=number, extra=extra, **kind)))  # type: ignore[arg-type]


def outcome(candidate: Candidate) -> tuple[PlannedImage, ...] | str:
    try:
        if candidate.refusal:
            raise candidate.refusal
        return classify(candidate.series, candidate.override)
    except SeriesRefusedError as refusal:
        return refusal.code


def only(overrides: Overrides, one: Series) -> tuple[PlannedImage, ...] | str:
    (candidate,) = apply(overrides, [one])
    return outcome(candidate)


def image(overrides: Overrides, one: Series) -> PlannedImage:
    images = only(overrides, one)
    assert not isinstance(images, str), images
    return images[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rules: [\n", "found line 3: no YAML"),
        ("rules:\n  - match: {}\n    suffix: T1w\n", "in line 3 (rules.0.match), found neither or both"),
        (
            "rules:\n  - match: {protocol_name: x, series_instance_uid: 2.25.1}\n    suffix: T1w\n",
            "or series_instance_uid alone in line 3 (rules.0.match), found neither or both",
        ),
        (X, "expected at least one key beside match in line 3 (rules.0), found none"),
        (X + "    skip: true\n    suffix: T1w\n", "expected skip alone in line 3 (rules.0), found other keys"),
        (X + "    skip: false\n", "expected `true` in line 4 (rules.0.skip), found another value (true or false)"),
        (X + "    suffix: T9w\n", "T1w, T1w-FS, T2w"),
        (X + "    suffix: T9w\n", "in line 4 (rules.0.suffix), found another value (a text)"),
        (X + "    unit: s\n    scale: 1\n", "expected percent, ms, 1/s or Hz in line 4 (rules.0.unit)"),
        (X + "    unit: ms\n", "expected unit and scale together in line 3 (rules.0), found one of them"),
        (X + "    unit: ms\n    scale: 0\n", "expected a scale other than 0 in line 3 (rules.0), found 0"),
        (X + "    unit: ms\n    scale: .nan\n", "in line 5 (rules.0.scale), found another value (a number)"),
        (X + "    unit: ms\n    scale: [1]\n", "in line 5 (rules.0.scale), found another value (a list)"),
        (
            X + "    suffix: B0\n    unit: ms\n    scale: 1\n",
            "the unit of the suffix in line 3 (rules.0), found another",
        ),
        (X + "    phase_range: [4095, 0]\n", "phase_range as low, high in line 3 (rules.0), found no growing pair"),
        (
            X + "    phase_range: [0]\n",
            "expected two numbers, [low, high] in line 4 (rules.0.phase_range.1), found nothing",
        ),
        (X + "    phase_range: [0, 9]\n    part: mag\n", "of a phase only in line 3 (rules.0), found another part"),
        (
            X + "    suffix: MESE\n    join: echoes\n",
            "with suffix MEGRE only in line 3 (rules.0), found another suffix",
        ),
        (X + "    suffix: T1w\n    readout_mode: Bipolar\n", "with suffix MEGRE only"),
        (
            "rules:\n  - match: {series_instance_uid: 1.2.840.1}\n    skip: true\n",
            "which begins with 2.25. in line 3 (rules.0.match.series_instance_uid), found another value (a text)",
        ),
        ("rules: Mustermann\n", "a list of at most 1000 rules"),
        ("rules: {match: Mustermann}\n", "found another value (keys with values)"),
        ("rules: [Mustermann]\n", "expected keys with values in line 2 (rules.0), found another value (a text)"),
        ("rules:\n  - suffix: T1w\n", "in line 3 (rules.0.match), found nothing"),
        ("rules:\n  - match: 2026-11-24\n    suffix: T1w\n", "found another value (of another kind)"),
        ("levels:\n  - series_instance_uid: 2.25.1\n", "expected bone or landmark in line 3 (levels.0), found neither"),
        (
            "levels:\n  - series_instance_uid: 2.25.1\n    bone: femur\n    proximal_z_mm: 1\n",
            "distal_z_mm together in line 3 (levels.0), found some of them",
        ),
        (
            "levels:\n  - series_instance_uid: 2.25.1\n    landmark: knee joint\n",
            "landmark_z_mm together in line 3 (levels.0), found one of them",
        ),
        (
            "levels:\n  - {series_instance_uid: 2.25.1, bone: tibia, proximal_z_mm: 1, distal_z_mm: 2}\n",
            "expected proximal_z_mm above distal_z_mm in line 3 (levels.0), found it below or equal",
        ),
        (
            "levels:\n  - series_instance_uid: 2.25.1\n    landmark: Mr Mustermann\n    landmark_z_mm: 1\n",
            "e.g. knee joint in line 4 (levels.0.landmark), found another value (a text)",
        ),
        ("Mustermann: 1\n", "expected only documented keys in line 2 (the file), found a key that is not known"),
        (X + "    Mustermann: 1\n", "expected only documented keys in line 4 (rules.0), found a key that is not known"),
    ],
)
def test_file_with_a_mistake_is_refused_by_line_and_key(tmp_path: Path, text: str, told: str) -> None:
    """The person finds it, in our words, and nothing that may name somebody is repeated."""
    with pytest.raises(MyofedError) as refusal:
        load(tmp_path, text)
    assert refusal.value.code == "OVERRIDES_INVALID"
    assert told in refusal.value.message
    assert refusal.value.message.startswith("expected ")
    assert "Mustermann" not in str(refusal.value)
    assert not [word for word in ("Input", "pydantic", "_error", "_type", "otherwise") if word in str(refusal.value)]


def test_documented_example_is_a_file_and_every_key_is_documented(repository: Path, tmp_path: Path) -> None:
    """What the page shows works, and the page shows all there is."""
    page = (repository / "docs" / "conversion.md").read_text()
    path = tmp_path / "overrides.yaml"
    path.write_text(page.split("```yaml\n")[1].split("```")[0])
    overrides = load_overrides(path)
    assert {key for rule in overrides.rules for key in rule.model_fields_set} == set(Rule.model_fields)
    assert {key for level in overrides.levels for key in level.model_fields_set} == set(Level.model_fields)
    keys = {*Rule.model_fields, *Match.model_fields, *Level.model_fields}
    assert {key for key in keys if f"`{key}`" not in page} == set()


def test_every_key_has_words_for_what_is_expected() -> None:
    """A mistake at a new key would otherwise have none."""
    keys = {*Rule.model_fields, *Match.model_fields, *Level.model_fields, "format", "rules", "levels", ""}
    assert set(EXPECTED) == keys


@pytest.mark.parametrize("content", [b"", b"[]", b"format: other\n", b"\xff\xfe", b"# " + b"x" * (1 << 20)])
def test_what_is_no_override_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, a list, another format, no text, too long."""
    path = tmp_path / "overrides.yaml"
    path.write_bytes(content)
    with pytest.raises(MyofedError) as refusal:
        load_overrides(path)
    assert refusal.value.code == "OVERRIDES_INVALID"


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A site that names a file wants it used."""
    with pytest.raises(MyofedError) as refusal:
        load_overrides(tmp_path / "nothing.yaml")
    assert refusal.value.code == "OVERRIDES_INVALID"


def test_digest_is_that_of_the_files_bytes(tmp_path: Path) -> None:
    """Provenance can be checked with sha256sum."""
    overrides = load(tmp_path, "")
    assert overrides.digest == hashlib.sha256(HEAD.encode()).hexdigest()
    assert NO_OVERRIDES.digest is None


def test_two_rules_for_one_series_are_ambiguous(tmp_path: Path) -> None:
    """No order of rules decides; the series waits for a person, and others are as ever."""
    text = "rules:\n  - {match: {protocol_name: thigh}, suffix: T1w}\n  - {match: {series_description: t1 left}, part: mag}\n"
    ambiguous, other = apply(load(tmp_path, text), [series(1), series(2, extra={"ProtocolName": "calf"})])
    assert outcome(ambiguous) == "OVERRIDES_AMBIGUOUS"
    assert other.override is not None
    assert other.override.part is Part.MAG


def test_two_levels_of_one_series_are_ambiguous(tmp_path: Path) -> None:
    """Two measurements of one place: a person decides."""
    one = series(echo_times_ms=ONE)
    level = f"  - {{series_instance_uid: {one.uid}, landmark: knee joint, landmark_z_mm: 1}}\n"
    assert only(load(tmp_path, f"levels:\n{level}{level}"), one) == "OVERRIDES_AMBIGUOUS"


def test_series_that_nothing_names_is_as_without_a_file(tmp_path: Path) -> None:
    """Part of a name, or another UID, is no match."""
    text = "rules:\n  - {match: {protocol_name: thig}, skip: true}\n  - {match: {series_instance_uid: 2.25.9}, skip: true}\n"
    (candidate,) = apply(load(tmp_path, text), [series()])
    assert candidate == apply(NO_OVERRIDES, [series()])[0]
    assert (candidate.override, candidate.refusal) == (None, None)


def test_names_match_whole_and_without_regard_to_case(tmp_path: Path) -> None:
    """Both, where both are named."""
    both = "rules:\n  - match: {protocol_name: THIGH, series_description: ' T1 Left '}\n    skip: true\n"
    assert only(load(tmp_path, both), series()) == "SKIPPED_BY_OVERRIDE"
    assert only(load(tmp_path, both), series(extra={"SeriesDescription": "t1 right"})) != "SKIPPED_BY_OVERRIDE"


def test_series_skipped_by_the_site_is_skipped_and_not_quarantined(tmp_path: Path) -> None:
    """Nothing is lost that the site wanted."""
    (candidate,) = apply(rule(tmp_path, skip="true"), [series()])
    assert candidate.refusal is not None
    assert candidate.refusal.outcome == "skipped"


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ({"suffix": "MEGRE"}, {"echo_times_ms": ONE}),
        ({"suffix": "MEGRE"}, {"extra": {"ScanningSequence": "SE"}}),
        ({"suffix": "MESE"}, {"extra": {"ScanningSequence": "SE"}}),
        ({"suffix": "MESE"}, {"echo_times_ms": (8.0, 16.0, 24.0)}),
        ({"suffix": "MESE"}, {"echo_times_ms": (8.0, 16.0, 40.0), "extra": {"ScanningSequence": "SE"}}),
        ({"suffix": "T1w"}, {}),
        ({"suffix": "T1w"}, {"echo_times_ms": ONE, "image_type": ("ORIGINAL", "PRIMARY", "P", "ND")}),
        ({"suffix": "T2w"}, {"echo_times_ms": ONE, "extra": {"AcquisitionContrast": "T1"}}),
        ({"suffix": "T1w"}, {"echo_times_ms": ONE, "extra": {"AcquisitionContrast": "T1", "ScanOptions": "FS"}}),
        ({"suffix": "T1w"}, {"echo_times_ms": ONE, "extra": {"AcquisitionContrast": "PROTON_DENSITY"}}),
        ({"suffix": "T1w"}, {"echo_times_ms": ONE, "extra": {"SequenceName": "*de3d1"}}),
        ({"suffix": "MEGRE"}, {"extra": {"SequenceName": "*de3d1"}}),
        ({"suffix": "DESS"}, {"echo_times_ms": ONE, "extra": {"ScanningSequence": "SE"}}),
        ({"suffix": "DESS-FID"}, {"echo_times_ms": ONE, "extra": {"AcquisitionContrast": "T1"}}),
        ({"suffix": "WAT"}, {"echo_times_ms": ONE, "image_type": ("DERIVED", "PRIMARY", "DIXON", "FAT")}),
        ({"part": "phase"}, {}),
        ({"phase_range": "[0, 4095]"}, {}),
        ({"readout_mode": "Bipolar"}, {"echo_times_ms": ONE, "extra": {"AcquisitionContrast": "T1"}}),
        ({"precession_direction": "Clockwise"}, {"echo_times_ms": ONE, "extra": {"AcquisitionContrast": "T1"}}),
    ],
)
def test_what_headers_prove_otherwise_is_refused(
    tmp_path: Path, keys: dict[str, object], kind: dict[str, object]
) -> None:
    """One echo is no MEGRE, two spin echoes no MESE, a phase no T1w, T1 no T2, FAT no WAT, a magnitude no phase."""
    assert only(rule(tmp_path, **keys), series(**kind)) == "OVERRIDE_CONTRADICTS_HEADERS"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ({"echo_times_ms": (3.2, 3.2)}, "REPEATED_POSITIONS"),
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, "LOCALIZER"),
        ({"extra": {"ScanningSequence": ["EP", "GR"]}}, "ECHO_PLANAR"),
        ({"echo_times_ms": ONE, "image_type": ("DERIVED", "PRIMARY", "R2 MAP")}, "MAP_NOT_IN_PROFILE"),
        ({"echo_times_ms": ONE, "extra": {"ImagesInAcquisition": "4"}}, "SERIES_INCOMPLETE_BY_HEADER"),
    ],
)
def test_file_never_switches_off_a_proof_or_a_rule(tmp_path: Path, kind: dict[str, object], code: str) -> None:
    """Geometry, completeness and what is no image of the profile stay what they are."""
    assert only(rule(tmp_path, suffix="T1w"), series(**kind)) == code


def test_missing_slice_is_refused_whatever_the_file_says(tmp_path: Path) -> None:
    """The third of four slices is lost."""
    files = classic(Kind(slices=4, echo_times_ms=ONE, extra={"ProtocolName": "thigh"}))
    del files[1]
    assert only(rule(tmp_path, suffix="T1w"), read_series(files)) == "SLICES_UNEVEN"


def test_angle_that_varies_is_refused_whatever_the_file_says(tmp_path: Path) -> None:
    """A variable-flip-angle series is not one image."""
    files = classic(Kind(echo_times_ms=ONE, extra={"ProtocolName": "thigh"}))
    files[0].FlipAngle = "30"
    assert only(rule(tmp_path, suffix="T1w"), read_series(files)) == "PARAMETERS_VARY"


@pytest.mark.parametrize(
    ("keys", "kind", "suffix"),
    [
        ({"suffix": "T1w"}, {"echo_times_ms": ONE}, Suffix.T1W),
        ({"suffix": "T1w-FS"}, {"echo_times_ms": ONE, "extra": {"AcquisitionContrast": "T1"}}, Suffix.T1W_FS),
        ({"suffix": "WAT"}, {"echo_times_ms": ONE, "extra": {"AcquisitionContrast": "T1"}}, Suffix.WAT),
        ({"suffix": "DESS-ECHO"}, {"echo_times_ms": ONE, "extra": {"SequenceName": "*de3d1"}}, Suffix.DESS_ECHO),
        ({"suffix": "FAT"}, {"echo_times_ms": ONE, "image_type": ("DERIVED", "SECONDARY", "M")}, Suffix.FAT),
        (
            {"suffix": "MESE"},
            {"echo_times_ms": (8.0, 16.0, 24.0), "extra": {"ScanningSequence": "SE"}},
            Suffix.MESE,
        ),
        (
            {"suffix": "B0", "unit": "Hz", "scale": "0.5"},
            {"echo_times_ms": ONE, "image_type": ("ORIGINAL", "PRIMARY", "P", "ND")},
            Suffix.B0,
        ),
        (
            {"suffix": "T2", "unit": "ms", "scale": "0.1"},
            {"echo_times_ms": ONE, "image_type": ("DERIVED", "PRIMARY", "T2 MAP")},
            Suffix.T2,
        ),
        ({"part": "mag"}, {"image_type": ("ORIGINAL", "PRIMARY", "GDC")}, Suffix.MEGRE),
    ],
)
def test_site_says_what_headers_do_not(
    tmp_path: Path, keys: dict[str, object], kind: dict[str, object], suffix: Suffix
) -> None:
    """And the evidence says that it was the site's word, the image whose file it was."""
    overrides = rule(tmp_path, **keys)
    made = image(overrides, series(**kind))
    assert (made.suffix, made.part) == (suffix, Part.MAG)
    assert f"override={','.join(key for key in keys if key != 'scale')}" in made.evidence
    assert made.override is not None
    assert made.override.digest == overrides.digest


PERCENT = {"unit": "percent", "scale": "0.1"}
FF_WORDS, WATER_WORDS = ("DERIVED", "PRIMARY", "DIXON", "FF"), ("DERIVED", "PRIMARY", "DIXON", "W")


@pytest.mark.parametrize("keys", [PERCENT, PERCENT | {"suffix": "FF"}])
@pytest.mark.parametrize(
    "kind",
    [
        {"echo_times_ms": ONE, "image_type": WATER_WORDS},
        {"echo_times_ms": ONE, "image_type": ("DERIVED", "PRIMARY", "T2 MAP")},
        {},
        {"image_type": ("ORIGINAL", "PRIMARY", "P", "ND")},
    ],
)
def test_unit_by_name_is_not_said_of_other_images_of_that_protocol(
    tmp_path: Path, keys: dict[str, object], kind: dict[str, object]
) -> None:
    """Water, another map, the echoes and their phase have the same ProtocolName; they are as without a file."""
    fraction, other = series(1, echo_times_ms=ONE, image_type=FF_WORDS), series(2, **kind)
    for_fraction, for_other = apply(rule(tmp_path, **keys), [fraction, other])
    images = outcome(for_fraction)
    assert not isinstance(images, str), images
    (made,) = images
    assert made.quantity == Quantity("rescale", 0.1)
    assert for_other == apply(NO_OVERRIDES, [other])[0]
    assert rule(tmp_path, **keys).rules[0].fits(fraction)
    assert not rule(tmp_path, **keys).rules[0].fits(other)


def test_unit_by_uid_is_said_of_that_series_whatever_it_is(tmp_path: Path) -> None:
    """A person pointed at it: a mistake is told, not passed over."""
    one = series(echo_times_ms=ONE, image_type=WATER_WORDS)
    text = f"rules:\n  - match: {{series_instance_uid: {one.uid}}}\n    unit: percent\n    scale: 0.1\n"
    assert only(load(tmp_path, text), one) == "OVERRIDE_CONTRADICTS_HEADERS"


def test_series_refused_for_its_words_is_refused_beside_a_unit_by_name(tmp_path: Path) -> None:
    """Two products in one ImageType."""
    one = series(echo_times_ms=ONE, image_type=("DERIVED", "PRIMARY", "W", "F"))
    assert only(rule(tmp_path, **PERCENT), one) == "DIXON_PRODUCT_AMBIGUOUS"


@pytest.mark.parametrize("keys", [PERCENT, PERCENT | {"suffix": "FF"}])
@pytest.mark.parametrize("by_uid", [False, True])
def test_unit_is_said_of_the_map_alone_where_one_series_holds_all_products(
    tmp_path: Path, keys: dict[str, object], by_uid: bool
) -> None:
    """As Philips exports Dixon; the other images do not carry the file's digest."""
    files = [
        dataset
        for product in ("W", "FF")
        for dataset in classic(
            Kind(echo_times_ms=ONE, image_type=("DERIVED", "PRIMARY", "M", product), extra={"ProtocolName": "thigh"})
        )
    ]
    one = read_series(files)
    lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    match = f"series_instance_uid: {one.uid}" if by_uid else "protocol_name: thigh"
    images = only(load(tmp_path, f"rules:\n  - match: {{{match}}}\n{lines}"), one)
    assert not isinstance(images, str), images
    told = {image.suffix: (image.quantity, image.override is not None) for image in images}
    assert told == {Suffix.FF: (Quantity("rescale", 0.1), True), Suffix.WAT: (None, False)}


def test_unknown_derived_image_beside_a_named_map_is_not_taken_for_anything(tmp_path: Path) -> None:
    """What the file says of the map names no other image."""
    words = (("DERIVED", "PRIMARY", "M", "FF"), ("DERIVED", "PRIMARY", "M"))
    files = [d for w in words for d in classic(Kind(echo_times_ms=ONE, image_type=w, extra={"ProtocolName": "thigh"}))]
    assert only(rule(tmp_path, **PERCENT, suffix="FF"), read_series(files)) == "DERIVED_UNKNOWN"


def test_levels_that_name_no_series_are_told_by_number(tmp_path: Path) -> None:
    """The first is 1."""
    level = "  - {{series_instance_uid: {}, landmark: knee joint, landmark_z_mm: 1}}\n"
    overrides = load(tmp_path, "levels:\n" + "".join(level.format(f"2.25.{n}") for n in (7, 8, 9)))
    assert unused_levels(overrides, ["2.25.8"]) == (1, 3)
    assert unused_levels(NO_OVERRIDES, []) == ()


def test_magnitude_by_the_sites_word_must_be_confirmed_by_the_voxels(tmp_path: Path) -> None:
    """The proof that no voxel is negative is not the file's to switch off."""
    made = image(rule(tmp_path, part="mag"), series(image_type=("ORIGINAL", "PRIMARY", "GDC")))
    assert made.part_assumed


def test_phase_range_readout_and_precession_reach_the_image(tmp_path: Path) -> None:
    """What the converter needs stands at the image."""
    keys = {"phase_range": "[0, 4095]", "readout_mode": "Bipolar", "precession_direction": "Clockwise"}
    made = image(rule(tmp_path, **keys), series(image_type=("ORIGINAL", "PRIMARY", "P", "ND")))
    assert made.override is not None
    told = made.override.phase_range, made.override.readout_mode, made.override.precession_direction
    assert told == ((0.0, 4095.0), "Bipolar", "Clockwise")


def test_level_stands_beside_a_rule(tmp_path: Path) -> None:
    """It is a measurement and no rule, so that both may name one series."""
    one = series(echo_times_ms=ONE)
    text = (
        "rules:\n  - {match: {protocol_name: thigh}, suffix: T1w}\n"
        f"levels:\n  - {{series_instance_uid: {one.uid}, landmark: knee joint, landmark_z_mm: 10}}\n"
    )
    made = image(load(tmp_path, text), one)
    assert "override=suffix,level" in made.evidence
    (alone,) = apply(load(tmp_path, text[text.index("levels") :]), [one])
    assert alone.override is not None
    assert (alone.override.suffix, alone.override.level is not None) == (None, True)


def test_level_of_slices_that_are_not_transversal_is_refused(tmp_path: Path) -> None:
    """The measurement is not of this series."""
    files = classic(Kind(slices=1, extra={"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}))
    one = read_series(files)
    text = f"levels:\n  - {{series_instance_uid: {one.uid}, landmark: knee joint, landmark_z_mm: 10}}\n"
    assert only(load(tmp_path, text), one) == "OVERRIDE_CONTRADICTS_HEADERS"


def joined(tmp_path: Path, *members: Series) -> tuple[Candidate, ...]:
    return apply(rule(tmp_path, join="echoes"), members)


def echo(number: int, time_ms: float, **kind: object) -> Series:
    return series(number, echo_times_ms=(time_ms,), **kind)


def test_single_echoes_of_one_grid_become_one_megre(tmp_path: Path) -> None:
    """In order of echo time, with the files of each counted one after the other."""
    members = [echo(3, 2.3), echo(1, 6.9), echo(2, 4.6)]
    for order in itertools.permutations(members):
        (candidate,) = joined(tmp_path, *order)
        assert candidate.members == (members[0].uid, members[2].uid, members[1].uid)
        (made,) = outcome(candidate)
        assert isinstance(made, PlannedImage)
        assert (made.suffix, made.stack.echo_times_ms) == (Suffix.MEGRE, (2.3, 4.6, 6.9))
        assert [frame.file // 3 for frame in made.stack.frames[0]] == [0, 1, 2]
        assert "override=suffix,join" in made.evidence


def test_parts_are_joined_with_their_echoes(tmp_path: Path) -> None:
    """Magnitude and phase of each echo may be series of their own."""
    phase = ("ORIGINAL", "PRIMARY", "P", "ND")
    members = [echo(1, 2.3), echo(2, 2.3, image_type=phase), echo(3, 4.6), echo(4, 4.6, image_type=phase)]
    (candidate,) = joined(tmp_path, *members)
    assert [image.part for image in outcome(candidate)] == [Part.MAG, Part.PHASE]  # type: ignore[union-attr]


def shifted(one: Series, mm: float) -> Series:
    files = classic(Kind(series=one.number, echo_times_ms=(one.frames[0].echo_time_ms or 0.0,)))
    for dataset in files:
        dataset.ProtocolName = "thigh"
        dataset.ImagePositionPatient = [float(x) + mm for x in dataset.ImagePositionPatient]
    return read_series(files)


def test_two_stations_become_two_images(tmp_path: Path) -> None:
    """Each grid with all echoes is an image of its own."""
    members = [echo(1, 2.3), echo(2, 4.6), shifted(echo(3, 2.3), 50.0), shifted(echo(4, 4.6), 50.0)]
    candidates = joined(tmp_path, *members)
    assert [candidate.members for candidate in candidates] == [
        (members[0].uid, members[1].uid),
        (members[2].uid, members[3].uid),
    ]


@pytest.mark.parametrize(
    "members",
    [
        [echo(1, 2.3)],
        [echo(1, 2.3), echo(2, 2.3, image_type=("ORIGINAL", "PRIMARY", "P", "ND"))],
        [echo(1, 2.3), series(2)],
        [echo(1, 2.3), shifted(echo(2, 4.6), 0.5)],
        [echo(1, 2.3), echo(2, 4.6, slices=4)],
        [echo(1, 2.3), echo(2, 4.6), shifted(echo(3, 2.3), 50.0)],
    ],
)
def test_what_cannot_be_joined_is_refused_as_a_whole(tmp_path: Path, members: list[Series]) -> None:
    """One echo, two echoes in one series, another grid by half a millimetre, another number of slices."""
    candidates = joined(tmp_path, *members)
    assert len(candidates) == len(members)
    assert {outcome(candidate) for candidate in candidates} == {"JOIN_REFUSED"}


def test_incomplete_echo_is_not_joined(tmp_path: Path) -> None:
    """What its header proves to be missing is looked at before."""
    whole, part = echo(1, 2.3), echo(2, 4.6, extra={"ImagesInAcquisition": "4"})
    assert {outcome(one) for one in joined(tmp_path, whole, part)} == {"SERIES_INCOMPLETE_BY_HEADER"}


def test_two_runs_of_one_protocol_are_not_mixed(tmp_path: Path) -> None:
    """Which first echo belongs to which second one nobody can know."""
    (candidate,) = joined(tmp_path, echo(1, 2.3), echo(2, 4.6), echo(3, 2.3), echo(4, 4.6))
    assert outcome(candidate) == "REPEATED_POSITIONS"


def test_echoes_of_different_flip_angles_are_no_megre(tmp_path: Path) -> None:
    """They are measurements of their own."""
    (candidate,) = joined(tmp_path, echo(1, 2.3), echo(2, 4.6, extra={"FlipAngle": "30"}))
    assert outcome(candidate) == "PARAMETERS_VARY"


def test_level_of_one_member_is_that_of_the_joined_image(tmp_path: Path) -> None:
    """Two of them are ambiguous, and nothing is joined."""
    members = [echo(1, 2.3), echo(2, 4.6)]
    level = "  - {{series_instance_uid: {}, landmark: knee joint, landmark_z_mm: 10}}\n"
    text = "rules:\n  - {match: {protocol_name: thigh}, join: echoes}\nlevels:\n" + level.format(members[1].uid)
    (candidate,) = apply(load(tmp_path, text), members)
    assert candidate.override is not None
    assert candidate.override.level is not None
    doubtful = apply(load(tmp_path, text + level.format(members[0].uid)), members)
    assert [outcome(one) for one in doubtful] == ["OVERRIDES_AMBIGUOUS"] * 2


def test_phase_is_no_map_by_anybodys_word_but_a_field(tmp_path: Path) -> None:
    """A phase called a T2 map would be wrong in every voxel; a phase difference may be off-resonance in Hz."""
    phase = series(image_type=("ORIGINAL", "PRIMARY", "P", "ND"), echo_times_ms=(2.3,))
    assert only(rule(tmp_path, suffix="T2", unit="ms", scale=0.1), phase) == "OVERRIDE_CONTRADICTS_HEADERS"
    assert image(rule(tmp_path, suffix="B0", unit="Hz", scale=0.1), phase).suffix is Suffix.B0
