"""Calls that the kernel refuses are OSErrors."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from myofed_node import linux_calls


@pytest.mark.parametrize(
    "call",
    [
        lambda: linux_calls.unshare(-1),
        lambda: linux_calls.mount_empty(Path("/nonexistent")),
        lambda: linux_calls.unmount(Path("/nonexistent")),
        lambda: linux_calls.enter_namespace(-1),
        lambda: linux_calls.system_call(-1),
    ],
)
def test_refused_call_is_an_error(call: Callable[[], object]) -> None:
    """With the kernel's number and words, never a silent failure."""
    with pytest.raises(OSError) as caught:
        call()
    assert caught.value.errno
    assert caught.value.strerror == os.strerror(caught.value.errno or errno.EIO)


def test_system_call_gives_its_result() -> None:
    """Number 39 is getpid on x86-64; elsewhere it is something that is harmless or refused."""
    if os.uname().machine != "x86_64":
        pytest.skip("the number is that of x86-64")
    assert linux_calls.system_call(39) == os.getpid()


def test_no_program_has_more_rights_afterwards() -> None:
    """Read back from the kernel, in a child, because it cannot be undone."""
    child = os.fork()
    if child == 0:  # pragma: no cover  the child's lines are not traced
        linux_calls.forbid_new_privileges()
        os._exit("NoNewPrivs:\t1" not in Path("/proc/self/status").read_text())
    assert os.waitpid(child, 0)[1] == 0
