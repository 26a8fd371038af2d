"""The study wizard: a draft over several pages, kept for its person, looked at as a site would see it, then offered."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coordinator_factories import NOW, FakeSite, make_manifest, make_weights
from fastapi.testclient import TestClient
from web_factories import TOKEN, FakeRuns, OnePerson, words_of

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.api.people import PeoplePort, people_app
from myofed_coordinator.models.weights import keep_weights, sha256_of
from myofed_coordinator.services import Services
from myofed_coordinator.studies.leads import Doer
from myofed_coordinator.web.wizard import STEPS, Drafts, StudyDraft, begin, manifest_text

WEIGHTS = make_weights()
Window = Callable[[str], TestClient]


@pytest.fixture
def database_url() -> str | None:
    """SQLite only: studies have their own tests on both; `make prove NAME=pages` walks on both."""
    return None


@pytest.fixture
def window(services: Services, enrol: Callable[[str], FakeSite]) -> Window:
    """Makes browsers of study leads; two sites are in, and one study is there whose weights are known."""
    for name in ("hospital-a", "hospital-b"):
        enrol(name)
    earlier = make_manifest(WEIGHTS, sites=("hospital-a",), min_subjects=7)
    services.studies.create(earlier, WEIGHTS, actor=Doer("lea"), now=NOW)

    def opened(account: str) -> TestClient:
        app = people_app(PeoplePort(services, FakeRuns(), TOKEN, lambda: NOW))
        gate.set_doorkeeper(app, OnePerson(Person(account, frozenset({Role.STUDY_LEAD}))))
        return TestClient(app, base_url="https://testserver")

    return opened


def fill(client: TestClient, key: str, **fields: object) -> str:
    (step,) = (s for s in STEPS if s.key == key)
    page = client.get(f"/study-draft/{key}").text
    assert all(f'name="{field.name}"' in page for field in step.fields)
    return client.post(f"/study-draft/{key}", data={"csrf": "good", **fields}).text


def test_next_version_of_a_study_is_written_in_steps_and_offered(services: Services, window: Window) -> None:
    """Begun from the version before: what is not touched stays, what is changed is seen in the review and by the sites."""
    lead = window("lea")
    assert "Write a study" in lead.get("/studies").text
    lead.post("/study-draft", data={"csrf": "good", "from": "thigh-muscles"})
    fill(lead, "sites", sites=["hospital-a", "hospital-b"], min_sites="2", min_subjects="9", demo="no")
    review = words_of(lead.get("/study-draft/review").text)
    assert "version 2, to hospital-a, hospital-b" in review
    assert "at least 9" in review
    assert "The study is signed and offered" in lead.post("/study-draft/offer", data={"csrf": "good"}).text
    manifest = services.studies.show("thigh-muscles").signed.manifest
    before = services.studies.show("thigh-muscles", version=1).signed.manifest
    changed = {"version": 2, "sites": ("hospital-a", "hospital-b"), "min_sites": 2, "min_subjects": 9}
    assert manifest == before.model_copy(update=changed)
    assert "You have a draft" not in lead.get("/study-draft").text


def test_new_study_is_written_from_the_example(services: Services, window: Window) -> None:
    """Every step filled; uploaded weights can be chosen."""
    services.home.uploads.mkdir()
    keep_weights(services.home.uploads, WEIGHTS)
    lead = window("lea")
    lead.post("/study-draft", data={"csrf": "good", "from": ""})
    fill(lead, "purpose", study_id="leg-fat", title="Fat of the leg", purpose="Follow-up of fat", duo="DUO:0000007")
    fill(lead, "sites", sites=["hospital-a"], min_sites="1", min_subjects="40", demo="no")
    network = "name: monai-unet-2d\nin_channels: 1\nout_channels: 2\nchannels: [4, 8]\nstrides: [2]\nnum_res_units: 0\nnorm: instance"
    image = "kind: in-phase-magnitude\nspacing_mm: 2.0\nsize_px: [32, 32]"
    fill(lead, "network", muscles="VL", weights=sha256_of(WEIGHTS), architecture=network, image=image)
    assert "Follow-up of fat" in lead.get("/study-draft/review").text
    lead.post("/study-draft/offer", data={"csrf": "good"})
    manifest = services.studies.show("leg-fat").signed.manifest
    assert (manifest.duo, manifest.rounds, manifest.training.learning_rate) == (("DUO:0000007",), 12, 0.003)


@pytest.mark.parametrize(
    ("key", "fields", "said"),
    [
        ("purpose", {"study_id": "thigh-muscles", "title": "T", "purpose": "long enough"}, "title"),
        ("sites", {"sites": ["hospital-a"], "min_sites": "5", "min_subjects": "1"}, "min_sites is 5"),
        ("sites", {"sites": ["hospital-a"], "min_sites": "many", "min_subjects": "1"}, "min_sites"),
        ("network", {"muscles": "VL", "architecture": "[", "image": "x", "weights": ""}, "architecture: expected YAML"),
        ("network", {"muscles": "VL", "architecture": "a: 1", "image": "a: 1", "weights": "f" * 64}, "WEIGHTS_UNKNOWN"),
        ("network", {"muscles": "VL", "architecture": "a: 1", "image": "a: 1", "weights": "../x"}, "WEIGHTS_UNKNOWN"),
    ],
)
def test_review_names_what_does_not_hold_and_nothing_is_offered(
    services: Services, window: Window, key: str, fields: dict[str, object], said: str
) -> None:
    """By its field; the draft stays as it was typed."""
    lead = window("lea")
    lead.post("/study-draft", data={"csrf": "good", "from": "thigh-muscles"})
    page = fill(lead, key, **fields)
    page = lead.get("/study-draft/review").text
    assert said in words_of(page)
    assert "Sign and offer" not in page
    assert lead.post("/study-draft/offer", data={"csrf": "good"}).status_code in {400, 404}
    assert len(services.studies.list_studies()) == 1
    last = services.studies.last_manifest("thigh-muscles")
    assert last is not None
    assert last.version == 1


def test_draft_is_its_persons_and_can_be_discarded(services: Services, window: Window) -> None:
    """Another lead has another one."""
    lea, lou = window("lea"), window("lou")
    lea.post("/study-draft", data={"csrf": "good", "from": "thigh-muscles"})
    assert "You have a draft" in lea.get("/study-draft").text
    assert "You have a draft" not in lou.get("/study-draft").text
    assert "The draft is gone" in lea.post("/study-draft/discard", data={"csrf": "good"}).text
    assert "You have a draft" not in lea.get("/study-draft").text


def test_draft_of_another_release_is_no_draft(services: Services) -> None:
    """Nobody is stuck with a file that cannot be read."""
    drafts = Drafts(services.home.root / "drafts")
    drafts.write("lea", StudyDraft(texts={"title": "T"}))
    assert drafts.read("lea") == StudyDraft(texts={"title": "T"})
    (services.home.root / "drafts" / "lea.json").write_text("{}x")
    assert drafts.read("lea") is None


def test_manifest_begun_again_from_itself_is_the_same(services: Services) -> None:
    """Options that have no field of their own travel in the further sections."""
    import json

    manifest = make_manifest(
        WEIGHTS,
        sites=("hospital-a",),
        strategy="fedprox",
        strategy_options={"proximal_mu": 0.01},
        max_update_norm=500.0,
    )
    written = json.loads(manifest_text(begin(manifest)))
    document = manifest.model_dump(mode="json")
    completed = {"version", "state_dict", "initial_weights_sha256", "schema_version", "label_set"}
    assert written == {name: value for name, value in document.items() if name not in completed}
