"""Publishing: nothing leaves without the protected card, the same card leaves once."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from site_factories import NOW, NOW_TEXT, FakeCoordinator, Scan, demo_site, write_image, write_labels

import myofed_node.publish
from myofed_node.audit import SiteAudit
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.nightly import rebuild
from myofed_node.publish import Publisher, card_lines
from myofed_node.store import SiteStore
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.cube import CountCube
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName, Suffix
from myofed_schemas.rules import ValidationReport


@pytest.fixture
def coordinator() -> FakeCoordinator:
    return FakeCoordinator()


@pytest.fixture
def publisher(tmp_path: Path, coordinator: FakeCoordinator, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    answer = ValidationReport(checks=1, images=1, findings=())
    monkeypatch.setattr(myofed_node.publish, "validate", lambda _dataset: answer)
    return Publisher(demo_site(tmp_path / "a"), CoordinatorApi(coordinator))  # type: ignore[arg-type]


def _fill(publisher: Publisher, subjects: int) -> None:
    for number in range(subjects):
        write_image(publisher.site.folder.dataset, Scan(number, ImageName(f"S{number}", "A", Suffix.MEGRE)))
        write_labels(publisher.site.folder.dataset, f"S{number}")


def _actions(publisher: Publisher) -> list[str]:
    return [entry.action for entry in SiteAudit(publisher.site.folder).entries()]


def test_empty_data_set_is_not_published(publisher: Publisher, coordinator: FakeCoordinator) -> None:
    """A card about nothing would only say that the site exists."""
    with pytest.raises(MyofedError) as caught:
        publisher.publish(now=NOW)
    assert caught.value.code == "DATASET_EMPTY"
    assert coordinator.sent == []


def test_card_that_was_never_published_cannot_be_withdrawn(publisher: Publisher, coordinator: FakeCoordinator) -> None:
    """The refusal comes before anything is sent."""
    with pytest.raises(MyofedError, match="published card"):
        publisher.withdraw(now=NOW)
    assert coordinator.sent == []


def test_small_counts_are_not_in_the_bytes_that_leave(publisher: Publisher, coordinator: FakeCoordinator) -> None:
    """Two subjects under k = 3: the body names no count, no vendor, no subject."""
    _fill(publisher, 2)
    publisher.publish(now=NOW)
    sent = DatasetCard.model_validate_json(coordinator.sent[0][2])
    assert (sent.subjects.value, sent.labelled_subjects.value, sent.vendors, sent.muscles) == (None, None, (), ())
    assert b"S0" not in coordinator.sent[0][2]


def test_preview_sends_and_keeps_nothing(publisher: Publisher, coordinator: FakeCoordinator) -> None:
    """What would leave can be read before it does."""
    _fill(publisher, 4)
    assert publisher.preview(now=NOW).card.subjects.value == 4
    assert coordinator.sent == []
    assert SiteStore(publisher.site.folder.store).latest_card() is None


def test_same_card_is_sent_once_and_a_changed_one_is_the_next_version(
    publisher: Publisher, coordinator: FakeCoordinator
) -> None:
    """Versions go up only when the card changed."""
    _fill(publisher, 4)
    assert publisher.publish(now=NOW).state == "published"
    again = publisher.publish(now=NOW)
    assert (again.state, again.card.version, again.at) == ("unchanged", 1, NOW_TEXT)
    _fill(publisher, 7)
    assert publisher.publish(now=NOW).card.version == 2
    assert coordinator.paths() == ["PUT /site/card", "PUT /site/cube"] * 2
    assert _actions(publisher) == ["SITE_CREATED", "CARD_PUBLISHED", "CARD_PUBLISHED"]


def test_cube_stands_until_k_subjects_changed(publisher: Publisher, coordinator: FakeCoordinator) -> None:
    """Two subjects more under k = 3 wait: nobody sees them in a difference."""
    _fill(publisher, 4)
    first = publisher.publish(now=NOW)
    _fill(publisher, 6)
    second = publisher.publish(now=NOW)
    assert (second.state, second.waiting, second.cube) == ("unchanged", 2, first.cube)
    assert "2 changes wait" in "\n".join(card_lines(second))
    assert coordinator.paths() == ["PUT /site/card", "PUT /site/cube"]


def test_early_version_tells_nothing_that_was_not_told(publisher: Publisher) -> None:
    """A person may ask for it, e.g. after a subject withdrew; what the change touches is withheld."""
    _fill(publisher, 7)
    first = publisher.publish(now=NOW)
    _fill(publisher, 8)
    early = publisher.publish(now=NOW, early=True)
    assert early.cube.version == first.cube.version + 1
    assert {cell.at for cell in early.cube.cells} <= {cell.at for cell in first.cube.cells}
    assert early.waiting == 0


def test_raised_k_is_published_at_once_and_locks_nobody_out(publisher: Publisher) -> None:
    """Nobody changed and the policy did: the next version keeps the raised k and tells what it can."""
    _fill(publisher, 16)
    first = publisher.publish(now=NOW)
    config = publisher.site.config
    policy = config.policy.model_copy(update={"cube_k": 12, "card_k": 12})
    stricter = replace(publisher.site, config=config.model_copy(update={"policy": policy}))
    raised = Publisher(stricter, publisher.api).publish(now=NOW)
    assert (raised.state, raised.waiting, raised.cube.version) == ("published", 0, first.cube.version + 1)
    assert (raised.cube.policy.k, raised.cube.subjects) == (12, 16)
    assert Publisher(stricter, publisher.api).publish(now=NOW).state == "unchanged"


def test_new_title_leaves_the_counts_as_they_were_told(publisher: Publisher) -> None:
    """A new card beside a cube that stands has the old counts, whatever was added since."""
    _fill(publisher, 4)
    first = publisher.publish(now=NOW)
    _fill(publisher, 5)
    config = publisher.site.config
    named = config.model_copy(update={"dataset": config.dataset.model_copy(update={"title": "Thigh and leg"})})
    again = Publisher(replace(publisher.site, config=named), publisher.api).publish(now=NOW)
    assert (again.state, again.card.version, again.card.title) == ("published", 2, "Thigh and leg")
    assert (again.card.subjects, again.cube) == (first.card.subjects, first.cube)


def test_lost_record_of_what_left_stops_publishing(publisher: Publisher, coordinator: FakeCoordinator) -> None:
    """Without it nothing new can be proven safe beside what left."""
    _fill(publisher, 4)
    publisher.publish(now=NOW)
    publisher.site.folder.publication.write_text("{")
    with pytest.raises(MyofedError, match="PUBLICATION_BROKEN"):
        publisher.publish(now=NOW)
    assert len(coordinator.sent) == 2


def test_exact_rows_and_pseudonyms_stay(publisher: Publisher, coordinator: FakeCoordinator) -> None:
    """The record is 0600 and names nobody; neither it nor a pseudonym is in a body that left."""
    _fill(publisher, 4)
    publisher.publish(now=NOW)
    assert stat.S_IMODE(publisher.site.folder.publication.stat().st_mode) == 0o600
    assert b'"S0"' not in publisher.site.folder.publication.read_bytes()
    assert all(b"S0" not in body for _, _, body, _ in coordinator.sent)


def test_card_that_could_not_be_sent_is_sent_by_the_next_call(
    publisher: Publisher, coordinator: FakeCoordinator
) -> None:
    """It was kept, is not told as published, and keeps its version."""
    _fill(publisher, 4)
    coordinator.refusals["/site/card"] = (503, "")
    with pytest.raises(MyofedError):
        publisher.publish(now=NOW)
    coordinator.refusals.clear()
    publication = publisher.publish(now=NOW)
    assert (publication.state, publication.card.version) == ("published", 1)


def test_withdrawn_card_can_be_published_again(publisher: Publisher, coordinator: FakeCoordinator) -> None:
    """Withdrawing is told, entered in the chain, and ends with the next publish."""
    _fill(publisher, 4)
    publisher.publish(now=NOW)
    assert publisher.withdraw(now=NOW).state == "withdrawn"
    assert coordinator.paths()[-1] == "DELETE /site/card/neuromuscular-mri"
    assert publisher.publish(now=NOW).state == "published"


def test_card_in_words_says_what_is_withheld(publisher: Publisher) -> None:
    """A person reads "fewer than", not a blank."""
    _fill(publisher, 2)
    text = "\n".join(card_lines(publisher.preview(now=NOW)))
    assert "subjects fewer than 3" in text
    assert "DEMO POLICY" in text


def test_card_whose_next_version_could_not_be_sent_is_still_withdrawn_and_rebuilt(
    publisher: Publisher, coordinator: FakeCoordinator
) -> None:
    """The coordinator shows the version before: it can be taken back, and the next night sends the one that waits."""
    _fill(publisher, 4)
    publisher.publish(now=NOW)
    _fill(publisher, 7)
    coordinator.refusals["/site/card"] = (503, "")
    with pytest.raises(MyofedError):
        publisher.publish(now=NOW)
    coordinator.refusals.clear()
    again = rebuild(publisher, now=NOW)
    assert again is not None
    assert (again.state, again.card.version) == ("published", 2)
    _fill(publisher, 10)
    coordinator.refusals["/site/card"] = (503, "")
    with pytest.raises(MyofedError):
        publisher.publish(now=NOW)
    coordinator.refusals.clear()
    assert publisher.withdraw(now=NOW).state == "withdrawn"
    assert rebuild(publisher, now=NOW) is None


def test_missing_record_of_what_left_stops_publishing(publisher: Publisher, coordinator: FakeCoordinator) -> None:
    """A card that was counted with a cube says that there was one: this is not the first publication."""
    _fill(publisher, 4)
    publisher.publish(now=NOW)
    publisher.site.folder.publication.unlink()
    with pytest.raises(MyofedError, match="PUBLICATION_BROKEN"):
        publisher.publish(now=NOW)
    assert len(coordinator.sent) == 2


@pytest.mark.parametrize("text", ["{", None])
def test_broken_record_does_not_hold_a_withdrawal_up(
    publisher: Publisher, coordinator: FakeCoordinator, text: str | None
) -> None:
    """Taking back needs no proof."""
    _fill(publisher, 4)
    publisher.publish(now=NOW)
    if text is None:
        publisher.site.folder.publication.unlink()
    else:
        publisher.site.folder.publication.write_text(text)
    assert publisher.withdraw(now=NOW).state == "withdrawn"
    assert coordinator.paths()[-1] == "DELETE /site/card/neuromuscular-mri"


def test_version_that_could_not_be_sent_leaves_before_the_next_is_counted(
    publisher: Publisher, coordinator: FakeCoordinator
) -> None:
    """Each version is proven beside the one before it, so none of them may be skipped."""
    _fill(publisher, 4)
    publisher.publish(now=NOW)
    _fill(publisher, 8)
    coordinator.refusals["/site/cube"] = (503, "")
    with pytest.raises(MyofedError):
        publisher.publish(now=NOW)
    coordinator.refusals.clear()
    _fill(publisher, 12)
    publisher.publish(now=NOW)
    cubes = [
        json.loads(body)
        for (_, _, body, _), path in zip(coordinator.sent, coordinator.paths(), strict=True)
        if path.endswith("cube")
    ]
    assert [(cube["version"], cube["subjects"]) for cube in cubes if cube["version"] > 1][-2:] == [(2, 8), (3, 12)]


def test_card_of_which_nobody_knows_whether_it_left_can_be_withdrawn(
    publisher: Publisher, coordinator: FakeCoordinator
) -> None:
    """The card was taken and the cube refused: the card is shown there."""
    _fill(publisher, 4)
    coordinator.refusals["/site/cube"] = (503, "")
    with pytest.raises(MyofedError):
        publisher.publish(now=NOW)
    assert publisher.may_stand()
    assert publisher.withdraw(now=NOW).state == "withdrawn"
    assert not publisher.may_stand()


def test_publication_after_a_withdrawal_has_new_versions(publisher: Publisher) -> None:
    """The coordinator takes none that was withdrawn."""
    _fill(publisher, 4)
    first = publisher.publish(now=NOW)
    publisher.withdraw(now=NOW)
    again = publisher.publish(now=NOW)
    assert (again.card.version, again.cube.version) == (first.card.version + 1, first.cube.version + 1)
    assert again.cube.cells == first.cube.cells
    assert publisher.publish(now=NOW).state == "unchanged"


def test_withdrawal_during_the_proof_is_not_undone(
    publisher: Publisher, coordinator: FakeCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nightly rebuild takes minutes; what a person withdrew meanwhile stays withdrawn."""
    _fill(publisher, 4)
    publisher.publish(now=NOW)
    _fill(publisher, 8)
    build = myofed_node.publish.build_cube

    def slow(*args: Any, **kwargs: Any) -> CountCube:
        publisher.withdraw(now=NOW)
        return build(*args, **kwargs)

    monkeypatch.setattr(myofed_node.publish, "build_cube", slow)
    with pytest.raises(MyofedError, match="CARD_NOT_PUBLISHED"):
        publisher.publish(now=NOW)
    assert coordinator.paths()[-1] == "DELETE /site/card/neuromuscular-mri"


