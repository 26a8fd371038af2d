"""The site's settings and policy: one YAML file, every key documented where it stands, checked when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from myofed_node.intake.settings import IntakeSettings
from myofed_schemas.approval import SiteRole
from myofed_schemas.catalog import DisclosurePolicy, FollowUp, HpoTerm, OrphaCode, ProtocolId, RoleMailbox
from myofed_schemas.cube import CubePolicy, DimensionName
from myofed_schemas.cube_vocabulary import DIMENSIONS
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import SiteId
from myofed_schemas.json_log import Style
from myofed_schemas.study import DuoTerm
from myofed_schemas.wire import WireModel

MINIMUM_SUBJECTS_FLOOR = 10
CARD_K_FLOOR = 10
CUBE_K_FLOOR = 5
CARD_ROUND_TO_FLOOR = 5
LOCAL_STEPS_FLOOR = 10
"""A round of one step is a gradient, out of which a slice can be drawn; what 2 to 29 steps give away is not measured."""
SCORED_SUBJECTS_FLOOR = 5
"""Below these a policy must call itself a demonstration (governance: k >= 10, rounding to 5)."""

FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
"""A path on this machine; a relative one starts at the site's folder."""

TrainingWindow = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$")
]
"""From, to; over midnight where the second is not later."""

TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]

ProxyUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+/?$", max_length=300)]


class PrivacyFloor(WireModel):
    """The least privacy of a study that may train at this site (docs/privacy.md); a stronger study is taken as it is.

    Attributes:
        level: `update` or `example`, as the study must have it.
        max_clip_norm: A study may not clip at more.
        min_noise_multiplier: A study may not add less noise.
        max_epsilon: Budget of one study here, over all its versions and runs, whatever its manifest allows.
        max_delta: A study's delta may not be above.
    """

    level: Literal["update", "example"]
    max_clip_norm: float = Field(gt=0, le=1e6)
    min_noise_multiplier: float = Field(gt=0, le=1e3)
    max_epsilon: float = Field(gt=0, le=1e6)
    max_delta: float = Field(default=1e-5, gt=0, le=1e-3)


class ApprovalRule(WireModel):
    """Whose signatures an approval needs here (docs/approvals.md).

    Attributes:
        required_roles: One signature for each; a role that stands twice needs two people.
        distinct_people: Nobody signs for two of them.
    """

    required_roles: tuple[SiteRole, ...] = Field(
        default=("principal-investigator", "data-protection-officer"), min_length=1, max_length=8
    )
    distinct_people: bool = True

    @model_validator(mode="after")
    def _twice_is_two_people(self) -> Self:
        if len(set(self.required_roles)) != len(self.required_roles) and not self.distinct_people:
            msg = "a role that is required twice needs distinct_people"
            raise ValueError(msg)
        if self.required_roles.count("operator") > 1:
            msg = "the operator signs once"
            raise ValueError(msg)
        return self

    @property
    def operator_alone(self) -> bool:
        """Whoever may call `myofed-node` here decides, without a key of one's own."""
        return self.required_roles == ("operator",)


OPERATOR_ALONE = ApprovalRule(required_roles=("operator",))


