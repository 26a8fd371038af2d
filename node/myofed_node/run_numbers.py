"""Run numbers of series that come into a data set which holds others already: parts of one acquisition stay together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from pathlib import Path, PurePosixPath

from myofed_node.store import SiteStore
from myofed_schemas.mids import ImageName, Part


def name_of(path: str) -> ImageName:
    """The entities of an image or sidecar, from its path.

    Raises:
        MyofedError: MIDS_NAME.
    """
    return ImageName.parse(PurePosixPath(path).name.removesuffix(".gz").removesuffix(".nii").removesuffix(".json"))


class RunNumbers:
    """Names in the site's data set for the images of one staged data set.

    Images that share a run in the staged data set (magnitude and phase of one acquisition) share one here as well.
    """

    def __init__(self, dataset: Path, store: SiteStore, *, images: Iterable[tuple[str, str]]) -> None:
        self._dataset = dataset
        self._store = store
        self._members: dict[ImageName, list[tuple[str, str]]] = {}
        for uid, path in images:
            self._members.setdefault(_acquisition(path), []).append((uid, path))
        self._runs: dict[ImageName, int] = {}

    def name(self, path: str) -> ImageName:
        """The image's name in the data set: that of an earlier call's plan, else a free one.

        Args:
            path: The image's in the staged data set.
        """
        key = _acquisition(path)
        if key not in self._runs:
            self._runs[key] = self._planned(key) or self._free(key)
        return replace(name_of(path), run=self._runs[key])

    def _planned(self, key: ImageName) -> int | None:
        """The run that a killed call gave to one of the acquisition's images."""
        for uid, path in self._members[key]:
            for row in self._store.files(uid):
                if row.staged == path:
                    return name_of(row.path).run
        return None

    def _free(self, key: ImageName) -> int:
        """The lowest run that holds nothing of any part: a lone phase never stands beside a foreign magnitude."""
        asked = (None, *Part)
        return next(run for run in count(1) if not any(self._taken(replace(key, run=run, part=p)) for p in asked))

    def _taken(self, name: ImageName) -> bool:
        return self._store.file(str(name.image)) is not None or (self._dataset / name.image).exists()


def _acquisition(path: str) -> ImageName:
    return replace(name_of(path), part=None)
