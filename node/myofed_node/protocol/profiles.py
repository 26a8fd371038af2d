"""The profiles at hand: those that ship with the schemas, and a site's own, which go first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import Any, NoReturn

import yaml
from pydantic import ValidationError

from myofed_node.protocol.acquisition import Acquisition, Unknown
from myofed_schemas.canonical import digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.protocol import Origin, Profile, ProfileUsed

SITE_PROFILES = "protocols"
"""Folder in the site's folder; every .yaml and .yml file there is a profile."""
MOST_FAULTS = 5
"""Faults of one file that a message names."""


@dataclass(frozen=True)
class KnownProfile:
    """A profile and where it came from."""

    profile: Profile
    origin: Origin

    @property
    def used(self) -> ProfileUsed:
        """Its line in a report."""
        return ProfileUsed(name=self.profile.name, origin=self.origin, digest=digest(self.profile))


@dataclass(frozen=True)
class Profiles:
    """All profiles of one call; within one origin no two claim the same acquisition."""

    known: tuple[KnownProfile, ...]

    @property
    def used(self) -> tuple[ProfileUsed, ...]:
        """Lines of a report, in order of name."""
        return tuple(sorted((one.used for one in self.known), key=lambda used: used.name))

    def named(self, name: str) -> Profile:
        """The profile of this name.

        Raises:
            MyofedError: PROTOCOL_UNKNOWN.
        """
        for one in self.known:
            if one.profile.name == name:
                return one.profile
        names = ", ".join(used.name for used in self.used)
        raise MyofedError(
            "PROTOCOL_UNKNOWN",
            f"expected the name of a profile, found another; there are: {names}",
            hint="myofed-node protocol list shows them; --profiles DIR adds your own",
            exit_code=ExitCode.USAGE,
        )

    def choose(self, acquisition: Acquisition) -> Profile | Unknown | None:
        """The profile for this acquisition, a site's before a shipped one; None where there is none.

        Returns:
            Unknown where the number of echoes decides and cannot be told.
        """
        for origin in ("site", "shipped"):
            for one in self.known:
                fits = _fits(one.profile, acquisition) if one.origin == origin else False
                if fits:
                    return fits if isinstance(fits, Unknown) else one.profile
        return None


def _fits(profile: Profile, acquisition: Acquisition) -> bool | Unknown:
    applies = profile.applies
    if not set(applies.suffixes) & set(acquisition.suffixes):
        return False
    if applies.inverted is not None and applies.inverted != acquisition.inverted:
        return False
    if applies.echoes is None:
        return True
    count = acquisition.echo_count
    if isinstance(count, Unknown):
        return Unknown("the number of echoes, which decides what is asked of it, is told by neither sidecar nor header")
    return applies.echoes.low <= count and (applies.echoes.high is None or count <= applies.echoes.high)


def load_profiles(*folders: Path) -> Profiles:
    """The shipped profiles and those of the folders; a site's replaces the shipped one of its name.

    Args:
        folders: With at least one .yaml or .yml file each.

    Raises:
        MyofedError: PROTOCOL_FOLDER_EMPTY, PROTOCOL_INVALID, PROTOCOL_NAME_TWICE, PROTOCOL_OVERLAP.
    """
    own = [_load(path) for folder in folders for path in _yaml_files(folder)]
    _refuse_doubles(own)
    names = {profile.name for profile in own}
    kept = [profile for profile in shipped_profiles() if profile.name not in names]
    return Profiles((*(KnownProfile(p, "site") for p in own), *(KnownProfile(p, "shipped") for p in kept)))


def site_profile_folders(site: Path) -> tuple[Path, ...]:
    """The folder of the site's own profiles, if it is there and holds one."""
    folder = site / SITE_PROFILES
    return (folder,) if folder.is_dir() and any(_listed(folder)) else ()


@lru_cache(maxsize=1)
def shipped_profiles() -> tuple[Profile, ...]:
    """The profiles that ship with the schemas, sorted by name."""
    folder = files("myofed_schemas").joinpath("protocols")
    texts = (
        (entry.name, entry.read_text(encoding="utf-8")) for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )
    profiles = sorted((parse_profile(text, where=name) for name, text in texts), key=lambda profile: profile.name)
    _refuse_doubles(profiles)
    return tuple(profiles)


def _listed(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"} and not path.name.startswith("."))


def _yaml_files(folder: Path) -> Sequence[Path]:
    found = sorted(_listed(folder)) if folder.is_dir() else []
    if not found:
        raise MyofedError(
            "PROTOCOL_FOLDER_EMPTY",
            "expected a folder with profiles (*.yaml), found none",
            hint="check the path; docs/protocols.md shows how to write one",
            exit_code=ExitCode.USAGE,
        )
    return found


def _load(path: Path) -> Profile:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        _invalid(path.name, ["the file is not UTF-8"])
    return parse_profile(text, where=path.name)


def parse_profile(text: str, *, where: str) -> Profile:
    """The profile in this YAML text.

    Args:
        text: One mapping; no key stands twice.
        where: Name of the file, for messages.

    Raises:
        MyofedError: PROTOCOL_INVALID, with place and reason of the first faults.
    """
    try:
        document = json.dumps(yaml.load(text, Loader=_OneKeyLoader), allow_nan=False)  # noqa: S506  a SafeLoader
        return Profile.model_validate_json(document)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        _invalid(where, [f"{line}{error.problem}"])
    except ValidationError as error:
        _invalid(where, [f"{_place(fault['loc'])}: {fault['msg']}" for fault in error.errors(include_url=False)])
    except (yaml.YAMLError, TypeError, ValueError, RecursionError):
        _invalid(where, ["not YAML of text, numbers and lists only"])


class _OneKeyLoader(yaml.SafeLoader):
    """Refuses a key that stands twice: the first one's limit would silently not hold."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  as its base
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        twice = [str(key) for key, count in Counter(map(str, keys)).items() if count > 1]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]} stands twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def _place(location: Iterable[int | str]) -> str:
    return ".".join(str(part) for part in location) or "the profile"


def _invalid(where: str, faults: list[str]) -> NoReturn:
    more = f"; and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
    raise MyofedError(
        "PROTOCOL_INVALID",
        f"expected a profile of format myofed-protocol-1 in {where}, found: {'; '.join(faults[:MOST_FAULTS])}{more}",
        hint="docs/protocols.md shows every key; a copy of a shipped profile is a good start",
        exit_code=ExitCode.USAGE,
    )


def _refuse_doubles(profiles: Sequence[Profile]) -> None:
    twice = [name for name, count in Counter(profile.name for profile in profiles).items() if count > 1]
    if twice:
        raise MyofedError(
            "PROTOCOL_NAME_TWICE",
            f"expected one profile a name, found several named {twice[0]}",
            hint="rename one of them, or remove it",
            exit_code=ExitCode.USAGE,
        )
    for one, other in combinations(profiles, 2):
        if one.applies.meets(other.applies):
            raise MyofedError(
                "PROTOCOL_OVERLAP",
                f"expected that one profile applies to an acquisition, found that {one.name} and {other.name} both may",
                hint="narrow their suffixes, echoes or inverted under `applies`",
                exit_code=ExitCode.USAGE,
            )
