"""The chain as it lies in its file: the fast path accepts what the typed one accepts, and every tampering is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_schemas import audit_lines
from myofed_schemas.audit import GENESIS, AuditEntry, BrokenChainError
from myofed_schemas.audit_lines import RewrittenChainError, chain_lines, parse_line, verify_lines

NOW = "2026-11-22T10:00:00Z"
TEXTS = st.text(max_size=20)
DETAILS = st.dictionaries(TEXTS, TEXTS | st.integers(-(2**53) + 1, 2**53 - 1), max_size=3)


def entry(number: int, previous: str, **changes: object) -> AuditEntry:
    fields = {"sequence": number, "at": NOW, "actor": "admin", "action": "TESTED", "subject": "site-a"}
    return AuditEntry.model_validate({**fields, "previous": previous, **changes})


def chain(count: int) -> list[bytes]:
    lines, previous = [], GENESIS
    for number in range(1, count + 1):
        made = entry(number, previous, detail={"certificate": f"{number:064x}", "number": number})
        lines.append(made.line())
        previous = made.digest()
    return lines


def digests(lines: list[bytes]) -> list[str]:
    return [parse_line(line, number=1).digest() for line in lines]


def fault(lines: list[bytes], cosigned: dict[int, str] | None = None) -> int:
    with pytest.raises(BrokenChainError) as caught:
        verify_lines(lines, cosigned=cosigned)
    return caught.value.sequence


def typed(line: bytes) -> tuple[int, str, str] | None:
    try:
        found = parse_line(line, number=1)
    except BrokenChainError:
        return None
    return found.sequence, found.previous, found.digest()


def fast(line: bytes) -> tuple[int, str, str] | None:
    try:
        found = audit_lines._link(line, 1)
    except BrokenChainError:
        return None
    return found.sequence, found.previous, found.digest


@settings(max_examples=300, deadline=None)
@given(data=st.data(), detail=DETAILS, subject=st.text(max_size=128), actor=st.text(min_size=1, max_size=64))
def test_fast_path_takes_what_the_typed_one_takes(
    data: st.DataObject, detail: dict[str, str | int], subject: str, actor: str
) -> None:
    """Any entry, and any entry with bytes changed, put in or taken out: both find the same, or both refuse."""
    try:
        line = entry(7, "a" * 64, detail=detail, subject=subject, actor=actor).line()
    except (ValueError, UnicodeEncodeError):
        return
    assert typed(line) == fast(line) != None  # noqa: E711  both, and not refused
    changed = bytearray(line)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        with_ = data.draw(
            st.sampled_from(
                [b"", b'"', b"\\", b",", b":", b"0", b"-", b" ", b"\n", b"}", b"\x7f", bytes([255]), "é".encode()]
            )
        )
        changed[at : at + data.draw(st.integers(0, 1))] = with_
    assert typed(bytes(changed)) == fast(bytes(changed))


@pytest.mark.parametrize(
    "detail",
    [
        b'"b":1,"a":2',
        b'"a":1,"a":2',
        b'"a":01',
        b'"a":-0',
        b'"a":1.0',
        b'"a":true',
        b'"a":null',
        b'"a":9007199254740993',
        b'"a": 1',
        b'"a":"\\u0061"',
    ],
)
def test_line_that_is_not_canonical_is_refused(detail: bytes) -> None:
    """Other bytes that a JSON reader takes for the same entry would have another digest, or two."""
    line = entry(1, GENESIS).line().replace(b'"detail":{}', b'"detail":{' + detail + b"}")
    assert typed(line) is None
    assert fast(line) is None


def test_plain_entries_need_no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """What our own code writes goes the fast way, letters of all languages included."""
    monkeypatch.setattr(audit_lines, "parse_line", None)
    assert verify_lines(chain(5)).sequence == 5
    assert verify_lines([entry(1, GENESIS, actor="Jörg", detail={"ä": "ü", "日": 1}).line()]).sequence == 1


@pytest.mark.parametrize(("field", "longest"), [("actor", 64), ("subject", 128)])
@pytest.mark.parametrize("letter", ["x", "ü", "日", "😀"])
def test_lengths_are_counted_in_characters(field: str, longest: int, letter: str) -> None:
    """As the typed path counts them."""
    line = entry(1, GENESIS, **{field: letter * longest}).line()
    assert fast(line) == typed(line) != None  # noqa: E711  both, and not refused
    longer = line.replace(letter.encode() * longest, letter.encode() * (longest + 1))
    assert fast(longer) is None
    assert typed(longer) is None


@pytest.mark.parametrize("number", [1, 2, 9, 10])
def test_every_bit_of_an_entry_counts_and_the_entry_is_named(number: int) -> None:
    """The last entry is covered by the co-signature; whichever bit changes, this entry is the first at fault."""
    lines = chain(10)
    cosigned = {10: digests(lines)[-1]}
    for bit in range(0, 8 * len(lines[number - 1]), 7):
        changed = bytearray(lines[number - 1])
        changed[bit // 8] ^= 1 << bit % 8
        damaged = [*lines[: number - 1], *bytes(changed).splitlines(keepends=True), *lines[number:]]
        assert fault(damaged, cosigned) == number, bit


def test_entry_before_the_last_is_named_without_a_signature_too() -> None:
    """At the end of a chain nothing knows which of two entries changed: the earlier one is named."""
    lines = chain(3)
    lines[1] = lines[1].replace(b"site-a", b"site-b")
    assert fault(lines) == 2


def test_missing_and_swapped_entries_are_named() -> None:
    """The place where the order breaks."""
    lines = chain(6)
    assert fault(lines[1:]) == 1
    assert fault(lines[:2] + lines[3:]) == 3
    assert fault([*lines[:2], lines[3], lines[2], *lines[4:]]) == 3
    assert fault([*lines[:2], lines[1], *lines[2:]]) == 3


def test_cut_behind_the_cosigned_head_is_found() -> None:
    """A chain that is whole in itself, but shorter than what was vouched for, or another."""
    lines = chain(6)
    known = {4: digests(lines)[3]}
    assert verify_lines(lines[:4], cosigned=known).sequence == 4
    with pytest.raises(RewrittenChainError) as caught:
        verify_lines(lines[:3], cosigned=known)
    assert caught.value.sequence == 4
    with pytest.raises(RewrittenChainError) as caught:
        verify_lines(lines, cosigned={4: "f" * 64})
    assert caught.value.sequence == 4


def test_lines_of_a_file_are_those_that_it_has_now(tmp_path: Path) -> None:
    """No file has no line; a line without an end comes in parts that no chain takes."""
    assert list(chain_lines(tmp_path / "none")) == []
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(chain(3)))
    lines = chain_lines(path)
    next(lines)
    with path.open("ab") as stream:
        stream.write(b"later\n")
    assert len(list(lines)) == 2
    path.write_bytes(b"x" * 200_000)
    assert max(len(line) for line in chain_lines(path)) <= audit_lines.LONGEST_LINE_BYTES
    assert fault(list(chain_lines(path))) == 1


def test_altered_entry_before_one_that_cannot_be_read_is_named() -> None:
    """The entry after the two is no entry at all, so nothing knows the second's digest: the first is named."""
    lines = chain(4)
    lines[1] = lines[1].replace(b"TESTED", b"ALTERED")
    lines[3] = b"no entry\n"
    assert fault(lines) == 2
