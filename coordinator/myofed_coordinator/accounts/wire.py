"""What people's accounts look like on the wire; secrets leave once, in the answer to the request that made them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from myofed_coordinator.accounts.permissions import Permission, Role
from myofed_schemas.ids import SiteId, UtcTime
from myofed_schemas.wire import WholeNumber, WireModel

AccountName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9]*([._@-][a-z0-9]+)*$", min_length=2, max_length=48),
    Field(examples=["ann.lee"]),
]
"""A login name, possibly an e-mail address: no patient's, and nothing that one could take for a path or a web address."""
Secret = Annotated[str, StringConstraints(min_length=20, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")]
"""What was shown once: a set-up secret."""
Password = Annotated[str, Field(min_length=1, max_length=512, examples=["tibia wren quartz lantern"])]
Code = Annotated[
    str,
    Field(max_length=40, description="6 digits, or a recovery code; empty where there is none", examples=["492039"]),
]
TokenId = Annotated[str, StringConstraints(pattern=r"^tok-[a-z0-9]{8}$"), Field(examples=["tok-0a1b2c3d"])]
AccountState = Literal["invited", "active", "disabled"]


class AccountRecord(WireModel):
    """One account as the administrator sees it."""

    account: AccountName
    state: AccountState
    roles: tuple[Role, ...]
    site: SiteId | None = None
    created_at: UtcTime
    second_factor: bool
    oidc: bool
    """Signs in at the consortium's identity provider; has no password here."""


_SITE_RULE: JsonDict = {
    "if": {"properties": {"roles": {"contains": {"const": Role.SITE_REPRESENTATIVE.value}}}},
    "then": {"required": ["site"], "properties": {"site": {"type": "string"}}},
    "else": {"properties": {"site": {"type": "null"}}},
}


class RolesChange(WireModel):
    """The roles that an account shall have; a site goes with a site representative, and with nobody else."""

    model_config = ConfigDict(json_schema_extra=_SITE_RULE)

    roles: tuple[Role, ...] = Field(
        min_length=1, max_length=4, json_schema_extra={"uniqueItems": True}, examples=[["study-lead"]]
    )
    site: SiteId | None = Field(default=None, examples=[None])

    @model_validator(mode="after")
    def _site_goes_with_its_role(self) -> RolesChange:
        if (self.site is not None) != (Role.SITE_REPRESENTATIVE in self.roles) or len(set(self.roles)) < len(
            self.roles
        ):
            msg = "expected each role once, and a site exactly where one of them is site-representative"
            raise ValueError(msg)
        return self


class NewAccount(RolesChange):
    """Somebody who shall be able to sign in."""

    account: AccountName


class SetupLink(WireModel):
    """Shown once: with this the person chooses a password and a second factor."""

    account: AccountName
    setup_url: str
    setup_secret: Secret
    expires_at: UtcTime


class SetupQuestion(WireModel):
    """Asks what a set-up secret is for."""

    secret: Secret = Field(examples=["Yw3dUqBBwTzQv1n2cGXkP0tVnOZrT3bY7m4Ls9aKe5I"])


class SecondFactorOffer(WireModel):
    """A new second factor that counts once a code of it was sent back; shown to its owner only."""

    account: AccountName
    required: bool
    totp_uri: str
    totp_key: str


class SetupAnswer(SetupQuestion):
    """The person's choice; `code` is of the second factor that was offered, empty to have none where none is required."""

    password: Password
    code: Code = ""


class RecoveryCodes(WireModel):
    """Shown once: each opens one time in place of the app's code. Empty where there is no second factor."""

    recovery_codes: tuple[str, ...]


class Credentials(WireModel):
    """What a person types to sign in."""

    account: str = Field(min_length=1, max_length=64, examples=["ann.lee"])
    password: Password
    code: Code = ""


class PasswordChange(WireModel):
    """A person's old and new password; all of the person's sessions end."""

    old: Password
    new: Password


class PasswordAgain(WireModel):
    """The password of somebody who is signed in, once more."""

    password: Password


class SecondFactorChange(WireModel):
    """A code of the second factor that was offered, and the password once more."""

    password: Password
    code: Code


class Whoami(WireModel):
    """Who is signed in, and what this login or token may do."""

    account: str
    roles: tuple[Role, ...]
    site: SiteId | None
    permissions: tuple[Permission, ...]
    csrf: str
    """What a change by cookie says in X-CSRF-Token; empty for a bearer token, which needs none."""


class NewToken(WireModel):
    """A personal API token to be made."""

    title: str = Field(min_length=1, max_length=60, pattern=r"^[\w .,:()-]+$", examples=["nightly export"])
    scope: tuple[Permission, ...] = Field(
        min_length=1, max_length=len(Permission), examples=[["see-catalog", "see-runs"]]
    )
    days: WholeNumber = Field(default=30, ge=1, le=365, examples=[30])


class TokenRecord(WireModel):
    """One API token without what it opens with."""

    token_id: TokenId
    title: str
    scope: tuple[Permission, ...]
    created_at: UtcTime
    expires_at: UtcTime


class MadeToken(WireModel):
    """A token as it is shown, once."""

    record: TokenRecord
    token: str
    """Sent as `Authorization: Bearer`."""
