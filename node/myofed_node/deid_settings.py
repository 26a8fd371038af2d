"""What a site decided about de-identification: its policy, who gives the pseudonyms, and whether there is a vault."""

from __future__ import annotations

from dataclasses import dataclass, field

from myofed_anonymization import Options, Policy, default_policy, load_policy
from myofed_node.key_custody import pseudonym_source, vault_of
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


@dataclass(frozen=True)
class DeidSettings:
    """Policy and options of one site, or of a call without one."""

    policy: Policy = field(default_factory=default_policy)
    options: Options = field(default_factory=Options)


def deid_settings(site: Site) -> DeidSettings:
    """The settings that this site's configuration names, each file read and checked.

    Raises:
        MyofedError: POLICY_MISSING, POLICY_INVALID, or what `pseudonym_source` and `vault_of` raise.
    """
    options = Options(pseudonyms=pseudonym_source(site), vault=vault_of(site))
    return DeidSettings(_policy(site), options)


def _policy(site: Site) -> Policy:
    name = site.config.deidentification_policy
    if name is None:
        return default_policy()
    path = site.folder.root / name
    if not path.is_file():
        raise MyofedError(
            "POLICY_MISSING",
            "expected the de-identification policy that the site's settings name, found no such file",
            hint="correct deidentification_policy in config.yaml; null uses the policy that ships with myofed",
            exit_code=ExitCode.SITE_FOLDER,
        )
    return load_policy(path)
