"""The lines of many patients, of which each may have tens of thousands: the largest are kept, and all are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmlego.explaining.naming import Line

if TYPE_CHECKING:
    import pandas as pd


class Listing:
    """Lines of patients, one patient after the other.

    Parameters
    ----------
    top
        How many of each patient are kept, those of the largest attributions; None: all.

    Examples
    --------
    >>> lines = [{"feature": name, "value": 1, "attribution": size} for name, size in (("a", 0.5), ("b", -2), ("c", 1))]
    >>> listing = Listing(1)
    >>> listing.add("p1", lines)
    >>> listing.table()[["feature", "attribution"]].values.tolist(), listing.sizes()["mean_size"].tolist()
    ([['b', -2.0], ['(2 others)', 1.5]], [2.0, 1.0, 0.5])
    """

    def __init__(self, top: int | None) -> None:
        self.top = top
        self.cut = False  # whether a patient has lines that are not kept
        self.most = 0  # lines of the patient who has most
        self.patches: dict[str, pd.DataFrame] = {}
        self._columns: dict[str, list[Any]] = {"patient": []}
        self._totals: dict[str, list[float]] = {}  # by feature the sum of sizes, the sum, and how many patients
        self._patients = 0

    def add(self, patient: str, lines: list[Line]) -> None:
        """Take all lines of a patient.

        Parameters
        ----------
        patient
            Who.
        lines
            Of :func:`mmlego.explaining.naming.lines_of`.
        """
        import pandas as pd

        self._patients += 1
        self.most = max(self.most, len(lines))
        mine: dict[str, float] = {}  # the cells of a variable are summed
        for line in lines:
            mine[line["feature"]] = mine.get(line["feature"], 0.0) + line["attribution"]
        for feature, share in mine.items():
            total = self._totals.setdefault(feature, [0.0, 0.0, 0.0])
            total[0] += abs(share)
            total[1] += share
            total[2] += 1
        if self.top is not None and len(lines) > self.top + 1:
            self.cut = True
            places = [line for line in lines if "x" in line and "slide" in line]
            if places:
                self.patches[patient] = pd.DataFrame(places).drop(columns="value").assign(patient=patient)
            lines = self._largest(lines, self.top)
        count = len(self._columns["patient"])
        self._columns["patient"] += [patient] * len(lines)
        for name in dict.fromkeys(name for line in lines for name in line):
            column = self._columns.setdefault(name, [])
            column += [None] * (count - len(column))  # patients before lack it
            column += [line.get(name) for line in lines]

    def _largest(self, lines: list[Line], top: int) -> list[Line]:
        order = sorted(range(len(lines)), key=lambda i: -abs(lines[i]["attribution"]))
        others = sum(lines[i]["attribution"] for i in order[top:])
        last: Line = {"feature": f"({len(lines) - top} others)", "value": None, "attribution": others}
        return [*(lines[i] for i in order[:top]), last]

    def table(self) -> pd.DataFrame:
        """Return the lines that are kept, ``patient`` first."""
        import pandas as pd

        count = len(self._columns["patient"])
        return pd.DataFrame({name: column + [None] * (count - len(column)) for name, column in self._columns.items()})

    def sizes(self) -> pd.DataFrame:
        """Return by feature ``mean_size`` and ``mean`` over all patients, and of how many ``patients`` it is."""
        import pandas as pd

        made = pd.DataFrame.from_dict(self._totals, orient="index", columns=["mean_size", "mean", "patients"])
        made.index.name = "feature"
        made[["mean_size", "mean"]] /= max(self._patients, 1)
        made["patients"] = made["patients"].astype(int)
        return made.sort_values("mean_size", ascending=False, kind="stable")
