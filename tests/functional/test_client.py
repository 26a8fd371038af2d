"""The Python client against a real coordinator: the page docs/client.md, block by block, and what is refused before."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "coordinator"))

from coordinator_factories import HOUR, FakeSite, make_card, make_manifest, make_person, make_site, make_weights

from myofed_client import Coordinator
from myofed_coordinator.accounts.permissions import Person, Role, granted
from myofed_coordinator.accounts.wire import NewToken
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_coordinator.models.weights import sha256_of
from myofed_coordinator.runs.folder import RoundRecord
from myofed_coordinator.runs.reconcile import traced
from myofed_coordinator.runs.service import RunsService
from myofed_coordinator.runs.starts import Eyes, StartsService
from myofed_coordinator.services import Services, open_services
from myofed_coordinator.studies.draft import COMPLETED_HERE
from myofed_schemas.canonical import canonical_json
from myofed_schemas.clock import system_now, utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import FinalEvaluation, RoundReport

pytestmark = [pytest.mark.functional, pytest.mark.slow]
SITES = ("hospital-a", "hospital-b")
WEIGHTS, FINAL = make_weights(), make_weights(seed=9)


@dataclass
class Consortium:
    """A coordinator whose people's port is a process, two enrolled sites, a study lead's token."""

    home: HomeFolder
    url: str
    services: Services
    sites: tuple[FakeSite, ...]
    token: str

    def client(self, token: str = "") -> Coordinator:
        return Coordinator(self.url, token or self.token, ca=self.home.ca)


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = CoordinatorConfig(people=f"127.0.0.1:{port}")
    home = initialise(tmp_path_factory.mktemp("client") / "home", config, actor="admin", now=system_now())
    services = open_services(home, config)
    sites = tuple(_enrolled(services, name) for name in SITES)
    make_person(services.accounts, "lea", Role.STUDY_LEAD, now=system_now())
    scope = tuple(granted({Role.STUDY_LEAD}))
    made = services.tokens.make(
        Person("lea", frozenset({Role.STUDY_LEAD})), NewToken(title="notebook", scope=scope), now=system_now()
    )
    process = subprocess.Popen([sys.executable, "-m", "myofed_coordinator.api", str(home.root)], env=dict(os.environ))
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield Consortium(home, f"https://127.0.0.1:{port}", services, sites, made.token)
    process.kill()
    process.wait()
    services.close()


def _enrolled(services: Services, name: str) -> FakeSite:
    site, now = make_site(name), system_now()
    invite = services.enrolment.create_invite(name, actor="admin", now=now, valid=HOUR, pre_approved=True)
    services.enrolment.receive_request(site.request(invite), now=now)
    services.catalog.publish(make_card(name), site=name, now=now)
    return site


def refusal(call: object) -> str:
    with pytest.raises(MyofedError) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


def test_client_is_refused_with_the_coordinators_own_codes(consortium: Consortium, tmp_path: Path) -> None:
    """A wrong token, unknown things, another CA, an open line: each its code, and the token in no message."""
    with consortium.client("w" * 43) as stranger:
        assert refusal(stranger.studies) == "LOGIN_REQUIRED"
    with consortium.client() as client:
        assert refusal(lambda: client.study("no-study")) == "STUDY_UNKNOWN"
        assert refusal(lambda: client.run("run-ffffffff")) == "RUN_UNKNOWN"
        assert refusal(lambda: client.fetch_model("0" * 64, tmp_path / "m")) == "MODEL_UNKNOWN"
        assert refusal(lambda: client.create_study({}, initial_weights_sha256="0" * 64)) == "WEIGHTS_UNKNOWN"
        assert refusal(lambda: client.start("no-study")) == "STUDY_UNKNOWN"
        assert list(tmp_path.iterdir()) == []
    with Coordinator(consortium.url, consortium.token) as untrusting:
        assert refusal(untrusting.models) == "COORDINATOR_UNREACHABLE"
    assert refusal(lambda: Coordinator("http://127.0.0.1", "t")) == "CLIENT_URL"


def test_example_of_the_documentation_runs_as_it_stands(
    consortium: Consortium, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the search to a verified model; between the blocks the hospitals and a second person do their part."""
    weights = tmp_path / "initial.safetensors"
    weights.write_bytes(WEIGHTS)
    document = make_manifest(WEIGHTS, sites=SITES, rounds=2).model_dump(mode="json")
    given = {
        "URL": consortium.url,
        "TOKEN": consortium.token,
        "CA": consortium.home.ca,
        "WEIGHTS": weights,
        "DRAFT": {name: value for name, value in document.items() if name not in COMPLETED_HERE},
        "KEY": consortium.services.enrolment.create_invite(
            "hospital-c", actor="admin", now=system_now(), valid=HOUR
        ).coordinator_key,
        "FOLDER": tmp_path,
    }
    blocks = re.findall(r"```python\n(.*?)```", (repository / "docs" / "client.md").read_text(), re.DOTALL)
    assert len(blocks) == 6
    between = {2: _approve, 3: _confirm_and_run}
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/client.md block {number + 1}", "exec"), given)  # noqa: S102  the page is ours
        between.get(number, lambda *_: None)(consortium, given)
    said = capsys.readouterr().out
    assert "hospital-a Thigh Dixon 20" in said
    assert "{'hospital-a': 'approved', 'hospital-b': 'approved'}" in said
    assert "completed OK" in said
    assert (tmp_path / "thigh.safetensors").read_bytes() == FINAL


