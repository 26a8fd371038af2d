"""Pseudonyms from the key, from a third party's list, and from a third party's service."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.pseudonym_sources import (
    MOST_DEFECTS,
    CsvPseudonyms,
    KeyedPseudonyms,
    PseudonymSource,
    checked_label,
)
from myofed_anonymization.pseudonyms import pseudonym
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode
from myofed_schemas.errors import MyofedError
from myofed_schemas.ids import SubjectLabel

KEY, OTHER = SiteKeys(b"a" * 32), SiteKeys(b"b" * 32)
HEADER = "issuer,patient_id,pseudonym\n"
ROWS = "H,4711,Q7XJ\n,MUC-99,BRAVO22\n"


def _list(tmp_path: Path, text: str | bytes, *, keys: SiteKeys = KEY) -> CsvPseudonyms:
    path = tmp_path / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    return CsvPseudonyms.load(path, keys=keys)


def _refusal(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(MyofedError) as caught:
        _list(tmp_path, text)
    assert caught.value.code == "PSEUDONYMS_INVALID"
    return str(caught.value)


def test_the_default_source_is_the_keyed_pseudonym() -> None:
    """Known for every patient, told apart by the key."""
    source: PseudonymSource = KeyedPseudonyms(KEY)
    assert source.label(issuer="H", patient_id="42") == pseudonym(KEY, issuer="H", patient_id="42")
    assert source.check() == KEY.check() != KeyedPseudonyms(OTHER).check()


def test_a_list_gives_its_pseudonyms_and_no_others(tmp_path: Path) -> None:
    """Padding does not count, the issuer does; a patient who is not on the list is withheld."""
    source: PseudonymSource = _list(tmp_path, HEADER + ROWS)
    assert source.label(issuer="H ", patient_id=" 4711") == "Q7XJ"
    assert source.label(issuer="", patient_id="MUC-99") == "BRAVO22"
    with pytest.raises(WithheldError) as caught:
        source.label(issuer="", patient_id="4711")
    assert caught.value.code == "PSEUDONYM_MISSING"
    assert "4711" not in str(caught.value)


def test_a_list_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """A byte order mark, CRLF, quotes and empty lines are how spreadsheets write the same list."""
    text = '\ufeffissuer,patient_id,pseudonym\r\n"H","4711","Q7XJ"\r\n\r\n,MUC-99,BRAVO22\r\n\r\n'
    assert _list(tmp_path, text) == _list(tmp_path, HEADER + ROWS)


def test_the_check_tells_lists_apart_and_cannot_be_guessed(tmp_path: Path) -> None:
    """The order of rows does not count; one row more, or another key, is another check; 16 hexadecimal digits."""
    first = _list(tmp_path, HEADER + ROWS).check()
    assert int(first, 16) >= 0
    assert len(first) == 16
    assert _list(tmp_path, HEADER + "".join(reversed(ROWS.splitlines(keepends=True)))).check() == first
    assert _list(tmp_path, HEADER + ROWS + ",1234,ZULU\n").check() != first
    assert _list(tmp_path, HEADER + ROWS, keys=OTHER).check() != first


def test_sources_travel_to_workers_and_show_nothing(tmp_path: Path) -> None:
    """A pickle gives the same source; its repr shows no key, no identifier and no pseudonym."""
    for source in (KeyedPseudonyms(KEY), _list(tmp_path, HEADER + ROWS)):
        assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301  its own pickle
        assert all(text not in repr(source) for text in ("aaaa", "4711", "MUC", "Q7XJ"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "another first line"),
        ("patient_id,issuer,pseudonym\n1,H,Q7XJ\n", "another first line"),
        (HEADER, "no patient"),
        (HEADER + ROWS + "H,4711,OTHER\n", "line 4: a patient for the second time"),
        (HEADER + ROWS + "H,4712,q7xj\n", "line 4: another patient's pseudonym"),
        (HEADER + "H,SECRET\n", "line 2: expected issuer"),
        (HEADER + "H, ,Q7XJ\n", "line 2: expected issuer"),
        (HEADER + "H,SECRET,Q7-XJ\n", "line 2: a pseudonym that is not 1 to 32 letters and digits"),
        (HEADER + "H,SECRET,\n", "line 2: a pseudonym that is not"),
        (HEADER + "H,SECRET," + "A" * 33 + "\n", "line 2: a pseudonym that is not"),
        (HEADER + "H,SECRET,SECRET\n", "line 2: a pseudonym that holds"),
        (HEADER + "H,SEC-RET,xsecret1\n", "line 2: a pseudonym that holds"),
        (HEADER + "H,4711,SECRET\nH,secret,Q7XJ\n", "line 2: a pseudonym that is a patient's identifier"),
        (HEADER + '"H\nI",4711,A\nH,SECRET,Q7-XJ\n', "line 4: "),
        (HEADER + 'H,"SECRET"x,Q7XJ\n', "a quoting error at line 2"),
        ((HEADER + "H,SECRET-\xdc,Q7XJ\n").encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_list_with_one_defect_is_refused_whole_by_line(tmp_path: Path, text: str | bytes, says: str) -> None:
    """The refusal names the line and no value of it."""
    message = _refusal(tmp_path, text)
    assert says in message
    assert not any(value in message for value in ("SECRET", "secret", "4711", "Q7XJ", "Q7-XJ"))


def test_many_defects_are_named_up_to_a_number(tmp_path: Path) -> None:
    """A list in another form does not fill the screen."""
    message = _refusal(tmp_path, HEADER + "H,1,-\n" * (MOST_DEFECTS + 3))
    assert message.count("line ") == MOST_DEFECTS
    assert "and 3 more" in message


def test_a_list_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The list is the key to every pseudonym on it."""
    _list(tmp_path, HEADER + ROWS)
    (tmp_path / "list.csv").chmod(0o644)
    with pytest.raises(MyofedError) as caught:
        CsvPseudonyms.load(tmp_path / "list.csv", keys=KEY)
    assert caught.value.code == "PRIVATE_FILE_PERMISSIONS"


