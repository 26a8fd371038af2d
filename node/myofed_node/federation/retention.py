"""What a run leaves in its study's folder, and when it goes: weights that came, tensors that stayed, answers that were kept.

What outlives every run is the log of rounds, by which no round is replayed, and the privacy ledger: nothing here touches them.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from myofed_node.federation.privacy_ledger import PrivacyLedger
from myofed_node.federation.round_log import RoundLog
from myofed_node.federation.study_files import StudyFiles
from myofed_node.site_folder import SiteFolder
from myofed_schemas.errors import MyofedError

MARGIN = timedelta(days=1)
"""A message that came just in time is never worked on beside the deletion of what it needs."""


def forget_over(study_folder: Path, log: RoundLog, *, now: datetime) -> set[str]:
    """Nothing of runs that are over lies in the study's folder, but their lines in the log of rounds and in the privacy ledger.

    Args:
        study_folder: `studies/ID`.
        log: Of the same study: a run it calls over is refused from then on.
        now: UTC.

    Returns:
        The runs that are over.

    Raises:
        MyofedError: PRIVACY_LEDGER_BROKEN, after everything but the kept answers is gone.
        OSError: Something cannot be deleted.
    """
    over = log.over(now=now - MARGIN)
    for run_id in over:
        shutil.rmtree(study_folder / "local-tensors" / run_id, ignore_errors=True)
        for folder in ("seen", "carried"):
            for path in (study_folder / folder).glob(f"{run_id}-*.safetensors"):
                path.unlink(missing_ok=True)
    if over:
        PrivacyLedger(study_folder).forget_answers(over)
    return over


def forget_everywhere(folder: SiteFolder, *, now: datetime) -> None:
    """The same for every study of the site.

    Raises:
        MyofedError: Of the first study that is broken, after all were seen.
    """
    broken = list[MyofedError]()
    files = StudyFiles(folder)
    for study_id in files.study_ids():
        try:
            forget_over(folder.study(study_id), RoundLog(files.rounds_path(study_id)), now=now)
        except MyofedError as error:
            broken.append(error)
    if broken:
        raise broken[0]
