"""The coordinator's settings: `config.yaml` in its home folder, validated whole before anything starts."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from myofed_coordinator.accounts.oidc_settings import OidcSettings
from myofed_coordinator.faults import in_words
from myofed_coordinator.home import HomeFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.json_log import Style
from myofed_schemas.wire import WireModel

LARGEST_PORT = 65_535


def _possible(address: str) -> str:
    host, port = split_address(address)
    if port > LARGEST_PORT or any(part.isdecimal() and int(part) > 255 for part in host.split(".")):
        msg = f"expected IPv4:port, with octets up to 255 and a port up to {LARGEST_PORT}"
        raise ValueError(msg)
    return address


Address = Annotated[
    str, StringConstraints(pattern=r"^(\d{1,3}(\.\d{1,3}){3}|localhost):\d{1,5}$"), AfterValidator(_possible)
]
"""IPv4 address and port to listen on."""

LoopbackAddress = Annotated[str, StringConstraints(pattern=r"^127\.0\.0\.1:\d{1,5}$"), AfterValidator(_possible)]
"""127.0.0.1 and a port; port 0 is a free one at each start."""

PublicName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
"""DNS name or IPv4 address by which sites and people reach this machine."""

EVERY_INTERFACE = "0.0.0.0"  # noqa: S104  compared with, never a default


class CoordinatorConfig(WireModel):
    """Everything that can be set; built once in cli.py and passed down.

    Attributes:
        schema_version: Of this file.
        name: Shown on the status page and in the CA's name.
        people: Address of the people's port: web, API, enrolment.
        sites: Address of the sites' port: mutual TLS, Flower's ten calls and `/site/*`.
        public_names: Names in the server certificate; the first one is written into invites.
        status: Address of the status port (health, metrics), on loopback without a login; None has none.
        log_format: Of every process's log.
        engine_port: Port of Flower's SuperLink on 127.0.0.1; 0 lets `up` choose a free one.
        database_url: SQLAlchemy URL; None is SQLite in the home folder.
        certificate_days: How long a site's certificate is valid.
        second_factor_for_all: Every account needs a second factor, not administrators and study leads alone.
        four_eyes: A run starts once somebody else than who asked for it has confirmed.
        oidc: The identity provider where people may sign in; None for accounts of this coordinator alone.
        demo: A demonstration on synthetic patients; said on every page.
        public_catalog: Everybody may read cards without a login, as far as the sites' `public_k` lets them be told.
        queries_per_hour: Count questions that one person may ask in sixty minutes.
        queries_per_day: In twenty-four hours.
        query_log_days: How long it is kept who asked which count question.
        largest_upload_mb: Initial weights of a study, sent over the people's port, are at most so large (MiB).
    """

    schema_version: Literal["myofed-coordinator-1"] = "myofed-coordinator-1"
    name: str = Field(default="myofed consortium", pattern=r"^[A-Za-z0-9 .-]{3,60}$")
    people: Address = "127.0.0.1:8443"
    sites: Address = "127.0.0.1:8444"
    public_names: tuple[PublicName, ...] = ()
    status: LoopbackAddress | None = "127.0.0.1:0"
    log_format: Style = "json"
    engine_port: int = Field(default=0, ge=0, le=65_535)
    database_url: str | None = Field(default=None, pattern=r"^(sqlite|postgresql)(\+[a-z0-9]+)?://")
    certificate_days: int = Field(default=365, ge=1, le=825)
    second_factor_for_all: bool = False
    four_eyes: bool = True
    oidc: OidcSettings | None = None
    demo: bool = False
    public_catalog: bool = False
    queries_per_hour: int = Field(default=60, ge=1, le=10_000)
    queries_per_day: int = Field(default=600, ge=1, le=100_000)
    query_log_days: int = Field(default=730, ge=30, le=3650)
    largest_upload_mb: int = Field(default=512, ge=1, le=4096)

    @property
    def people_url(self) -> str:
        """Where a browser and `myofed-node join` find the people's port."""
        return f"https://{self._reachable(self.people)}"

    @property
    def sites_url(self) -> str:
        """Where a site's egress finds the sites' port."""
        return f"https://{self._reachable(self.sites)}"

    def database(self, home: HomeFolder) -> str:
        """The database's URL, SQLite in the home folder unless another is set."""
        return self.database_url or f"sqlite:///{home.database.absolute()}"

    def _reachable(self, address: str) -> str:
        host, port = split_address(address)
        return f"{self.public_names[0] if self.public_names else host}:{port}"


