"""What the service process last saw: written after every beat, read by status, doctor and the page."""

from __future__ import annotations

from pydantic import ValidationError

from myofed_node.site_folder import SiteFolder
from myofed_schemas.canonical import canonical_json
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import Code, UtcTime
from myofed_schemas.wire import WireModel


class ServiceState(WireModel):
    """The last beat.

    Attributes:
        at: When it was tried.
        code: `OK`, or why it failed.
        last_contact: When the coordinator last answered.
        clock_skew_s: This machine's clock minus the coordinator's, seconds; None before the first answer.
        head_cosigned: Sequence of the audit head that the coordinator last co-signed.
        web: Address of the site's own page.
    """

    at: UtcTime
    code: Code
    last_contact: UtcTime | None = None
    clock_skew_s: int | None = None
    head_cosigned: int = 0
    web: str | None = None


def load_service_state(folder: SiteFolder) -> ServiceState | None:
    """The last beat; None before the first."""
    try:
        return ServiceState.model_validate_json(folder.service_state.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def save_service_state(folder: SiteFolder, state: ServiceState) -> None:
    """Status, doctor and the page see this beat."""
    write_atomically(folder.service_state, canonical_json(state) + b"\n")
