"""The files of one task between executor and worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_node.federation.handed_over import HandedOver, handed_over, sweep_trained
from myofed_schemas.errors import MyofedError


def test_worker_that_sends_beside_the_file_is_not_believed(tmp_path: Path) -> None:
    """Which of the two it trained nobody could say."""
    (tmp_path / "x.trained").write_bytes(b"file")
    with pytest.raises(MyofedError) as caught:
        HandedOver(tmp_path / "x.in", tmp_path / "x.trained").result(b"sent")
    assert caught.value.code == "REPLY_INVALID"


def test_worker_that_says_ok_and_wrote_nothing_is_a_code(tmp_path: Path) -> None:
    """No file, no update."""
    with pytest.raises(MyofedError) as caught:
        HandedOver(tmp_path / "x.in", tmp_path / "x.trained").result(b"")
    assert caught.value.code == "WEIGHTS_FILE"


def test_failed_task_leaves_no_trained_weights(tmp_path: Path) -> None:
    """A refusal after the work, or a stop: what was trained is gone; the incoming weights stay for the next try."""
    came = tmp_path / "x.in"
    came.write_bytes(b"came")

    def task() -> None:
        with handed_over(tmp_path, came, trains=True) as files:
            assert files.trained is not None
            files.trained.write_bytes(b"trained")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        task()
    assert list(tmp_path.iterdir()) == [came]


def test_weights_of_a_message_pass_the_socket(tmp_path: Path) -> None:
    """Only those that lie in a file are named; an evaluation makes none."""
    with handed_over(tmp_path, None, trains=True) as files:
        assert files.names() == (None, None)
        assert files.result(b"sent") == b"sent"
    with handed_over(tmp_path, tmp_path / "x.in", trains=False) as files:
        assert files.names() == (str(tmp_path / "x.in"), None)
    with (
        handed_over(tmp_path, tmp_path / "x.in", trains=True) as files,
        handed_over(tmp_path, tmp_path / "x.in", trains=True) as others,
    ):
        assert files.trained != others.trained


def test_what_a_killed_executor_left_is_swept(tmp_path: Path) -> None:
    """Weights that came stay: a fetch goes on with them."""
    for name in ("a.trained", "b.trained", "c.in"):
        (tmp_path / name).write_bytes(b"x")
    sweep_trained(tmp_path)
    sweep_trained(tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["c.in"]
