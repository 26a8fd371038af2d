"""A site's own profiles: same types, clear refusals, and they go before the shipped ones."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from protocol_factories import SCANS, Scan, checked, multi_echo, put

from myofed_node.protocol.check import check
from myofed_node.protocol.profiles import load_profiles, parse_profile, shipped_profiles, site_profile_folders
from myofed_node.protocol.t1_bias import Tissue, t1_bias_points
from myofed_node.protocol.wording import field, passing, warning
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.protocol import Certainty
from myofed_schemas.protocol_quantities import Quantity

OWN = """\
format: myofed-protocol-1
name: field-map
title: Our two-echo field map
purpose: fat fraction
applies: {suffixes: [MEGRE], echoes: {low: 2, high: 2}}
about: Two echoes for the off-resonance; no fat fraction is made of it.
limits:
  - {key: echo_spacing, kind: range, quantity: echo_spacing, unit: ms, pass: [{low: 2, high: 3}],
     why: "in phase at both echoes", source: "our physicist", certainty: expert opinion}
"""


def folder(root: Path, **texts: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (root / f"{name}.yaml").write_text(text)
    return root


def refused(*folders: Path) -> MyofedError:
    with pytest.raises(MyofedError) as refusal:
        load_profiles(*folders)
    assert refusal.value.exit_code is ExitCode.USAGE
    return refusal.value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OWN.replace("unit: ms", "unit: s"), "limits.0.range: Value error, echo_spacing is told in ms"),
        (OWN.replace("low: 2, high: 3", "low: 4, high: 3"), "limits.0.range.pass.0: Value error, low is above high"),
        (
            OWN.replace("certainty: expert opinion", "certainty: high"),
            "limits.0.range.certainty: Input should be 'sure'",
        ),
        (OWN.replace("echo_spacing, unit", "echo_colour, unit"), "limits.0.range.quantity: Input should be"),
        (OWN.replace("name: field-map\n", ""), "name: Field required"),
        (OWN + "patient: x\n", "patient: Extra inputs are not permitted"),
        (OWN + "name: twice\n", "key name stands twice"),
        (OWN.replace("high: 3", "low: 3"), "key low stands twice"),
        (OWN.replace("{low: 2, high: 3}", "{low: 2"), "line "),
        (OWN.replace("low: 2, high: 3", "low: .nan, high: 3"), "not YAML of text, numbers and lists only"),
        (OWN.replace("title: Our two-echo field map", "title: 2026-11-22"), "not YAML of text, numbers and lists only"),
        (
            OWN.replace("low: 2, high: 3", "low: '2', high: 3"),
            "limits.0.range.pass.0.low: Input should be a valid number",
        ),
        ("- a list\n", "the profile: Input should be an object"),
        ("", "the profile: Input should be an object"),
        ("a: &a [*a]\n", "not YAML of text, numbers and lists only"),
        ("a: \x00\n", "not YAML of text, numbers and lists only"),
    ],
)
def test_profile_that_is_wrong_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """File, place and reason; nothing is loaded half."""
    error = refused(folder(tmp_path, own=text))
    assert error.code == "PROTOCOL_INVALID"
    assert "own.yaml" in error.message
    assert said in error.message


def test_many_faults_are_counted(tmp_path: Path) -> None:
    """Five are told, the others are a number."""
    error = refused(folder(tmp_path, own="{a: 1, b: 2}"))
    assert error.message.count(": Field required") == 5
    assert "and 4 more" in error.message


def test_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Whatever an editor wrote."""
    folder(tmp_path, own=OWN)
    (tmp_path / "own.yaml").write_bytes(OWN.encode("utf-16"))
    assert "not UTF-8" in refused(tmp_path).message


def test_folder_without_profiles_is_refused(tmp_path: Path) -> None:
    """An empty or missing folder named on the command line is a slip, not a wish; the path is not repeated."""
    assert refused(tmp_path).code == "PROTOCOL_FOLDER_EMPTY"
    error = refused(tmp_path / "Mustermann")
    assert error.code == "PROTOCOL_FOLDER_EMPTY"
    assert "Mustermann" not in str(error)