class SitePolicy(WireModel):
    """What the hospital allows. The defaults are the floor; only a demonstration on synthetic patients goes below it.

    Attributes:
        demo: For synthetic patients only; marks everything it touches.
        minimum_subjects: A study may not train here with fewer labelled subjects.
        card_k: Counts below this are told to nobody but people who are signed in.
        cube_k: Counts below this never leave.
        zeros_told: Empty cells are told as such, so that what is withheld is known not to be empty. Only in a
            demonstration, for that gives cells below k away.
        cube_dimensions: What subjects are counted by for the consortium; a shorter list tells less.
        card_round_to: Counts that leave are rounded to a multiple of this.
        hold_head: Head MR (a face can be rebuilt from it) waits for a person at intake.
        max_local_steps: A study may not ask for more optimiser steps a round.
        min_local_steps: Nor for fewer, which this site would do: an update of one step is a gradient of its images.
        max_batch: A study may not ask for a larger batch.
        min_scored_subjects: Dice of a muscle leaves only as a sum over at least so many subjects.
        max_memory_mb: A study may not ask for a training step that takes about more memory than this (MiB).
        max_round_s: A task that takes longer is abandoned, whatever the study says.
        training_window: `HH:MM-HH:MM` on the site's own clock; outside it no task begins. None: at any time.
        privacy_floor: What clipping and noise a study must have to train here; None asks for none.
        approvals: Whose signatures an approval needs; None: principal investigator and data protection officer, and the
            operator alone where the policy is marked demo.
    """

    demo: bool = False
    minimum_subjects: int = Field(default=40, ge=1)
    card_k: int = Field(default=CARD_K_FLOOR, ge=1)
    card_round_to: int = Field(default=CARD_ROUND_TO_FLOOR, ge=1)
    cube_k: int = Field(default=CUBE_K_FLOOR, ge=1)
    zeros_told: bool = False
    cube_dimensions: tuple[DimensionName, ...] = DIMENSIONS
    hold_head: bool = True
    max_local_steps: int = Field(default=500, ge=1, le=1000)
    min_local_steps: int = Field(default=LOCAL_STEPS_FLOOR, ge=1, le=1000)
    max_batch: int = Field(default=32, ge=1, le=64)
    min_scored_subjects: int = Field(default=SCORED_SUBJECTS_FLOOR, ge=1)
    max_memory_mb: int = Field(default=8192, ge=64, le=1 << 20)
    max_round_s: int = Field(default=7200, ge=1, le=86_400)
    training_window: TrainingWindow | None = None
    privacy_floor: PrivacyFloor | None = None
    approvals: ApprovalRule | None = None

    @model_validator(mode="after")
    def _not_below_the_floor(self) -> Self:
        floors = {
            "minimum_subjects": (self.minimum_subjects, MINIMUM_SUBJECTS_FLOOR),
            "card_k": (self.card_k, CARD_K_FLOOR),
            "card_round_to": (self.card_round_to, CARD_ROUND_TO_FLOOR),
            "cube_k": (self.cube_k, CUBE_K_FLOOR),
            "min_scored_subjects": (self.min_scored_subjects, SCORED_SUBJECTS_FLOOR),
            "min_local_steps": (self.min_local_steps, LOCAL_STEPS_FLOOR),
        }
        low = [
            f"{name} is {value}, expected at least {floor}" for name, (value, floor) in floors.items() if value < floor
        ]
        if self.zeros_told:
            low.append("zeros_told is true, expected false")
        if low and not self.demo:
            msg = f"{'; '.join(low)} (only a policy marked demo goes below)"
            raise ValueError(msg)
        if len(set(self.cube_dimensions)) < len(self.cube_dimensions):
            msg = "cube_dimensions names a dimension twice"
            raise ValueError(msg)
        return self

    @property
    def approval_rule(self) -> ApprovalRule:
        """The rule that holds: the one that is set, else the default."""
        return self.approvals or (OPERATOR_ALONE if self.demo else ApprovalRule())

    def cube(self) -> CubePolicy:
        """How the site's cube is protected."""
        public_k = max(self.cube_k, self.card_k)  # never more for everybody than for people who are signed in
        return CubePolicy(
            k=self.cube_k, public_k=public_k, round_to=self.card_round_to, zeros_told=self.zeros_told, demo=self.demo
        )

    def disclosure(self) -> DisclosurePolicy:
        """How counts on the site's card are protected."""
        return DisclosurePolicy(k=self.card_k, round_to=self.card_round_to, demo=self.demo)


DEMO_POLICY = SitePolicy(
    demo=True,
    minimum_subjects=3,
    card_k=3,
    cube_k=3,
    card_round_to=1,
    zeros_told=True,
    min_scored_subjects=1,
    min_local_steps=1,
)
"""What `init --demo-policy` writes: a dozen synthetic subjects are enough to show the whole house."""


