"""What a site decides about de-identification: one validated YAML file, whose digest stands in every report."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from myofed_anonymization.profile import IOD_OF_SOP_CLASS
from myofed_schemas.canonical import digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import Sha256

CANARIES = ("", "zzqxnamezz", "wagner", "12345678", "zz123456", "1961", "19610214")
"""What no form of the policy may match: words, and numbers of identifiers and dates."""
Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._]{1,40}$")]


class Policy(BaseModel):
    """The settings of one run; policies/default.yaml explains each line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{2,39}$")
    retain_modified_dates: bool
    retain_patient_characteristics: bool
    age_cap_years: int = Field(ge=18, le=90)
    retain_safe_private: bool
    clean_descriptors: bool
    retain_device_identity: bool
    retain_uids: bool
    sop_classes: tuple[str, ...] = Field(min_length=1)
    burned_in_search: Literal["rules", "suspicious", "thorough", "all"]
    max_file_bytes: int = Field(ge=1)
    max_inflated_bytes: int = Field(ge=1)
    max_element_bytes: int = Field(ge=1)
    max_elements: int = Field(ge=1)
    max_pixels: int = Field(ge=1)
    max_depth: int = Field(ge=1, le=64)
    max_seconds: int = Field(ge=1)
    max_memory_bytes: int = Field(ge=1 << 29)
    refused_image_types: tuple[Word, ...]
    vocabulary: dict[str, tuple[Word, ...]]
    word_forms: tuple[str, ...]
    software_forms: tuple[str, ...]
    values: tuple[str, ...]
    value_forms: tuple[str, ...]
    coding_schemes: tuple[str, ...]

    @field_validator("word_forms", "software_forms", "value_forms")
    @classmethod
    def _forms_are_narrow(cls, forms: tuple[str, ...]) -> tuple[str, ...]:
        """Each is a regular expression by itself, and none lets through what any name or number would pass by."""
        for form in forms:
            try:
                pattern = re.compile(form)
            except re.error as error:
                msg = "a form is no regular expression"
                raise ValueError(msg) from error
            if any(pattern.fullmatch(canary) for canary in CANARIES):
                msg = "a form lets names or identifiers through"
                raise ValueError(msg)
        return forms

    @field_validator("sop_classes")
    @classmethod
    def _classes_are_known(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if not set(classes) <= set(IOD_OF_SOP_CLASS):
            msg = "a storage class that is not supported"
            raise ValueError(msg)
        return classes

    def words(self) -> frozenset[str]:
        """Every word of the vocabulary, in lower case."""
        return frozenset(word for words in self.vocabulary.values() for word in words)

    def digest(self) -> Sha256:
        """SHA-256 of the policy's canonical JSON."""
        return digest(self)


def load_policy(path: Path) -> Policy:
    """The policy in this YAML file.

    Raises:
        MyofedError: POLICY_INVALID, the file is no YAML mapping or a line is not allowed; names the lines, not values.
    """
    try:
        return _parse(path.read_text(encoding="utf-8"), where=path.name)
    except UnicodeDecodeError as error:
        raise _invalid("the file is not UTF-8", path.name) from error


@lru_cache(maxsize=1)
def default_policy() -> Policy:
    """The policy that ships with the package."""
    text = resources.files("myofed_anonymization").joinpath("policies/default.yaml").read_text(encoding="utf-8")
    return _parse(text, where="default.yaml")


def _parse(text: str, *, where: str) -> Policy:
    try:
        return Policy.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise _invalid("the file is not YAML", where) from error
    except ValidationError as error:
        lines = sorted({".".join(map(str, problem["loc"])) or "top level" for problem in error.errors()})
        raise _invalid(f"not allowed: {', '.join(lines)}", where) from error


def _invalid(what: str, where: str) -> MyofedError:
    return MyofedError(
        "POLICY_INVALID",
        f"expected a de-identification policy in {where}, found: {what}",
        hint="compare with policies/default.yaml of the package",
        exit_code=ExitCode.USAGE,
    )