def test_two_profiles_of_one_name_are_refused(tmp_path: Path) -> None:
    """In one folder or in two."""
    one = folder(
        tmp_path / "a", x=OWN, y=OWN.replace("high: 2}", "high: 2}").replace("low: 2, high: 2", "low: 9, high: 9")
    )
    assert refused(one).code == "PROTOCOL_NAME_TWICE"
    assert refused(folder(tmp_path / "b", x=OWN), folder(tmp_path / "c", x=OWN)).code == "PROTOCOL_NAME_TWICE"


def test_two_profiles_for_one_acquisition_are_refused(tmp_path: Path) -> None:
    """Nobody could say which of them decides."""
    error = refused(folder(tmp_path, x=OWN, y=OWN.replace("field-map", "other-map")))
    assert error.code == "PROTOCOL_OVERLAP"
    assert "field-map" in error.message
    assert "other-map" in error.message


def test_profile_of_the_site_goes_before_the_shipped_one(tmp_path: Path) -> None:
    """A two-echo field map is judged as what it is; three echoes are still a three-point Dixon."""
    profiles = load_profiles(folder(tmp_path / "own", x=OWN))
    two = checked(tmp_path / "a", multi_echo([5.19, 7.65]), profiles)
    assert (two.profile, two.verdict) == ("field-map", "pass")
    assert checked(tmp_path / "b", SCANS["fat-fraction-3-point"], profiles).profile == "fat-fraction-3-point"


def test_profile_of_the_site_replaces_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    """A site may be stricter; the report tells its origin and another digest."""
    text = files("myofed_schemas").joinpath("protocols/t1w-mercuri.yaml").read_text(encoding="utf-8")
    own = folder(tmp_path / "own", mine=text.replace("high: 900", "high: 599").replace("target: 600", "target: 500"))
    profiles = load_profiles(own)
    series = checked(tmp_path / "a", SCANS["t1w-mercuri"], profiles)
    assert (series.profile, series.verdict) == ("t1w-mercuri", "warn")
    (mine,) = (used for used in profiles.used if used.name == "t1w-mercuri")
    (shipped,) = (used for used in load_profiles().used if used.name == "t1w-mercuri")
    assert (mine.origin, shipped.origin) == ("site", "shipped")
    assert mine.digest != shipped.digest
    assert len(profiles.used) == len(load_profiles().used)


def test_profiles_of_a_site_are_found_where_they_lie(tmp_path: Path) -> None:
    """`protocols/` in its folder; no folder or an empty one is no fault, and hidden files are not read."""
    assert site_profile_folders(tmp_path) == ()
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols" / ".x.yaml").write_text("half")
    (tmp_path / "protocols" / "README.txt").write_text("ours")
    assert site_profile_folders(tmp_path) == ()
    (tmp_path / "protocols" / "own.yml").write_text(OWN)
    (found,) = site_profile_folders(tmp_path)
    assert load_profiles(found).named("field-map").title == "Our two-echo field map"


def test_unknown_name_lists_those_there_are() -> None:
    """Whoever mistypes sees the names."""
    with pytest.raises(MyofedError) as refusal:
        load_profiles().named("dixon")
    assert refusal.value.code == "PROTOCOL_UNKNOWN"
    assert "vendor-2-point-dixon" in refusal.value.message


def test_shipped_profiles_are_asked_for_by_file_name() -> None:
    """One file a profile, named after it; every purpose has one."""
    folder_ = files("myofed_schemas").joinpath("protocols")
    names = {entry.name.removesuffix(".yaml") for entry in folder_.iterdir() if entry.name.endswith(".yaml")}
    assert names == {profile.name for profile in shipped_profiles()}
    assert {profile.purpose.value for profile in shipped_profiles()} == {
        "fat fraction", "water T2", "visual grading of fat", "visual grading of oedema",
    }  # fmt: skip


def test_every_shipped_limit_names_source_and_certainty_and_bias_its_t1() -> None:
    """And what the scanner's own data set cannot prove stands in advice and caution."""
    limits = [limit for profile in shipped_profiles() for limit in profile.limits]
    assert {limit.certainty for limit in limits} == set(Certainty)
    assert all(limit.source.strip() and limit.why.strip() for limit in limits)
    assert sum(limit.quantity is Quantity.T1_BIAS for limit in limits) == 3
    assert all(profile.advice for profile in shipped_profiles())


