from __future__ import annotations

import re
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.uids import new_uid

KEY, OTHER = SiteKeys(b"a" * 32), SiteKeys(b"b" * 32)


@settings(max_examples=50, deadline=None)
@given(st.text("0123456789.", min_size=1, max_size=64).filter(lambda uid: not uid.startswith("1.2.840.10008.")))
def test_every_uid_becomes_a_valid_one_that_only_the_key_decides(uid: str) -> None:
    """The new UID is valid (PS3.5 9.1), repeatable with one key and different with another."""
    new = new_uid(KEY, uid)
    assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", new)
    assert new == new_uid(KEY, uid)
    assert new != new_uid(OTHER, uid)


def test_registered_and_empty_uids_stay() -> None:
    """A SOP class names no person; an empty UID stays empty."""
    assert new_uid(KEY, "1.2.840.10008.5.1.4.1.1.4") == "1.2.840.10008.5.1.4.1.1.4"
    assert new_uid(KEY, "") == ""


def test_text_under_the_registered_root_is_replaced() -> None:
    """A name behind the registered root is no registered UID."""
    assert new_uid(KEY, "1.2.840.10008.Fantasia").startswith("2.25.")


def test_another_process_makes_the_same_uid() -> None:
    """Nothing of a process (hash seed, order, counter) enters the UID."""
    code = "from myofed_anonymization import *; print(new_uid(SiteKeys(b'a' * 32), '1.2.3'))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == new_uid(KEY, "1.2.3")
