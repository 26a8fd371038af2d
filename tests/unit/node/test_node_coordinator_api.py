"""What the coordinator answers is checked; refusals keep their code, an absent coordinator is no refusal."""

from __future__ import annotations

import hashlib

import pytest
from site_factories import NOW, FakeCoordinator

from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.heartbeat import clock_skew_s, heartbeat
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


def _refused(status: int, code: str) -> MyofedError:
    coordinator = FakeCoordinator()
    coordinator.refusals["/site"] = (status, code)
    with pytest.raises(MyofedError) as caught:
        CoordinatorApi(coordinator).studies()  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "told", "exit_code"),
    [
        (403, "SITE_REVOKED", "SITE_REVOKED", ExitCode.REFUSED),
        (403, "", "SITE_REVOKED", ExitCode.REFUSED),
        (403, "CARD_WRONG_SITE", "CARD_WRONG_SITE", ExitCode.REFUSED),
        (409, "CARD_VERSION", "CARD_VERSION", ExitCode.REFUSED),
        (404, "", "HTTP_404", ExitCode.REFUSED),
        (503, "DATABASE_UNREACHABLE", "COORDINATOR_AWAY", ExitCode.UNREACHABLE),
        (502, "", "COORDINATOR_AWAY", ExitCode.UNREACHABLE),
    ],
)
def test_refusal_has_the_coordinators_code(status: int, code: str, told: str, exit_code: ExitCode) -> None:
    """Only a coordinator that is away is worth trying again."""
    error = _refused(status, code)
    assert (error.code, error.exit_code) == (told, exit_code)


@pytest.mark.parametrize("call", ["studies", "heartbeat"])
def test_answer_of_another_form_is_refused(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is used."""
    coordinator = FakeCoordinator()
    monkeypatch.setattr(coordinator, "_answers", lambda: dict.fromkeys(
        ("/site/studies", "/site/heartbeat"), lambda _p, _b: b'{"unexpected": 1}'
    ))  # fmt: skip
    api = CoordinatorApi(coordinator)  # type: ignore[arg-type]
    with pytest.raises(MyofedError) as caught:
        api.studies() if call == "studies" else api.heartbeat(heartbeat("UP", now=NOW))
    assert caught.value.code == "REPLY_INVALID"


def test_weights_of_another_digest_are_refused() -> None:
    """A model is what was asked for, or nothing."""
    coordinator = FakeCoordinator()
    coordinator.models["0" * 64] = b"other weights"
    with pytest.raises(MyofedError) as caught:
        CoordinatorApi(coordinator).model("0" * 64, study="thigh")  # type: ignore[arg-type]
    assert caught.value.code == "MODEL_DIGEST"


def test_model_request_names_its_study_for_the_ledger() -> None:
    """The ledger can tell which study a request was for."""
    coordinator = FakeCoordinator()
    weights = b"weights"
    digest = hashlib.sha256(weights).hexdigest()
    coordinator.models[digest] = weights
    assert CoordinatorApi(coordinator).model(digest, study="thigh") == weights  # type: ignore[arg-type]
    assert coordinator.sent == [("GET", f"/site/models/{digest}", b"", "thigh")]


def test_skew_is_this_clock_minus_the_coordinators() -> None:
    """Positive where this machine is ahead: what Flower refuses."""
    coordinator = FakeCoordinator()
    coordinator.clock = "2025-12-31T23:59:53Z"
    reply = CoordinatorApi(coordinator).heartbeat(heartbeat("UP", now=NOW))  # type: ignore[arg-type]
    assert clock_skew_s(reply, now=NOW) == 7