class DatasetSettings(WireModel):
    """How the site names and describes its one data set on the card.

    Attributes:
        name: Short name in the catalog.
        title: What people read there; letters, digits and simple punctuation only.
        region: Body region that was imaged.
        duo: Data Use Ontology terms the site allows.
        diagnoses: ORPHA codes of the cohort; declared by the site, beside those that enough subjects have.
        phenotypes: HPO terms of the cohort; declared by the site, never derived from patients' records.
        protocols: Acquisition protocols that the site follows.
        follow_up: Usual time between two visits.
        contact: Mailbox of a role for questions; a person's own does not fit.
    """

    name: str = Field(default="neuromuscular-mri", pattern=r"^[a-z][a-z0-9-]{1,47}$")
    title: str = Field(default="Neuromuscular MRI", pattern=r"^[A-Za-z0-9 ,()/-]{3,80}$")
    region: Literal["thigh", "leg", "shoulder", "trunk", "whole-body"] = "thigh"
    duo: tuple[DuoTerm, ...] = ()
    diagnoses: tuple[OrphaCode, ...] = ()
    phenotypes: tuple[HpoTerm, ...] = ()
    protocols: tuple[ProtocolId, ...] = ()
    follow_up: FollowUp | None = None
    contact: RoleMailbox | None = None


class VaultSettings(WireModel):
    """Whether the site can find a patient again from a pseudonym (docs/key-custody.md); off unless switched on.

    Attributes:
        enabled: Record whom each pseudonym stands for, at every de-identification of this site.
        folder: The vault's folder, for the vault alone; below the site's folder, or an absolute path.
        key_file: 32 random bytes, 0600, outside that folder and not the site's own key.
    """

    enabled: bool = False
    folder: FilePath | None = None
    key_file: FilePath | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.enabled and not (self.folder and self.key_file):
            msg = "a vault that is enabled needs folder and key_file"
            raise ValueError(msg)
        return self


class SiteConfig(WireModel):
    """Everything `config.yaml` says; read once, in the command, and passed down.

    Attributes:
        format: Of this file.
        site: The site's name in the consortium.
        dataset: How the card describes the data.
        policy: What the hospital allows.
        intake: The DICOM port, and under which legal basis what comes through it is used.
        vault: Whether a pseudonym can be led back to its patient.
        pseudonyms: A trusted third party's list (CSV, 0600); None makes pseudonyms with the site's key.
        deidentification_policy: What may stay in a header (docs/deidentification.md); None is the package's default.
        conversion_overrides: What headers cannot say of the site's series (docs/conversion.md); None says nothing.
        outbound_proxy: HTTP proxy for everything that leaves; None connects directly.
        capture_egress: Keep the bodies that passed the egress (tests); needs a demo policy.
        worker_threads: CPU threads of the training process.
        web_port: Port of the status page on 127.0.0.1; 0 takes a free one.
        heartbeat_s: Seconds between two signs of life to the coordinator.
        publish_at: `HH:MM` on the site's own clock at which a published card and cube are built anew; None: never.
        log_format: Of every process's log.
    """

    format: Literal["myofed-site-1"] = "myofed-site-1"
    site: SiteId
    dataset: DatasetSettings = DatasetSettings()
    policy: SitePolicy = SitePolicy()
    intake: IntakeSettings = IntakeSettings()
    vault: VaultSettings = VaultSettings()
    pseudonyms: FilePath | None = None
    deidentification_policy: FilePath | None = None
    conversion_overrides: FilePath | None = None
    outbound_proxy: ProxyUrl | None = None
    capture_egress: bool = False
    worker_threads: int = Field(default=1, ge=1, le=256)
    web_port: int = Field(default=0, ge=0, le=65_535)
    heartbeat_s: int = Field(default=15, ge=1, le=3600)
    publish_at: TimeOfDay | None = "02:30"
    log_format: Style = "json"

    @model_validator(mode="after")
    def _capture_is_for_tests(self) -> Self:
        if self.capture_egress and not self.policy.demo:
            msg = "capture_egress keeps copies of what leaves; only a policy marked demo may"
            raise ValueError(msg)
        return self


