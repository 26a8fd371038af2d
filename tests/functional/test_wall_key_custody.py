"""The services of a real `up` do not see the de-identification key, work all the same, and `doctor` says which does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import wall_harness as wall

from myofed_node import doctor_checks
from myofed_node.confinement import Confinement, find_confinement
from myofed_node.confinement_state import load_confinement, unconfined_services
from myofed_schemas.errors import MyofedError

pytestmark = pytest.mark.functional


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wall.Federation]:
    with wall.federation(tmp_path_factory.mktemp("f"), sites=1) as federation:
        wall.approved_study(federation, rounds=1, min_sites=1)
        yield federation


@pytest.fixture
def node(it: wall.Federation) -> wall.Node:
    made = it.nodes["site-a"]
    if find_confinement(made.site.folder) is not Confinement.HIDDEN:
        pytest.skip("this host allows no mount in a user namespace")
    return made


def test_running_services_see_an_empty_folder_in_place_of_the_key(node: wall.Node) -> None:
    """Asked of the kernel for each process; the stand-in of the worker, which the tests start unconfined, sees it."""
    assert node.process is not None
    folder = node.site.folder
    for name, pid in node.process.pids().items():
        seen = os.listdir(Path(f"/proc/{pid}/root{folder.deid_keys}"))  # noqa: PTH208
        if name == "worker":
            assert seen == ["deid.key"]
            continue
        assert seen == []
        record = load_confinement(folder, name)
        assert record is not None
        assert (record.pid, record.confinement) == (pid, Confinement.HIDDEN)


def test_doctor_names_the_service_that_is_not_confined(node: wall.Node) -> None:
    """Only the stand-in."""
    assert unconfined_services(node.site.folder) == ("worker",)
    with pytest.raises(MyofedError, match="worker") as caught:
        doctor_checks.key_custody(node.site.folder, node.site.config)
    assert caught.value.code == "KEY_READABLE_BY_SERVICES"


def test_confined_services_train_and_report(it: wall.Federation, node: wall.Node) -> None:
    """A round goes through egress, SuperNode and executor; a command of the site still has its key."""
    from myofed_node.keys import load_deid_keys

    status = it.finish(it.start_run(), seconds=90)
    assert status.state == "completed"
    assert node.tasks() > 0
    assert load_deid_keys(node.site.folder)


def test_confined_services_end_with_a_killed_up(it: wall.Federation, node: wall.Node) -> None:
    """Namespaces change nothing about who ends with whom."""
    import psutil

    assert node.process is not None
    _, alive = psutil.wait_procs(node.process.kill()[1:], timeout=15)
    assert not alive, [process.cmdline() for process in alive]
    node.up()
    wall.until(node.process.ready, seconds=60, what="ready again")
