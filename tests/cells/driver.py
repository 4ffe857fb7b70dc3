"""A driver of its own process: cells that wait until a file says go, on so many workers, here or on two raylets."""

from __future__ import annotations

import sys
from pathlib import Path

from mmlego.cells import Workers, run_cells
from tests.cells import jobs


def main(mode: str, place: Path) -> None:
    """Run cells in ``place/cells``: 0 is done at once, three others wait for ``place/go``."""
    cells = [jobs.cell(number, place) for number in range(4)]
    if mode != "cluster":
        run_cells(cells, jobs.wait_for_go, place / "cells", workers=Workers(int(mode)))
        return
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    run_cells(cells[:2], jobs.meet, place / "cells", workers=Workers(None, cluster.address))
    cluster.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
