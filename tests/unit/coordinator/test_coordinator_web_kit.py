"""Vendored files: whose they are, that they are unchanged, how they are served."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from pathlib import Path

from coordinator_factories import NOW
from fastapi.testclient import TestClient
from web_factories import FakeRuns, client_as

from myofed_coordinator.accounts.permissions import Role
from myofed_coordinator.services import Services
from myofed_coordinator.web.kit import FOREVER, SHIPPED, assets, vendored

FOLDER = files("myofed_coordinator.web") / "static"


def test_vendored_file_is_as_the_manifest_says_and_none_is_unlisted() -> None:
    """Each file has its digest, each package its licence text; nothing else lies in the folder."""
    listed = {"manifest.json"}
    for package in vendored().packages:
        listed |= {package.licence_file, *(file.name for file in package.files)}
        assert "Copyright" in (FOLDER / "vendor" / package.licence_file).read_text() or package.licence == "0BSD"
        for file in package.files:
            content = (FOLDER / "vendor" / file.name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file.sha256, file.name
    assert {entry.name for entry in (FOLDER / "vendor").iterdir()} == listed


def test_every_file_of_ours_is_served_and_nothing_that_is_not_there() -> None:
    """The list and the folder agree."""
    lying = {entry.name for entry in FOLDER.iterdir() if entry.is_file()}
    assert lying == {name for name in SHIPPED if "/" not in name}


def test_file_may_be_kept_for_ever_because_its_path_holds_its_digest(services: Services) -> None:
    """Served to everybody, with type and long cache; a path with another digest does not exist."""
    client: TestClient = client_as(services, FakeRuns(), Role.AUDITOR, now=NOW)
    for asset in assets().values():
        answer = client.get(asset.path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == asset.media_type
        assert answer.headers["cache-control"] == FOREVER
        assert answer.content == asset.content
    assert client.get("/static/0000000000000000/page.js").status_code == 404


def test_style_sheet_names_pictures_by_their_paths() -> None:
    """No `url()` of ours is left that is not the path of a shipped file, and none is a data: address."""
    named = set(re.findall(r"url\(([^)]*)\)", assets()["myofed.css"].content.decode()))
    assert named
    assert named <= {asset.path for asset in assets().values()}


def test_own_scripts_need_no_evaluation_and_no_inline_handler() -> None:
    """Nothing in our scripts or templates turns text into code, which the policy would refuse."""
    for name in ("page.js", "theme.js"):
        assert not re.search(r"\beval\(|new Function|innerHTML|setTimeout\(\s*[\"']", assets()[name].content.decode())
    for template in Path(str(files("myofed_coordinator.web") / "templates")).iterdir():
        text = template.read_text()
        assert not re.search(r"hx-on|hx-vals=.?js:|javascript:| on[a-z]+=|style=|<style|\|\s*safe", text), template.name
