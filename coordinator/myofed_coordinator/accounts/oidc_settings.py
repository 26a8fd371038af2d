"""Settings of the identity provider: where it is, who we are there, and which of its claims are which role here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, field_validator, model_validator

from myofed_coordinator.accounts.permissions import Role
from myofed_schemas.ids import SiteId
from myofed_schemas.wire import WireModel

HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https://[A-Za-z0-9.\[\]:-]{1,253}(/[A-Za-z0-9._~/-]*)?$")]
ClaimName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_:./-]{1,120}$")]


class GrantedRole(WireModel):
    """What a value of the claim means here."""

    role: Role
    site: SiteId | None = None

    @model_validator(mode="after")
    def _site_goes_with_its_role(self) -> GrantedRole:
        if (self.site is not None) != (self.role is Role.SITE_REPRESENTATIVE):
            msg = "expected a site exactly where the role is site-representative"
            raise ValueError(msg)
        return self


class OidcSettings(WireModel):
    """An OpenID Connect provider, with the authorisation code flow, PKCE, and a client secret.

    Attributes:
        issuer: Exactly as the provider's discovery document and ID tokens name it.
        client_id: Ours, as registered there, with the redirect URL PEOPLE_URL/oidc/callback.
        client_secret_file: Name of the file in the home's folder `keys` that holds the client secret (mode 0600).
        ca_file: Name of a PEM file in the folder `keys` with the CA of the provider; None for the public ones.
        scopes: Asked for beside `openid`.
        account_claim: Claim of the ID token that becomes the account's name at the first login.
        role_claim: Claim of the ID token, text or a list of texts, that says what somebody is.
        roles: Its values that mean something here; who has none of them is not let in and gets no account.
    """

    issuer: HttpsUrl
    client_id: str = Field(min_length=1, max_length=200)
    client_secret_file: str = Field(default="oidc.secret", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    ca_file: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    scopes: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z_:.-]{1,60}$")], ...] = ("profile",)
    account_claim: ClaimName = "preferred_username"
    role_claim: ClaimName = "groups"
    roles: dict[str, GrantedRole] = Field(min_length=1)

    @field_validator("issuer")
    @classmethod
    def _no_slash_at_the_end(cls, value: str) -> str:
        return value.rstrip("/")
