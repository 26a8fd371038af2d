"""Planning at one site: nothing leaves that a person did not send, once, and what a study says of it is compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from site_factories import NOW, FakeCoordinator, audited_actions, demo_site, enrol, refusal_code, study
from test_node_learning_data import write_subject
from typer.testing import CliRunner

import myofed_node.commands.planning
from myofed_node.cli import app
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.approvals import Approvals
from myofed_node.planning_desk import PlanningDesk, PlanningShown, plan_lines
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.planning_query import PlanningAnswer, PlanningQuery
from myofed_schemas.study import StudyManifest

QUERY = "plan-0123abcd"
SUBJECTS = tuple(f"S{number}" for number in range(8))


def query(**changes: object) -> PlanningQuery:
    fields: dict[str, object] = {
        "query_id": QUERY,
        "study_id": "thigh",
        "title": "Two thigh muscles",
        "purpose": "Follow-up of weakness",
        "sites": ("alpha", "beta"),
        "muscles": ("VL", "RF"),
        "min_answers": 1,
        "demo": True,
        "asked_at": "2026-01-01T00:00:00Z",
    }
    return PlanningQuery.model_validate(fields | changes)


@pytest.fixture
def coordinator() -> FakeCoordinator:
    return FakeCoordinator()


@pytest.fixture
def desk(tmp_path: Path, coordinator: FakeCoordinator) -> PlanningDesk:
    site = demo_site(tmp_path / "a")
    enrol(site, coordinator)
    for seed in range(4):
        write_subject(site.folder.dataset, f"p{seed}", seed=seed)
    return PlanningDesk(site, CoordinatorApi(coordinator))  # type: ignore[arg-type]


def asked(desk: PlanningDesk, coordinator: FakeCoordinator, **changes: object) -> None:
    coordinator.ask(query(**changes))
    assert desk.fetch() == 1


def sent(coordinator: FakeCoordinator) -> list[bytes]:
    return [body for method, _, body, _ in coordinator.sent if method == "PUT"]


def answer(desk: PlanningDesk, **named: str) -> PlanningShown:
    return desk.answer(QUERY, by="pi", now=NOW, **named)


def test_query_that_is_not_the_coordinators_or_not_for_us_is_not_kept(
    desk: PlanningDesk, coordinator: FakeCoordinator
) -> None:
    """Another key, another digest, another site's; a good one beside them is."""
    other = FakeCoordinator().ask(query())
    coordinator.queries.append(other)
    assert refusal_code(desk.fetch) == "PLANNING_SIGNATURE"
    coordinator.queries[:] = [other.model_copy(update={"sha256": "0" * 64})]
    assert refusal_code(desk.fetch) == "PLANNING_CHANGED"
    coordinator.queries.clear()
    coordinator.ask(query(sites=("beta",)))
    coordinator.ask(query(query_id="plan-11111111"))
    assert refusal_code(desk.fetch) == "PLANNING_NOT_FOR_US"
    assert [item.query_id for item in desk.list().queries] == ["plan-11111111"]


def test_query_that_comes_again_with_other_content_is_refused(desk: PlanningDesk, coordinator: FakeCoordinator) -> None:
    """The same one again changes nothing."""
    asked(desk, coordinator)
    assert desk.fetch() == 0
    coordinator.queries.clear()
    coordinator.ask(query(muscles=("GR",)))
    assert refusal_code(desk.fetch) == "PLANNING_REUSED"
    assert desk.files.query(QUERY).muscles == ("VL", "RF")


def test_reply_that_is_no_list_of_queries_is_refused(desk: PlanningDesk, coordinator: FakeCoordinator) -> None:
    """Nothing is kept of it."""
    coordinator._answers = lambda: {"/site/planning": lambda _p, _b: b'{"a": 1}'}  # type: ignore[method-assign]
    assert refusal_code(desk.fetch) == "REPLY_INVALID"


def test_unknown_query_is_neither_shown_nor_answered(desk: PlanningDesk) -> None:
    """Also one whose name leads elsewhere."""
    for name in (QUERY, "../studies", ""):
        assert refusal_code(lambda name=name: desk.show(name)) == "PLANNING_UNKNOWN"  # type: ignore[misc]
        assert (
            refusal_code(lambda name=name: desk.answer(name, by="pi", now=NOW)) == "PLANNING_UNKNOWN"  # type: ignore[misc]
        )