@pytest.mark.parametrize(
    ("scan", "profile"),
    [
        (multi_echo([1.0 + 0.8 * n for n in range(4)]), "fat-fraction-3-point"),
        (multi_echo([1.0 + 0.8 * n for n in range(5)]), "fat-fraction-6-echo"),
        (multi_echo([1.0 + 0.8 * n for n in range(12)]), "fat-fraction-6-echo"),
        (multi_echo([5.0]), "fat-fraction-3-point"),
        (Scan({"FF": {}}, {}), "vendor-2-point-dixon"),
        (SCANS["oedema-stir"], "oedema-stir"),
        (SCANS["oedema-t2w-fs"], "oedema-t2w-fs"),
        (Scan({"T1w-FS": {}}, {}), None),
        (Scan({"T2w": {}}, {}), None),
        (Scan({"B0": {}}, {}), None),
        (Scan({"wT2": {}}, {}), None),
    ],
)
def test_suffix_echoes_and_inversion_choose_the_profile(tmp_path: Path, scan: Scan, profile: str | None) -> None:
    """No profile applies: not checked, and said so."""
    series = checked(tmp_path, scan)
    assert series.profile == profile
    assert (series.verdict == "not checked") == (profile is None)
    assert (series.reason.startswith("no profile is for")) == (profile is None)


def test_number_of_echoes_that_cannot_be_told_leaves_the_profile_open(tmp_path: Path) -> None:
    """Not skipped as `not checked`: the data set does not conform."""
    put(tmp_path, multi_echo([1.0, 2.0, 3.0]).having(EchoTime=[1.0, 2.0, 3.0]))
    for path in tmp_path.rglob("sub-A*.*"):
        path.write_bytes(b"{}")
    report = check(tmp_path, load_profiles())
    assert [(one.verdict, one.profile) for one in report.series] == [("unknown", None)]
    assert "number of echoes" in report.series[0].reason
    assert not report.conforms


def test_acquisition_that_a_suffix_alone_does_not_place_says_so(tmp_path: Path) -> None:
    """The reason names echoes and inversion where a profile for the suffix exists."""
    profiles = load_profiles()
    narrow = type(profiles)(tuple(one for one in profiles.known if one.profile.name == "fat-fraction-6-echo"))
    series = checked(tmp_path, multi_echo([1.0, 2.0]), narrow)
    assert series.reason == "no profile is for MEGRE of this number of echoes or kind of inversion"


def test_page_of_the_documentation_shows_every_limit_as_it_is(repository: Path) -> None:
    """docs/protocols.md: the same numbers, sources and certainties as the YAML, and no row of a limit that is gone."""
    page = (repository / "docs" / "protocols.md").read_text()
    rows = [
        f"| `{limit.key}` | {f'{passing(limit)} {field(limit)}'.strip()} | {warning(limit)} | {limit.source} | {limit.certainty.value} |"
        for profile in shipped_profiles()
        for limit in profile.limits
    ]
    shown = page[page.index("## Shipped profiles") :].splitlines()
    assert [line for line in shown if line.startswith("| `")] == rows
    assert all(f"### `{profile.name}`" in page and profile.caution in page for profile in shipped_profiles())


def test_example_of_the_documentation_is_a_profile(repository: Path) -> None:
    """Whoever copies it has a profile that loads."""
    page = (repository / "docs" / "protocols.md").read_text()
    text = page.split("```yaml\n")[1].split("```")[0]
    assert [limit.key for limit in parse_profile(text, where="docs").limits] == ["echo_spacing", "dimension"]


def test_figures_of_the_documentation_are_those_of_the_formula(repository: Path) -> None:
    """The table of T1 biases, at both fields and both fat fractions."""
    page = (repository / "docs" / "protocols.md").read_text()
    for flip, repetition_ms in [(3, 6.4), (3, 10), (10, 102), (5, 23), (5, 18), (9, 4)]:
        figures = " | ".join(
            f"{t1_bias_points(Tissue(*t1, true), flip_angle_degrees=flip, repetition_time_ms=repetition_ms):.1f}"
            for t1 in ((1420.0, 370.0), (1000.0, 290.0))
            for true in (30.0, 37.5)
        )
        assert f"| {flip}°, {repetition_ms:g} ms | {figures} |" in page