def load_config(path: Path) -> SiteConfig:
    """The settings in this file, all of them checked.

    Args:
        path: `config.yaml` of a site folder.

    Raises:
        MyofedError: SITE_CONFIG_MISSING or SITE_CONFIG_INVALID, naming the keys at fault and no value.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MyofedError(
            "SITE_CONFIG_MISSING",
            "expected a site folder with a config.yaml, found none",
            hint="name the folder with --site DIR or MYOFED_SITE, or make one: myofed-node init DIR",
            exit_code=ExitCode.SITE_FOLDER,
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise _invalid("a file that is not YAML") from None
    try:
        return SiteConfig.model_validate(document)
    except ValidationError as error:
        raise _invalid("; ".join(_where(item["loc"], item["msg"]) for item in error.errors())) from None


def _where(location: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(str(part) for part in location) or 'the file'}: {message}"


def _invalid(found: str) -> MyofedError:
    return MyofedError(
        "SITE_CONFIG_INVALID",
        f"expected the settings of a site in config.yaml, found {found}",
        hint="each key is documented in the file that init writes",
        exit_code=ExitCode.SITE_FOLDER,
    )


def write_config(path: Path, config: SiteConfig) -> None:
    """`path` holds these settings, each under the comment that documents it.

    Raises:
        OSError: The folder is missing or the disk is full.
    """
    write_atomically(path, render_config(config).encode())


def render_config(config: SiteConfig) -> str:
    """The YAML text of these settings with a comment above every key."""
    lines = ["# Settings of one myofed site. `myofed-node doctor` checks this file; nothing in it is secret."]
    document = config.model_dump(mode="json")
    for key, value in document.items():
        lines += ["", f"# {COMMENTS[key]}"]
        if isinstance(value, dict):
            lines.append(f"{key}:")
            for inner, item in value.items():
                lines += [f"  # {COMMENTS[f'{key}.{inner}']}", f"  {inner}: {_scalar(item)}"]
        else:
            lines.append(f"{key}: {_scalar(value)}")
    return "\n".join(lines) + "\n"


def _scalar(value: object) -> str:
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("...\n").strip()


COMMENTS = {
    "format": "Format of this file; leave it.",
    "site": "Name of this site in the consortium; the invite must carry the same.",
    "dataset": "How the dataset card describes this site's data.",
    "dataset.name": "Short name in the catalog: lower-case letters, digits, hyphens.",
    "dataset.title": "Title in the catalog; no names of people.",
    "dataset.region": "thigh, leg, shoulder, trunk or whole-body.",
    "dataset.duo": "Data Use Ontology terms that apply, e.g. [DUO:0000042].",
    "dataset.diagnoses": "ORPHA codes of the cohort as a whole, e.g. [ORPHA:98473].",
    "dataset.phenotypes": "HPO terms of the cohort as a whole, e.g. [HP:0003307].",
    "dataset.protocols": "Acquisition protocols this site follows, e.g. [fat-fraction-6-echo].",
    "dataset.follow_up": "none, below-6-months, 6-12-months, 1-2-years, 2-5-years, above-5-years; null: not told.",
    "dataset.contact": "Mailbox of a role, e.g. mri-research@clinic.example; null: none.",
    "policy": "What this hospital allows; the coordinator can lower none of it.",
    "policy.demo": "true ONLY for synthetic patients: allows values below the floors and marks everything it touches.",
    "policy.minimum_subjects": "A study may not train here with fewer labelled subjects (floor 10).",
    "policy.card_k": "Counts below this are told only to people who are signed in (floor 10).",
    "policy.cube_k": "Counts below this never leave the hospital (floor 5).",
    "policy.zeros_told": "true tells empty cells apart from those below cube_k; only with policy.demo (docs/disclosure.md).",
    "policy.cube_dimensions": "What subjects are counted by; [] publishes the card alone.",
    "policy.card_round_to": "Counts that leave are rounded to a multiple of this (floor 5).",
    "policy.hold_head": "Head MR waits for a person before it enters the data set (a face can be rebuilt from it).",
    "policy.max_local_steps": "A study may not ask for more optimiser steps in a round.",
    "policy.min_local_steps": "Nor for fewer that this site would do in a round (floor 10; docs/privacy.md).",
    "policy.max_batch": "A study may not ask for a larger batch.",
    "policy.min_scored_subjects": "Dice leaves only as a sum over at least so many subjects (floor 5).",
    "policy.max_memory_mb": "A study may not ask for a training step that takes about more memory (MiB).",
    "policy.max_round_s": "A task that takes longer (seconds) is abandoned, whatever the study says.",
    "policy.training_window": 'Hours in which tasks may begin, on this machine\'s clock, e.g. "20:00-06:00"; null: any.',
    "policy.privacy_floor": "Least clipping and noise of a study, e.g. {level: update, max_clip_norm: 1, "
    "min_noise_multiplier: 4, max_epsilon: 8}; null asks for none (docs/privacy.md).",
    "policy.approvals": "Whose signatures an approval needs, e.g. {required_roles: [principal-investigator, "
    "data-protection-officer], distinct_people: true}; null: these two, or the operator alone under demo (docs/approvals.md).",
    "intake": "The DICOM port for scanners and archives, and what becomes of what they send (docs/intake.md).",
    "intake.port": "TCP port, e.g. 11112; null opens none.",
    "intake.address": "Address of this machine on which it listens; never one that the Internet reaches.",
    "intake.ae_title": "What senders must call this node.",
    "intake.peers": "Who may send, e.g. [{ae_title: MR1, networks: [10.1.2.0/24]}]; nobody else is listened to.",
    "intake.processes": "Processes that take in side by side.",
    "intake.max_associations": "Senders at a time, of each process.",
    "intake.max_instance_mb": "A larger instance is refused (MiB).",
    "intake.reserve_gb": "Nothing is taken while the disk has less free (GiB).",
    "intake.tls": "DICOM over TLS, e.g. {certificate: dicom.pem, key: dicom.key, client_ca: scanners-ca.pem}; null speaks in the clear.",
    "intake.quiet_s": "A study is complete when so many seconds nothing of it came.",
    "intake.legal_basis": "consent, broad-consent, public-interest-research, legal-obligation or synthetic: set by the data "
    "protection officer; null holds every study.",
    "vault": "Whether a pseudonym can be led back to its patient, for incidental findings; off by default.",
    "vault.enabled": "true records whom each pseudonym stands for, encrypted; every look-up needs a reason and is on record.",
    "vault.folder": "Folder for the vault alone, e.g. vault (below the site's folder) or an absolute path.",
    "vault.key_file": "File of 32 random bytes, 0600, OUTSIDE that folder, best on another medium.",
    "deidentification_policy": "The site's own de-identification policy (YAML); null uses the one that ships with myofed.",
    "conversion_overrides": "What headers cannot say of this site's series (YAML, docs/conversion.md); null says nothing.",
    "pseudonyms": "A trusted third party's list of pseudonyms (CSV, 0600); null makes them with the site's key.",
    "outbound_proxy": "HTTP proxy for everything that leaves, e.g. http://proxy.example:3128; null connects directly.",
    "capture_egress": "true keeps a copy of every body that leaves, to search it in tests; needs policy.demo.",
    "worker_threads": "CPU threads of the training process.",
    "web_port": "Port of the status page on 127.0.0.1; 0 takes a free one at each start.",
    "heartbeat_s": "Seconds between two signs of life to the coordinator.",
    "publish_at": "When a published card and cube are built anew each day, on this machine's clock; null: never.",
    "log_format": "json or text: lines of the logs in run/logs.",
}
"""One sentence for every key, written into the file."""