def test_nothing_is_sent_by_fetching_listing_or_showing(desk: PlanningDesk, coordinator: FakeCoordinator) -> None:
    """Only GET requests; nothing is kept or audited either."""
    asked(desk, coordinator)
    assert desk.list().queries[0].state == "waiting"
    assert desk.show(QUERY).state == "waiting"
    assert sent(coordinator) == []
    assert audited_actions(desk.site) == []
    assert desk.files.answer(QUERY) is None


def test_query_about_patients_is_not_answered_under_a_demo_policy(
    desk: PlanningDesk, coordinator: FakeCoordinator
) -> None:
    """Nothing is decided; it can be declined."""
    asked(desk, coordinator, demo=False)
    assert refusal_code(lambda: answer(desk)) == "POLICY_DEMO"
    assert sent(coordinator) == []
    assert desk.decline(QUERY, by="pi", now=NOW).state == "declined"


def test_images_that_changed_since_they_were_shown_are_not_told(
    desk: PlanningDesk, coordinator: FakeCoordinator
) -> None:
    """The digest of what the person read is no longer that of what would leave."""
    asked(desk, coordinator)
    read = desk.show(QUERY).sha256[:12]
    write_subject(desk.site.folder.dataset, "p9", seed=9)
    assert refusal_code(lambda: answer(desk, read=read)) == "PLANNING_NOT_THE_ONE_READ"
    assert sent(coordinator) == []
    assert answer(desk, read=desk.show(QUERY).sha256).sent


def test_what_leaves_is_what_was_shown_to_the_byte_and_only_what_was_asked(
    desk: PlanningDesk, coordinator: FakeCoordinator
) -> None:
    """Gracilis is drawn and not asked for; no pseudonym is in it; both records have the deed."""
    asked(desk, coordinator)
    shown = desk.show(QUERY)
    answer(desk, read=shown.sha256[:12])
    (body,) = sent(coordinator)
    assert body == canonical_json(shown.answer)
    told = PlanningAnswer.model_validate_json(body).fingerprint
    assert told is not None
    assert (told.structures, told.subjects.value) == (("VL",), 4)
    assert not any(f"p{seed}".encode() in body for seed in range(4))
    assert coordinator.sent[-1][3] == "thigh"
    assert audited_actions(desk.site) == ["PLANNING_TOLD"]


def test_few_subjects_tell_nothing_even_where_people_answer(tmp_path: Path, coordinator: FakeCoordinator) -> None:
    """The site's own k decides, whoever asks."""
    site = demo_site(tmp_path / "b")
    enrol(site, coordinator)
    for seed in range(2):
        write_subject(site.folder.dataset, f"p{seed}", seed=seed)
    few = PlanningDesk(site, CoordinatorApi(coordinator))  # type: ignore[arg-type]
    asked(few, coordinator)
    told = answer(few).answer.fingerprint
    assert told is not None
    assert told.subjects.value is None
    assert (told.spacing_mm, told.thigh_mm, told.structures, told.echo_times_ms) == ((), (), (), ())


def test_answer_is_given_once_and_stays(desk: PlanningDesk, coordinator: FakeCoordinator) -> None:
    """Asked again, nothing is sent again, though the images changed; it cannot be declined any more."""
    asked(desk, coordinator)
    first = answer(desk)
    write_subject(desk.site.folder.dataset, "p9", seed=9)
    again = answer(desk)
    assert again.answer == first.answer == desk.show(QUERY).answer
    assert len(sent(coordinator)) == 1
    assert refusal_code(lambda: desk.decline(QUERY, by="pi", now=NOW)) == "PLANNING_DECIDED"
    assert audited_actions(desk.site) == ["PLANNING_TOLD"]


