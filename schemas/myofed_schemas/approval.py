"""Who at a site stands behind a decision: roles and digests of personal signatures; names of people stay at the site."""

from __future__ import annotations

from typing import Literal

from myofed_schemas.ids import Sha256
from myofed_schemas.wire import WireModel

SiteRole = Literal[
    "principal-investigator",
    "data-protection-officer",
    "ethics-committee",
    "information-security-officer",
    "operator",
]
"""A role in which a person of a site decides; `operator` is who may call `myofed-node` on the site's machine."""

DeclineReason = Literal[
    "DECLINED",
    "DECLINED_PURPOSE",
    "DECLINED_LEGAL_BASIS",
    "DECLINED_DATA_USE",
    "DECLINED_PRIVACY",
    "DECLINED_ETHICS",
    "DECLINED_CAPACITY",
]
"""Why a site declines, as the code that leaves; docs/approvals.md says each in words."""


class RoleSignature(WireModel):
    """One personal signature behind a decision, as far as it leaves the site.

    Attributes:
        role: In which the person signed.
        sha256: Of the 64 bytes of the Ed25519 signature, which stays at the site with the person's name and key.
    """

    role: SiteRole
    sha256: Sha256