def test_an_identifier_of_signs_alone_is_in_no_pseudonym() -> None:
    """Nothing is left of it to look for."""
    assert checked_label("Q7XJ", patient_id="--") == "Q7XJ"


@dataclass(frozen=True)
class Service:
    """A third party behind HTTP, as docs/key-custody.md shows it."""

    url: str
    keys: SiteKeys
    token: str = field(repr=False)

    def label(self, *, issuer: str, patient_id: str) -> SubjectLabel:
        person = {"issuer": issuer.strip(), "id": patient_id.strip()}
        reply = httpx.post(self.url, json=person, headers={"Authorization": f"Bearer {self.token}"}, timeout=10)
        if reply.status_code == httpx.codes.NOT_FOUND:
            raise WithheldError(WithheldCode.PSEUDONYM_MISSING)
        reply.raise_for_status()
        return checked_label(reply.json()["pseudonym"], patient_id=patient_id)

    def check(self) -> str:
        return self.keys.mac("pseudonym service", self.url).hex()[:16]


KNOWN = {("H", "4711"): "Q7XJ", ("H", "4712"): "P4712P"}


class _ThirdParty(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = KNOWN.get((asked["issuer"], asked["id"]))
        allowed = self.headers["Authorization"] == "Bearer token"
        self.send_response((200 if found else 404) if allowed else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"pseudonym": found}).encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _ThirdParty)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_service_can_be_the_source(url: str) -> None:
    """Known, unknown, badly chosen and refused: each ends as the interface says, in a worker as here."""
    source: PseudonymSource = pickle.loads(pickle.dumps(Service(url, KEY, "token")))  # noqa: S301  its own pickle
    assert source.label(issuer="H", patient_id="4711 ") == "Q7XJ"
    with pytest.raises(WithheldError):
        source.label(issuer="H", patient_id="1")
    with pytest.raises(ValueError, match="holds the patient's identifier"):
        source.label(issuer="H", patient_id="4712")
    with pytest.raises(httpx.HTTPStatusError):
        Service(url, KEY, "wrong").label(issuer="H", patient_id="4711")
    assert source.check() != Service(url + "v2", KEY, "token").check()
    assert "token'" not in repr(source)