def test_declined_query_is_not_answered(desk: PlanningDesk, coordinator: FakeCoordinator) -> None:
    """The coordinator learns that, and no fingerprint."""
    asked(desk, coordinator)
    desk.decline(QUERY, by="pi", now=NOW)
    desk.decline(QUERY, by="pi", now=NOW)
    (body,) = sent(coordinator)
    assert PlanningAnswer.model_validate_json(body).fingerprint is None
    assert refusal_code(lambda: answer(desk)) == "PLANNING_DECIDED"
    assert desk.list().queries[0].state == "declined"


def test_answer_that_could_not_be_sent_is_sent_by_the_next_call(
    desk: PlanningDesk, coordinator: FakeCoordinator
) -> None:
    """The very bytes that were kept, though the images changed between; one audit entry."""
    asked(desk, coordinator)
    stopped = MyofedError("NODE_NOT_RUNNING", "expected", exit_code=ExitCode.NOT_RUNNING)
    coordinator.raises[f"/site/planning/{QUERY}"] = stopped
    read = desk.show(QUERY)
    assert refusal_code(lambda: answer(desk)) == "NODE_NOT_RUNNING"
    assert (desk.list().queries[0].state, desk.list().queries[0].sent) == ("told", False)
    coordinator.raises.clear()
    write_subject(desk.site.folder.dataset, "p9", seed=9)
    assert answer(desk).sent
    assert sent(coordinator)[-1] == canonical_json(read.answer)
    assert audited_actions(desk.site) == ["PLANNING_TOLD"]


def test_damaged_files_are_refused(desk: PlanningDesk, coordinator: FakeCoordinator) -> None:
    """A query or an answer that was changed on disk is not used."""
    asked(desk, coordinator)
    answer(desk)
    folder = desk.site.folder.planning / QUERY
    (folder / "answer.json").write_text("{}")
    assert refusal_code(lambda: desk.show(QUERY)) == "PLANNING_CHANGED"
    (folder / "query.json").write_text("{}")
    assert refusal_code(lambda: desk.show(QUERY)) == "PLANNING_CHANGED"


def planned(desk: PlanningDesk, *, sha256: str, query_sha256: str | None = None) -> StudyManifest:
    section = {
        "query_id": QUERY,
        "query_sha256": query_sha256 or digest(query()),
        "answers": [{"site": "beta", "sha256": "1" * 64}, {"site": "alpha", "sha256": sha256}],
        "spacing_mm": 2.0,
        "size_px": (128, 128),
        "normalisation": "z-score",
        "levels": 2,
    }
    return study(planning=section, sites=("alpha", "beta"))


def approve(desk: PlanningDesk, coordinator: FakeCoordinator, manifest: StudyManifest) -> str:
    approvals = Approvals(desk.site.folder, desk.site.config)
    approvals.store_manifest(coordinator.offer(manifest))
    return approvals.approve("thigh", by="pi", now=NOW, subjects=SUBJECTS).decision.decision


def test_study_that_names_another_answer_of_this_site_is_not_approved(
    desk: PlanningDesk, coordinator: FakeCoordinator
) -> None:
    """None given, another one, one to another query, a refusal: each is refused before anything is decided."""
    asked(desk, coordinator)
    own = desk.show(QUERY).sha256
    assert refusal_code(lambda: approve(desk, coordinator, planned(desk, sha256=own))) == "PLANNING_NOT_OUR_ANSWER"
    answer(desk)
    wrong = [
        planned(desk, sha256="0" * 64).model_copy(update={"version": 2}),
        planned(desk, sha256=own, query_sha256="0" * 64).model_copy(update={"version": 3}),
    ]
    for manifest in wrong:
        assert (
            refusal_code(lambda manifest=manifest: approve(desk, coordinator, manifest)) == "PLANNING_NOT_OUR_ANSWER"  # type: ignore[misc]
        )
    good = planned(desk, sha256=own).model_copy(update={"version": 4})
    assert approve(desk, coordinator, good) == "approved"


def test_refusal_cannot_be_used_as_an_answer(desk: PlanningDesk, coordinator: FakeCoordinator) -> None:
    """Not even by its own digest."""
    asked(desk, coordinator)
    declined = desk.decline(QUERY, by="pi", now=NOW).sha256
    assert refusal_code(lambda: approve(desk, coordinator, planned(desk, sha256=declined))) == "PLANNING_NOT_OUR_ANSWER"


