"""Patch features in memory, as one slide of a bag; and tables whose cells hold them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.bag.files import Floats, Numbers, blank_rows
from mmlego.data.reading.joins import by_patient, refuse_taken
from mmlego.data.reading.remarks import Dropped
from mmlego.errors import InputError
from mmlego.wording import listed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class BagArray:
    """Features of one slide in memory, with the interface of a file of them.

    Parameters
    ----------
    values
        ``(n, f)``, float32, finite.

    Examples
    --------
    >>> bag = BagArray.of(np.ones((5, 3)), "patient p1")
    >>> bag.tokens, bag.width, BagArray.of(np.ones(3), "patient p1").tokens
    (5, 3, 1)
    """

    values: Floats

    @classmethod
    def of(cls, values: object, where: str) -> BagArray:
        """Return it of an array ``(n, f)``, or of one vector ``(f,)``, which is a bag of one.

        Parameters
        ----------
        values
            An array or a tensor.
        where
            Whose it is, for messages.

        Raises
        ------
        InputError
            If it is of another shape, empty, or not finite.
        """
        detached = values.detach().cpu().double().numpy() if hasattr(values, "detach") else values
        array = np.asarray(detached)
        array = array[None] if array.ndim == 1 else array
        if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "biuf":
            raise InputError(
                f"{where}: no bag", expected="features (n, f), at least one row", got=f"{array.dtype} {array.shape}"
            )
        with np.errstate(over="ignore"):
            single = np.array(array, dtype=np.float32)
        if not np.isfinite(single).all():
            raise InputError(f"{where}: the bag holds NaN or infinite features", expected="finite numbers")
        single.flags.writeable = False
        return cls(single)

    def without_blank(self, where: str) -> BagArray:
        """Return it without the patches whose features are of one value throughout.

        Parameters
        ----------
        where
            Whose it is, for messages.

        Raises
        ------
        InputError
            If no patch is left.
        """
        kept = self.values[~blank_rows(self.values)]
        if not len(kept):
            raise InputError(f"{where}: an empty bag", expected="a patch that counts", got="all blank")
        return BagArray(kept)

    @property
    def made(self) -> tuple[tuple[str, str], ...]:
        """Nothing: an array does not say how it was made."""
        return ()

    @property
    def tokens(self) -> int:
        """How many patches there are."""
        return len(self.values)

    @property
    def width(self) -> int:
        """How many features each has."""
        return int(self.values.shape[1])

    def read_into(self, out: Floats, rows: Numbers | None = None) -> None:
        """Write features of some patches, or of all, into an array ``(n, f)``."""
        out[...] = self.values if rows is None else self.values[rows]

    def coords(self) -> NDArray[np.float64] | None:
        """Return None: an array does not say where patches lie."""
        return None

    def fingerprint(self) -> bytes:
        """Return a hash of all that is in it."""
        shape = f"{self.values.shape} ".encode()
        return hashlib.sha256(shape + np.ascontiguousarray(self.values).tobytes()).digest()


def choose_bags(
    frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str], rule: str
) -> tuple[dict[str, list[BagArray]], list[Dropped]]:
    """Return the arrays in the one column of a table, by patient.

    Parameters
    ----------
    frame
        A table whose cells are arrays ``(n, f)``, or None.
    key
        The column of patient ids; None if the index holds them.
    modality
        Its name, for messages.
    taken
        Columns of the outcome.
    rule
        What to do where a patient has several: ``error``, ``first`` or ``concat``.

    Raises
    ------
    InputError
        If there are several columns, a cell is no bag, or a patient has several under ``error``.
    """
    frame, notes = by_patient(frame, key, modality)
    if frame.shape[1] != 1:
        got = listed(map(str, frame.columns)) or "none"
        raise InputError(f"{modality}: a table of bags", expected="one column of arrays", got=got)
    refuse_taken([str(frame.columns[0])], taken, modality)
    found: dict[str, list[BagArray]] = {}
    for patient, cell in zip(frame.index, frame.iloc[:, 0], strict=True):
        if cell is not None and not (isinstance(cell, float) and np.isnan(cell)):
            found.setdefault(str(patient), []).append(BagArray.of(cell, f"{modality}: patient {patient}"))
    several = [patient for patient, bags in found.items() if len(bags) > 1]
    if several and rule == "error":
        raise InputError(
            f"{modality}: patients with several bags ({listed(several)})",
            expected="one a patient",
            remedy="Declare what to do, as rows: first or rows: concat (one bag of all).",
        )
    return {patient: bags[:1] if rule == "first" else bags for patient, bags in found.items()}, notes
