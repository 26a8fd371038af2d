"""Who changes a study: the pipeline that ingests it, or a person who decides about it; never both at a time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from myofed_node.site_folder import SiteFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.service_loop import only_one


@contextmanager
def study_lock(folder: SiteFolder) -> Generator[None]:
    """Nobody else is inside this block at this site; the kernel frees it when the process dies.

    Raises:
        MyofedError: INTAKE_BUSY.
    """
    refusal = MyofedError(
        "INTAKE_BUSY",
        "expected nobody to work on the studies that came, found the pipeline ingesting one",
        hint="try again in a minute",
        exit_code=ExitCode.SITE_FOLDER,
    )
    with only_one(folder.intake / ".studies.lock", refusal=refusal):
        yield