def test_early_version_names_no_other_muscles(publisher: Publisher) -> None:
    """A muscle that is no longer named would tell what the one who left had."""
    _fill(publisher, 4)
    write_labels(publisher.site.folder.dataset, "S0", values=(7101, 7111))
    write_labels(publisher.site.folder.dataset, "S1", values=(7101, 7111))
    first = publisher.publish(now=NOW)
    write_labels(publisher.site.folder.dataset, "S2", values=(7101, 7111))
    _fill_one_more(publisher)
    early = publisher.publish(now=NOW, early=True)
    assert first.card.muscles
    assert early.card.muscles == ()


def _fill_one_more(publisher: Publisher) -> None:
    write_image(publisher.site.folder.dataset, Scan(9, ImageName("S9", "A", Suffix.MEGRE)))


@pytest.mark.parametrize("deed", ["publish", "withdraw"])
def test_deed_killed_after_its_audit_entry_stands_there_once(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    """The next call sends it again, as the coordinator may not have it, and enters nothing twice."""
    _fill(publisher, 4)
    if deed == "withdraw":
        publisher.publish(now=NOW)

    def killed(*_args: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SiteStore, "mark_card", killed)
    with pytest.raises(KeyboardInterrupt):
        getattr(publisher, deed)(now=NOW)
    monkeypatch.undo()
    monkeypatch.setattr(
        myofed_node.publish, "validate", lambda _dataset: ValidationReport(checks=1, images=1, findings=())
    )
    assert getattr(publisher, deed)(now=NOW).state == {"publish": "published", "withdraw": "withdrawn"}[deed]
    assert _actions(publisher).count({"publish": "CARD_PUBLISHED", "withdraw": "CARD_WITHDRAWN"}[deed]) == 1
