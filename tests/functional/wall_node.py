"""`myofed-node up` with the worker without torch in place of the real one: `python wall_node.py DIR`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from myofed_node import up
from myofed_node.config import SiteConfig, load_config
from myofed_node.site_folder import SiteFolder
from myofed_schemas.supervise import ChildSpec

real_children = up.children


def children(folder: SiteFolder, config: SiteConfig, ports: up.Ports) -> list[list[ChildSpec]]:
    (worker,), *others = real_children(folder, config, ports)
    fake = str(Path(__file__).parent / "wall_fake_worker.py")
    return [[dataclasses.replace(worker, argv=[sys.executable, fake, str(folder.worker_socket)])], *others]


if __name__ == "__main__":
    up.children = children
    folder = SiteFolder(Path(sys.argv[1]))
    sys.exit(up.run(folder, load_config(folder.config)))
