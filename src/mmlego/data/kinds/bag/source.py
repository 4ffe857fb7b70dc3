"""Kind ``bag``, its source: patch features of slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from mmlego.data.kinds.bag.arrays import BagArray, choose_bags
from mmlego.data.kinds.bag.bag import COLUMN, SAMPLE, Bag
from mmlego.data.kinds.bag.files import BagFile
from mmlego.data.kinds.bag.preprocess import BagPreprocessor
from mmlego.data.kinds.file_sources import FileSource, files_of
from mmlego.data.kinds.folder import Folder
from mmlego.data.reading.remarks import Doubtful, Dropped
from mmlego.errors import InputError
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd


class BagSource(FileSource):
    """A modality of kind ``bag``: features of patches or of whole slides, a file a slide.

    Files are ``.h5``, ``.pt``, ``.npy`` or folders of ``.zarr``.

    Parameters
    ----------
    rows
        Several slides a patient: ``error``, ``first``, or ``concat`` for one bag of all.
    features
        The name of the features in the files; ``features``, ``feats`` or ``patch_embeddings``, or the
        one table of a ``.zarr``, if not given.
    sample
        How many patches of a patient training sees, anew each epoch; ``null`` for all.

    Examples
    --------
    >>> BagSource(pattern="slides/{key}_*.h5", rows="concat").sample
    4096
    """

    cells: ClassVar[str] = COLUMN
    endings: ClassVar[tuple[str, ...]] = (".h5", ".pt")  # .npy may be anything
    folders: ClassVar[bool] = True  # .zarr is one
    in_memory: ClassVar[bool] = True
    ways: ClassVar[Mapping[str, str]] = {"concat": "one bag of all", **FileSource.ways}

    kind: Literal["bag"] = "bag"
    rows: Literal["error", "first", "concat"] = "error"
    features: str | None = None
    sample: int | None = Field(default=SAMPLE, ge=1)

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the bags of a table in memory, whose one column holds arrays ``(n, f)``, or None.

        Raises
        ------
        InputError
            If a cell is no bag, or a patient has several under ``rows: error``.
        """
        import pandas as pd

        found, notes = choose_bags(frame, key, modality, taken, self.rows)
        cells = [self.together(bags) for bags in found.values()]
        index = pd.Index(list(found), name="patient", dtype=object)
        return pd.Series(cells, index=index, dtype=object).to_frame(COLUMN), notes

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the slides of each patient; places that are not those of the patches are doubted."""
        frame, notes = super().read(folder, modality, taken)
        odd = {who: file for who, bag in files_of(frame, COLUMN).items() for file in bag.files if _is_unlike(file)}
        if odd:
            some = listed((f"{who}: {file.places} for {file.tokens}" for who, file in odd.items()), 3)
            text = f"{counted(len(odd), 'patient')} with another number of places than of patches ({some})"
            notes.append(
                Doubtful(modality, f"{text}: is the file whole, and are its features a row a patch?", tuple(odd))
            )
        return frame, notes

    def open(self, path: Path) -> BagFile:
        """Return a file, its header read and checked."""
        return BagFile.open(path, self.features)

    def look(self, part: BagFile | BagArray) -> None:
        """Read all features of a file."""
        if isinstance(part, BagFile):
            part.look_through()

    def parts(self, cell: Bag) -> Sequence[BagFile | BagArray]:
        """Return the slides of a patient."""
        return cell.files

    def together(self, parts: Sequence[BagFile | BagArray]) -> Bag:
        """Return the slides of one patient as one bag."""
        widths = {part.width for part in parts}
        if len(widths) > 1:
            files = [part for part in parts if isinstance(part, BagFile)]
            names = listed([f"{part.path.name} {part.width}" for part in files] or sorted(widths))
            raise InputError("slides of one patient differ in width", expected="one width", got=names)
        return Bag(tuple(parts))

    def width(self, frame: pd.DataFrame) -> int:
        """Return how many features a patch has."""
        return max((bag.width for bag in files_of(frame, COLUMN).values()), default=0)

    def fit(self, frame: pd.DataFrame) -> BagPreprocessor:
        """Return preprocessing fitted on the bags of training patients."""
        return BagPreprocessor.fit(frame, sample=self.sample)


def _is_unlike(file: BagFile | BagArray) -> bool:
    """Return whether places stand beside patches that are not theirs; beside one vector those of its patches do."""
    return isinstance(file, BagFile) and file.tokens > 1 and file.places not in (None, file.tokens)