def _approve(consortium: Consortium, given: dict[str, object]) -> None:
    """The hospitals' people sign."""
    manifest = given["signed"].manifest  # type: ignore[attr-defined]
    for site in consortium.sites:
        decided = site.decide(manifest, decided_at=utc_text(system_now()))
        consortium.services.studies.record_decision(decided, site=site.name, now=system_now())


def _confirm_and_run(consortium: Consortium, given: dict[str, object]) -> None:
    """A second person confirms, and the run goes on by itself while the client follows it."""
    services, runs = consortium.services, RunsService(consortium.services)
    start_id = given["started"].start_id  # type: ignore[attr-defined]
    confirmed = StartsService(services, runs).confirm(start_id, Eyes("ann", "account"), now=system_now())
    threading.Thread(target=_run, args=(services, runs, confirmed.run_id), daemon=True).start()


def _run(services: Services, runs: RunsService, run_id: str) -> None:
    """Two rounds, as the ServerApp and the supervisor leave them behind."""
    folder, reports = runs.folder(run_id), list[RoundReport]()
    for number, content in ((1, make_weights(seed=5)), (2, FINAL)):
        time.sleep(0.5)
        folder.weights(number).write_bytes(content)
        digests = {site: f"{number}{place}" * 32 for place, site in enumerate(SITES)}
        folder.record(number).write_bytes(
            canonical_json(RoundRecord(digests=digests, examples=dict.fromkeys(SITES, 20)))
        )
        reports.append(
            RoundReport(
                round=number,
                started_at=utc_text(system_now()),
                seconds=1.0,
                sites=SITES,
                errors=(),
                loss=0.5 / number,
                dice=0.3 * number,
                dice_per_site={},
                weights_sha256=sha256_of(content),
            )
        )
        status = folder.status().model_copy(update={"state": "running", "rounds": tuple(reports)})
        folder.write_status(status)
    services.lineage.record(traced(folder, status), now=system_now())
    manifest_digest = folder.manifest().digest
    services.models.register(run_id, folder.weights(2), manifest_digest=manifest_digest, rounds=2, now=system_now())
    final = FinalEvaluation(dice=0.7, dice_per_site={}, errors=())
    done = {"state": "completed", "model_sha256": sha256_of(FINAL), "final": final, "kept_round": 2}
    folder.write_status(status.model_copy(update=done))
