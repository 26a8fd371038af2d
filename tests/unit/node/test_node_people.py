"""Who may sign: each once, told in the audit chain, and nobody whose record was changed behind its back."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from people_factories import CHEAP, DPO, PI, add_person, site_of_two
from site_factories import NOW, PASSPHRASE, audited_actions, refusal_code

from myofed_node.people import People
from myofed_node.person_key import open_person_key
from myofed_node.site_setup import Site
from myofed_schemas.canonical import canonical_json


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_of_two(tmp_path / "site")


def _public() -> str:
    return Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()


@pytest.mark.parametrize("name", ["", "J", "j smith", "../j", "j/smith", "J.Smith", "a" * 33])
def test_name_of_another_form_is_refused(site: Site, name: str) -> None:
    """Nothing is written for a name that could be a path or hold what a person's record should not."""
    people = People(site.folder)
    assert refusal_code(lambda: people.add(name, [PI], now=NOW, public_key=_public())) == "PERSON_INVALID"
    new = lambda: people.add_with_new_key(name, [PI], now=NOW, passphrase=PASSPHRASE, cost=CHEAP)  # noqa: E731
    assert refusal_code(new) == "PERSON_INVALID"
    assert people.list() == ()
    assert not site.folder.people.exists()


def test_name_or_key_of_another_person_is_refused(site: Site) -> None:
    """One key is one person: nobody signs for two of them."""
    people, key = People(site.folder), _public()
    people.add("j.smith", [PI], now=NOW, public_key=key)
    assert refusal_code(lambda: people.add("j.smith", [DPO], now=NOW, public_key=_public())) == "PERSON_EXISTS"
    assert refusal_code(lambda: people.add("a.jones", [DPO], now=NOW, public_key=key)) == "PERSON_EXISTS"
    assert audited_actions(site) == ["PERSON_ADDED"]


def test_disabled_person_may_not_sign_and_the_name_does_not_come_back(site: Site) -> None:
    """A second disabling changes nothing; a new key has a new name."""
    people = People(site.folder)
    add_person(site, "j.smith", PI)
    first = people.disable("j.smith", by="op", now=NOW)
    assert people.disable("j.smith", by="op", now=NOW) == first
    assert refusal_code(lambda: people.active("j.smith")) == "PERSON_DISABLED"
    assert refusal_code(lambda: people.check_free("j.smith")) == "PERSON_EXISTS"
    assert audited_actions(site) == ["PERSON_ADDED", "PERSON_DISABLED"]


def test_record_that_was_changed_behind_the_audit_chain_signs_nothing(site: Site) -> None:
    """Another key, another role, one enabled again, one that nobody added."""
    people = People(site.folder)
    person = add_person(site, "j.smith", PI)
    path = site.folder.people / "j.smith.person.json"
    for change in ({"public_key": _public()}, {"roles": (DPO,)}, {"name": "a.jones"}):
        path.write_bytes(canonical_json(person.model_copy(update=change)))
        assert refusal_code(lambda: people.active("j.smith")) == "PERSON_ALTERED"
    path.write_bytes(b"{}")
    assert refusal_code(lambda: people.show("j.smith")) == "PERSON_ALTERED"
    path.write_bytes(canonical_json(person))
    people.disable("j.smith", by="op", now=NOW)
    path.write_bytes(canonical_json(person))
    assert refusal_code(lambda: people.active("j.smith")) == "PERSON_DISABLED"
    stranger = person.model_copy(update={"name": "a.jones", "public_key": _public()})
    (site.folder.people / "a.jones.person.json").write_bytes(canonical_json(stranger))
    assert refusal_code(lambda: people.active("a.jones")) == "PERSON_ALTERED"
    assert refusal_code(lambda: people.active("nobody")) == "PERSON_UNKNOWN"


def test_sealed_key_is_kept_here_or_where_the_person_wants_it(site: Site, tmp_path: Path) -> None:
    """A key on the person's own medium is not in the site's folder; a file that is there is not written over."""
    people, stick = People(site.folder), tmp_path / "stick.json"
    here = add_person(site, "j.smith", PI)
    there = people.add_with_new_key("a.jones", [DPO], now=NOW, passphrase=PASSPHRASE, key_file=stick, cost=CHEAP)
    assert (here.key_kept_here, there.key_kept_here) == (True, False)
    assert not people.key_path("a.jones").exists()
    assert people.key_path("j.smith").stat().st_mode & 0o777 == 0o600
    assert open_person_key(people.sealed_key(here), passphrase=PASSPHRASE)
    assert open_person_key(people.sealed_key(there, key_file=stick), passphrase=PASSPHRASE)
    assert refusal_code(lambda: people.sealed_key(there)) == "PERSON_KEY_ELSEWHERE"
    again = lambda: people.add_with_new_key("b.other", [DPO], now=NOW, passphrase=PASSPHRASE, key_file=stick)  # noqa: E731
    assert refusal_code(again) == "PERSON_EXISTS"
    assert [person.name for person in people.list()] == ["a.jones", "j.smith"]


def test_person_without_a_role_is_refused_and_leaves_no_key(site: Site) -> None:
    """Nothing of a refused person stays."""
    people = People(site.folder)
    new = lambda: people.add_with_new_key("j.smith", [], now=NOW, passphrase=PASSPHRASE, cost=CHEAP)  # noqa: E731
    assert refusal_code(new) == "PERSON_INVALID"
    assert not people.key_path("j.smith").exists()
