"""One cell after another, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmlego.cells.cell import Cell
from mmlego.cells.work import Ended, Work


class Serial:
    """Runs cells in this process, one after another."""

    how = "one after another"

    def run(self, work: Work, cells: Sequence[Cell]) -> Iterator[Ended]:
        """Yield how each cell ended, in order.

        Parameters
        ----------
        work, cells
            What is done, and with what.
        """
        for cell in cells:
            yield work(cell)
