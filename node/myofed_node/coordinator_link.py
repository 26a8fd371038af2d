"""What `join` learnt about the coordinator; the file exists only once the site is enrolled."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationError

from myofed_node.site_folder import SiteFolder
from myofed_schemas.canonical import canonical_json
from myofed_schemas.enrolment import HttpsUrl
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import SiteId, UtcTime
from myofed_schemas.study import HexPublicKey
from myofed_schemas.wire import WireModel


class CoordinatorLink(WireModel):
    """`coordinator.json`: addresses and the key that signs manifests; the CA lies beside the keys, the token nowhere."""

    format: Literal["myofed-coordinator-link-1"] = "myofed-coordinator-link-1"
    site: SiteId
    people_url: HttpsUrl
    sites_url: HttpsUrl
    coordinator_key: HexPublicKey
    joined_at: UtcTime


def load_link(folder: SiteFolder) -> CoordinatorLink:
    """The coordinator this site is enrolled at.

    Raises:
        MyofedError: NOT_ENROLLED where `join` has not finished, COORDINATOR_LINK_INVALID where the file is damaged.
    """
    try:
        text = folder.coordinator.read_bytes()
    except FileNotFoundError:
        raise MyofedError(
            "NOT_ENROLLED",
            "expected an enrolled site, found no coordinator.json",
            hint="myofed-node join DIR --invite FILE",
            exit_code=ExitCode.NOT_ENROLLED,
        ) from None
    try:
        return CoordinatorLink.model_validate_json(text)
    except ValidationError:
        raise MyofedError(
            "COORDINATOR_LINK_INVALID",
            "expected what join wrote in coordinator.json, found something else",
            hint="remove coordinator.json and join again with a new invite",
            exit_code=ExitCode.NOT_ENROLLED,
        ) from None


def save_link(folder: SiteFolder, link: CoordinatorLink) -> None:
    """The site counts as enrolled from here on."""
    write_atomically(folder.coordinator, canonical_json(link) + b"\n")