def test_study_planned_without_this_site_can_be_approved(desk: PlanningDesk, coordinator: FakeCoordinator) -> None:
    """Its answer was not used, or it was not asked."""
    manifest = planned(desk, sha256="0" * 64)
    assert manifest.planning is not None
    others = manifest.planning.model_copy(update={"answers": manifest.planning.answers[:1]})
    without = manifest.model_copy(update={"planning": others})
    assert approve(desk, coordinator, without) == "approved"
    assert "not among them" in "\n".join(plan_lines(without, site="alpha"))


def test_words_say_what_was_proposed_and_what_the_study_does(desk: PlanningDesk) -> None:
    """A person sees where the study leaves the proposal; a study that was not planned says nothing."""
    text = "\n".join(plan_lines(planned(desk, sha256="ab" * 32), site="alpha"))
    assert "from the answers of beta, alpha" in text
    assert "spacing 2 mm proposed, used" in text
    assert "size 128 x 128 px proposed, the study has 96 x 96 px" in text
    assert "2 levels of the network proposed, used" in text
    assert "used, digest abababababababab" in text
    assert list(plan_lines(study(), site="alpha")) == []
    for network, levels in (("segresnet", 2), ("dynunet", 3)):
        changed = planned(desk, sha256="ab" * 32).model_copy(update={"architecture": other_network(network)})
        said = "used" if levels == 2 else "the study has 3"
        assert f"2 levels of the network proposed, {said}" in "\n".join(plan_lines(changed, site="alpha"))


def other_network(name: str) -> object:
    from myofed_schemas.study_networks import DynUnet, SegResNet

    if name == "segresnet":
        return SegResNet(
            name="monai-segresnet",
            spatial_dims=2,
            in_channels=1,
            out_channels=3,
            init_filters=8,
            blocks_down=(1, 1),
            blocks_up=(1,),
            norm="instance",
        )
    return DynUnet(
        name="monai-dynunet",
        spatial_dims=2,
        in_channels=1,
        out_channels=3,
        kernel_sizes=((3, 3),) * 3,
        strides=((1, 1), (2, 2), (2, 2)),
        filters=(8, 16, 32),
        norm="instance",
        res_block=False,
    )


def test_commands_list_show_answer_and_decline(
    desk: PlanningDesk, coordinator: FakeCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As text and as JSON; the digest that `show` prints is the one that `answer` takes."""
    monkeypatch.setattr(myofed_node.commands.planning, "_desk", lambda _site: desk)
    site = ["--site", str(desk.site.folder.root)]

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["planning", *words, *site])
        assert result.exit_code == 0, result.output
        return result.output

    assert "no query yet" in run("list")
    asked(desk, coordinator)
    asked(desk, coordinator, query_id="plan-99999999")
    assert f"{QUERY} thigh: waiting - Two thigh muscles" in run("list")
    shown = run("show", QUERY)
    assert "nobody here has decided; `planning answer` would send:" in shown
    assert "structures: VL" in shown
    assert "DEMONSTRATION" in shown
    exact = json.loads(run("show", QUERY, "--json"))
    assert exact["sha256"] in shown
    assert "told, sent:" in run("answer", QUERY, "--digest", exact["sha256"][:12])
    assert json.loads(sent(coordinator)[0]) == exact["answer"]
    assert "nothing: declined" in run("decline", "plan-99999999")
    asked(desk, coordinator, query_id="plan-88888888", demo=False)
    assert "DEMONSTRATION" not in run("show", "plan-88888888")
    assert f"{QUERY} thigh: told - " in run("list")


def test_commands_open_the_sites_own_folder(tmp_path: Path) -> None:
    """A folder that is none is refused with its code; without a running node nothing is sent."""
    result = CliRunner().invoke(app, ["planning", "list", "--site", str(tmp_path)])
    assert "SITE_CONFIG_MISSING" in result.output
    site = demo_site(tmp_path / "a")
    assert "no query yet" in CliRunner().invoke(app, ["planning", "list", "--site", str(site.folder.root)]).output
