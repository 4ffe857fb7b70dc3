"""Kind ``bag``, its source: patch features of slides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from mmlego.data.kinds.bag.arrays import BagArray, choose_bags
from mmlego.data.kinds.bag.bag import COLUMN, SAMPLE, Bag, made_in
from mmlego.data.kinds.bag.files import BagFile, blank_rows
from mmlego.data.kinds.bag.kept import KeptPatches, Mask, counting, left_out
from mmlego.data.kinds.bag.preprocess import BagPreprocessor
from mmlego.data.kinds.file_sources import FileSource, files_of
from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.seen import Seen
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
    mask
        The name of a mask in the files, which is true of patches that count, or as ``not NAME`` of padding; ``false``:
        none is heeded. Not given: a file with a mask that leaves something out is refused.
    blank
        Whether patches whose features are of one value throughout, as zeros, or NaN throughout count: ``keep`` or
        ``drop``, which reads the files to their end.

    Examples
    --------
    >>> BagSource(pattern="slides/{key}_*.h5", rows="concat").sample
    4096
    """

    cells: ClassVar[str] = COLUMN
    endings: ClassVar[tuple[str, ...]] = (".h5", ".pt")  # .npy may be anything
    folders: ClassVar[bool] = True  # .zarr is one
    in_memory: ClassVar[bool] = True
    holds: ClassVar[str] = "patches"
    when_blank: ClassVar[str] = ": declare blank: drop to leave them out"
    ways: ClassVar[Mapping[str, str]] = {"concat": "one bag of all", **FileSource.ways}

    kind: Literal["bag"] = "bag"
    rows: Literal["error", "first", "concat"] = "error"
    features: str | None = None
    sample: int | None = Field(default=SAMPLE, ge=1)
    mask: Mask = None
    blank: Literal["keep", "drop"] = "keep"

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
        blank = {
            who: Seen(sum(int(blank_rows(bag.values).sum()) for bag in bags), sum(bag.tokens for bag in bags))
            for who, bags in found.items()
        }
        told = self.told_seen(blank)
        if told and self.blank == "drop":
            found = {who: [bag.without_blank(who) for bag in bags] for who, bags in found.items()}
            notes.append(Dropped(modality, f"{sum(one.blank for one in blank.values())} patches, which are blank"))
        elif told:
            notes += [Doubtful(modality, text) for text in told]
        cells = [self.together(bags) for bags in found.values()]
        index = pd.Index(list(found), name="patient", dtype=object)
        return pd.Series(cells, index=index, dtype=object).to_frame(COLUMN), notes

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the slides of each patient; places that are not those of the patches are doubted."""
        frame, notes = super().read(folder, modality, taken)
        parts = {who: bag.files for who, bag in files_of(frame, COLUMN).items()}
        gone, whole = left_out(part for files in parts.values() for part in files)
        if gone:
            notes.append(Dropped(modality, f"{gone} of {whole} patches, blank or left out by their mask"))
        elif self.on_error == "raise":  # else all was read
            ends = tuple(who for who, files in parts.items() if any(map(_ends_blank, files)))
            if ends:
                text = f"{counted(len(ends), 'patient')} whose last patch is blank, as padding is{self.when_blank}"
                notes.append(Doubtful(modality, text, ends))
        notes += [Doubtful(modality, text) for text in _ways(files_of(frame, COLUMN).values())]
        slides = {who: [_whole(part) for part in files] for who, files in parts.items()}
        odd = {who: file for who, files in slides.items() for file in files if file is not None and _is_unlike(file)}
        if odd:
            some = listed((f"{who}: {file.places} for {file.tokens}" for who, file in odd.items()), 3)
            text = f"{counted(len(odd), 'patient')} with another number of places than of patches ({some})"
            notes.append(
                Doubtful(modality, f"{text}: is the file whole, and are its features a row a patch?", tuple(odd))
            )
        return frame, notes

    def open(self, path: Path) -> BagFile | KeptPatches:
        """Return a file, its header read and checked, and which of its patches count."""
        return counting(BagFile.open(path, self.features), self.mask, blank=self.blank == "keep")

    def look(self, part: BagFile | KeptPatches) -> Seen:
        """Read all features of a file; return how many patches are blank."""
        return Seen(part.look_through(), part.tokens)

    def parts(self, cell: Bag) -> Sequence[BagFile | BagArray | KeptPatches]:
        """Return the slides of a patient."""
        return cell.files

    def together(self, parts: Sequence[BagFile | BagArray | KeptPatches]) -> Bag:
        """Return the slides of one patient as one bag."""
        widths = {part.width for part in parts}
        if len(widths) > 1:
            files = [part for part in parts if not isinstance(part, BagArray)]
            names = listed([f"{part.path.name} {part.width}" for part in files] or sorted(widths))
            raise InputError("slides of one patient differ in width", expected="one width", got=names)
        return Bag(tuple(parts))

    def width(self, frame: pd.DataFrame) -> int:
        """Return how many features a patch has."""
        return max((bag.width for bag in files_of(frame, COLUMN).values()), default=0)

    def fit(self, frame: pd.DataFrame) -> BagPreprocessor:
        """Return preprocessing fitted on the bags of training patients."""
        return BagPreprocessor.fit(frame, sample=self.sample)


def _ways(bags: Iterable[Bag]) -> list[str]:
    """Return in which ways the features were made, where there are several: models of one width are not one model."""
    found = []
    for name, ways in made_in(bags).items():
        if len(ways) > 1:
            said = listed(f"{way!r} of {counted(often, 'patient')}" for way, often in ways.most_common())
            found.append(f"features made in several ways, which count as one: {name} {said}")
    return found


def _ends_blank(part: BagFile | BagArray | KeptPatches) -> bool:
    return isinstance(part, BagFile) and part.ends_blank()


def _whole(part: BagFile | BagArray | KeptPatches) -> BagFile | None:
    """Return the file with all its patches; None of an array."""
    file = part.file if isinstance(part, KeptPatches) else part
    return file if isinstance(file, BagFile) else None


def _is_unlike(file: BagFile) -> bool:
    """Return whether places stand beside patches that are not theirs; beside one vector those of its patches do."""
    return file.tokens > 1 and file.places not in (None, file.tokens)