def split_address(address: str) -> tuple[str, int]:
    """Host and port of an `Address`."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def check_reachable(config: CoordinatorConfig) -> None:
    """A site can reach what the invites will name.

    Raises:
        MyofedError: CONFIG_PUBLIC_NAME, listening everywhere but no public name is given.
    """
    hosts = {split_address(config.people)[0], split_address(config.sites)[0]}
    if EVERY_INTERFACE in hosts and not config.public_names:
        raise MyofedError(
            "CONFIG_PUBLIC_NAME",
            f"a port listens on {EVERY_INTERFACE}, expected at least one public name",
            hint="give --public-name with the name by which sites reach this machine",
            exit_code=ExitCode.USAGE,
        )


_COMMENTS = {
    "schema_version": "Version of this file; do not change.",
    "name": "Shown on the status page.",
    "people": "Address of the people's port (web, API, enrolment), IPv4:port.",
    "sites": "Address of the sites' port (mutual TLS), IPv4:port.",
    "public_names": "DNS names or addresses in the server certificate; the first is written into invites.",
    "status": "Address of /livez, /readyz and /metrics, 127.0.0.1:port; port 0 = a free one, in run/status-port.json; null = none.",
    "log_format": "json or text: lines of the logs in run/logs.",
    "engine_port": "Flower's port on 127.0.0.1; 0 = a free one at each start.",
    "database_url": "null = SQLite in this folder; else e.g. postgresql+psycopg://user@host/database",
    "certificate_days": "Validity of a site's certificate in days.",
    "second_factor_for_all": "true = every account needs a second factor; administrators and study leads always do.",
    "four_eyes": "false = a run starts without the confirmation of a second person.",
    "oidc": "null = accounts of this coordinator only; else the identity provider, see docs/accounts.md.",
    "demo": "true marks a demonstration on synthetic patients.",
    "public_catalog": "true lets everybody read the catalog without a login, within the sites' public_k.",
    "queries_per_hour": "Count questions that one person may ask in an hour.",
    "queries_per_day": "Count questions that one person may ask in a day.",
    "query_log_days": "Days for which it is kept who asked which count question.",
    "largest_upload_mb": "Largest initial weights that people may send over the people's port (MiB).",
}


def save_config(home: HomeFolder, config: CoordinatorConfig) -> None:
    """`config.yaml` holds this configuration, each setting under a line that explains it."""
    lines = ["# Settings of this coordinator; read when a command or `up` starts."]
    # JSON is YAML: every value on one line, under its explanation.
    for key, value in config.model_dump(mode="json").items():
        lines += [f"# {_COMMENTS[key]}", f"{key}: {json.dumps(value)}"]
    write_atomically(home.config, ("\n".join(lines) + "\n").encode())


def load_config(home: HomeFolder) -> CoordinatorConfig:
    """The validated configuration of this home folder.

    Raises:
        MyofedError: NOT_A_HOME, the folder has no configuration; CONFIG_INVALID, a setting is unknown or wrong.
    """
    try:
        text = home.config.read_bytes()
    except FileNotFoundError as error:
        raise MyofedError(
            "NOT_A_HOME",
            "expected config.yaml in the coordinator's home folder, found none",
            hint="make one with `myofed-coordinator init DIR`, then name it with --home or MYOFED_HOME",
            exit_code=ExitCode.SITE_FOLDER,
        ) from error
    try:
        return CoordinatorConfig.model_validate(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as error:
        raise MyofedError(
            "CONFIG_INVALID",
            f"config.yaml does not hold: {_faults(error)}",
            hint="each setting is explained in the line above it",
            exit_code=ExitCode.USAGE,
        ) from error


def _faults(error: ValidationError | yaml.YAMLError) -> str:
    """The settings at fault and what was expected of each, never their values (a database URL may hold a password)."""
    if isinstance(error, ValidationError):
        return in_words(error, whole="whole file")
    return "not YAML"
