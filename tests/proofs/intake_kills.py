"""The DICOM port killed while eight senders send: every instance arrives, each exactly once."""

from __future__ import annotations

import random
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from proofs.intake_port import port_of
from proofs.intake_senders import SENDERS, generate, send_until_taken

WHICH = ((1,), (2,), (1, 2))
"""One process of the port, the other, or both."""


def killed_intakes(
    instances: int = 2000, kills: int = 20, seed: int = 1, *, longest_s: float = 1.5
) -> tuple[list[dict[str, Any]], list[str]]:
    """What so many kills did, and what must not have happened.

    Args:
        instances: Over eight associations; each sender sends its folder again until all of it was acknowledged.
        kills: SIGKILL at random moments of the transfer.
        seed: Of the moments.
        longest_s: Between two kills.
    """
    rng, failed, began = random.Random(seed), list[str](), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="myofed-intake-kills-") as folder:
        uids = generate(Path(folder, "out"), instances)
        with port_of(Path(folder, "site")) as port:
            sendings: list[int] = []
            sender = threading.Thread(target=lambda: sendings.append(send_until_taken(Path(folder, "out"), port.number)))
            sender.start()
            restarts = []
            for _ in range(kills):
                time.sleep(rng.uniform(0.1, longest_s))
                restarts.append(port.kill(rng.choice(WHICH)))
            during = sender.is_alive()
            sender.join()
            found, half = port.received(), port.half()
    lost, doubled = uids - found.keys(), {uid for uid, count in found.items() if count > 1}
    if not sendings:
        failed.append("the senders gave up")
    elif sendings[0] == SENDERS:
        failed.append("no sending was disturbed")
    failed += [f"{len(what)} instances {word}" for what, word in ((lost, "lost"), (doubled, "doubled")) if what]
    failed += [f"{half} half files"] if half else []
    failed += [] if during else ["the senders were done before the last kill"]
    tried = {
        "instances": instances,
        "kills": kills,
        "sent_until_after_the_last_kill": during,
        "sendings": sum(sendings),
        "received": len(found),
        "slowest_restart_s": round(max(restarts), 2),
        "seconds": round(time.monotonic() - began, 1),
    }
    return [tried], failed
