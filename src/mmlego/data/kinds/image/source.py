"""Kinds ``image`` and ``volume``: pictures, DICOM and NIfTI files of patients."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mmlego.data.kinds.file_sources import FileSource, files_of
from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.image.depth import one_depth
from mmlego.data.kinds.image.drafting import draft_image, draft_volume
from mmlego.data.kinds.image.extents import notes_of_extents
from mmlego.data.kinds.image.files import open_image, open_volume
from mmlego.data.kinds.image.headers import header_doubts
from mmlego.data.kinds.image.image_file import ImageFile
from mmlego.data.kinds.image.meanings import OF_VALUES, meaning_notes
from mmlego.data.kinds.image.nifti import NO_UNIT
from mmlego.data.kinds.image.pictures import ENDINGS, IN_COLOUR, MORE_CHANNELS, TRANSPARENT
from mmlego.data.kinds.image.pixels import pixel_doubts
from mmlego.data.kinds.image.plan import Augment, ImagePlan, shape_of
from mmlego.data.kinds.image.preprocess import COLUMN, ImagePreprocessor, Picture
from mmlego.data.kinds.image.reading import Colour, look_through, place_of
from mmlego.data.kinds.image.stacks import is_orientation
from mmlego.data.kinds.seen import Seen
from mmlego.data.reading.places import LINKS
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.errors import InputError, within
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

STRETCHED = 1.5  # widths by heights that differ by more are told
ONE_SLICE = "of one slice alone"
BESIDE = {"DICOMDIR", "LICENSE"}  # what viewers and archives put beside slices
TEXTS = {".txt", ".csv", ".json", ".xml", ".md", ".pdf"}
MOST_PIXELS = 89_478_485  # Pillow's own limit
MOST_VOXELS = 2**27  # 512 × 512 × 512


class PictureSource(FileSource):
    """What images and volumes have in common.

    Parameters
    ----------
    window, percentiles, augment
        As :class:`~mmlego.data.kinds.image.plan.ImagePlan` takes them.
    most
        How many pixels or voxels a file may have; a file that says that it has more is refused unread.
    """

    cells: ClassVar[str] = COLUMN
    holds: ClassVar[str] = "images"

    window: tuple[float, float] | None = None
    percentiles: tuple[float, float] | None = None
    augment: Augment | None = None
    most: int = Field(ge=1)

    @abstractmethod
    def plan(self) -> ImagePlan:
        """Return what is done to each image."""

    @model_validator(mode="after")
    def _check_plan(self) -> Self:
        self.plan()
        return self

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the files of each patient; headers that name another patient, or two units, are doubted."""
        frame, notes = super().read(folder, modality, taken)
        files = {who: picture.files for who, picture in files_of(frame, COLUMN).items()}
        notes += meaning_notes(files, modality, self.plan().noun)
        return frame, [*notes, *(Doubtful(modality, text, who) for text, who in header_doubts(files))]

    def look(self, part: tuple[ImageFile, ...]) -> Seen:
        """Read all pixels of a file, or of the slices of one volume; return how many of them are of one value."""
        return look_through(part)

    def told_seen(self, seen: Mapping[str, Seen]) -> list[str]:
        """Return what is doubtful of pixels: blank ones, masks, values that were shifted or saved with other bits."""
        windowed, own_scale = self.window is not None, self.percentiles is not None
        doubts = pixel_doubts(seen, self.plan().noun, windowed=windowed, own_scale=own_scale)
        return [*super().told_seen(seen), *doubts]

    def parts(self, cell: Picture) -> Sequence[tuple[ImageFile, ...]]:
        """Return the files of a patient's image, which are one."""
        return [cell.files]

    def together(self, parts: Sequence[Any]) -> Picture:
        """Return the files of one patient as one image."""
        return Picture(parts[0])

    def fit(self, frame: pd.DataFrame) -> ImagePreprocessor:
        """Return preprocessing fitted on the images of training patients."""
        return ImagePreprocessor.fit(frame, self.plan())


class ImageSource(PictureSource):
    """A modality of kind ``image``: a picture (PNG, JPEG, TIFF, BMP, GIF, WebP) or a DICOM file a patient.

    Parameters
    ----------
    size
        Height and width in pixels.
    colour
        ``grey`` or ``rgb``.
    bits
        How many bits the range of values becomes, each image scaled by its own; None: all have to be of one.
    rows
        Several images a patient: ``error`` or ``first``.

    Examples
    --------
    >>> ImageSource(pattern="xrays/{key}.png", size=(224, 224)).colour
    'grey'
    """

    endings: ClassVar[tuple[str, ...]] = (*ENDINGS, ".dcm")

    kind: Literal["image"] = "image"
    size: tuple[int, int]
    colour: Colour = "grey"
    bits: int | None = None
    rows: Literal["error", "first"] = "error"
    most: int = Field(default=MOST_PIXELS, ge=1)

    @classmethod
    def draft(cls, patients: Sequence[Sequence[Path]]) -> list[str]:
        """Return a size from the headers of the files, and the bits where they differ in them."""
        return draft_image([files[0] for files in patients], MOST_PIXELS)

    def plan(self) -> ImagePlan:
        """Return what is done to each image."""
        return ImagePlan(
            size=self.size,
            colour=self.colour,
            bits=self.bits,
            window=self.window,
            percentiles=self.percentiles,
            augment=self.augment,
        )

    def open(self, path: Path) -> tuple[ImageFile, ...]:
        """Return a file, its header read and checked."""
        file = open_image(path, self.most)
        if len(file.shape) != 2:
            what, frames = f"{path.name!r} is no single image", f"{file.shape[0]} frames"
            raise InputError(what, expected="one frame", got=frames, remedy="Declare kind: volume.")
        return (file,)

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the files of each patient; those whose values are of different bits are refused together."""
        frame, notes = super().read(folder, modality, taken)
        with within(modality):
            one_depth({who: made.files[0].bits for who, made in files_of(frame, COLUMN).items()}, self.plan())
        pictures = files_of(frame, COLUMN)
        coloured = sum(IN_COLOUR in picture.files[0].doubts for picture in pictures.values())
        if coloured and self.colour == "grey":
            notes.append(Noted(modality, f"{counted(coloured, 'image')} in colour read as grey: colour: rgb keeps it"))
        more = tuple(who for who, picture in pictures.items() if MORE_CHANNELS in picture.files[0].doubts)
        if more:
            notes.append(Doubtful(modality, f"{counted(len(more), 'image')} {MORE_CHANNELS}", more))
        shapes = {who: picture.files[0].shape for who, picture in pictures.items()}
        ratio = {who: width / height for who, (height, width) in shapes.items()}
        if max(ratio.values()) > STRETCHED * min(ratio.values()):
            ends = [min(ratio, key=ratio.__getitem__), max(ratio, key=ratio.__getitem__)]
            said = listed(f"{who}: {shapes[who][0]} × {shapes[who][1]}" for who in ends)
            notes.append(Noted(modality, f"images of several shapes ({said}) are stretched to one size"))
        through = tuple(who for who, picture in pictures.items() if TRANSPARENT in picture.files[0].doubts)
        if through:
            text = "with transparent pixels, whose colours count as if they could be seen"
            remedy = "save them without transparency, on the background that is meant"
            notes.append(Doubtful(modality, f"{counted(len(through), 'image')} {text}: {remedy}", through))
        return frame, notes


class VolumeSource(PictureSource):
    """A modality of kind ``volume``: NIfTI, DICOM of several frames, or a DICOM series.

    Parameters
    ----------
    size
        Depth (to the head), height and width in voxels.
    spacing
        Millimetres a voxel, in the same order; volumes are stretched to ``size`` if not given.
    orientation
        Where the axes of a file are counted to that does not say it itself: columns, rows and slices of DICOM, or the
        three axes of NIfTI; ``LPS`` for left, posterior, superior. None: such files are refused.
    rows
        Several files a patient: ``error``, ``first``, or ``series``: the slices of one DICOM series. Where a table
        names a folder, the files in it are the slices.

    Examples
    --------
    >>> VolumeSource(pattern="ct/{key}/*.dcm", rows="series", size=(64, 96, 96), window=(-1000, 400)).most
    134217728
    """

    endings: ClassVar[tuple[str, ...]] = (".nii", ".nii.gz")
    folders: ClassVar[bool] = True
    holds: ClassVar[str] = "slices"
    ways: ClassVar[Mapping[str, str]] = {"series": "the slices of one DICOM series", **FileSource.ways}

    kind: Literal["volume"] = "volume"
    size: tuple[int, int, int]
    spacing: tuple[float, float, float] | None = None
    orientation: str | None = None
    rows: Literal["error", "first", "series"] = "error"
    most: int = Field(default=MOST_VOXELS, ge=1)

    @model_validator(mode="after")
    def _check_orientation(self) -> Self:
        if self.orientation is not None and not is_orientation(self.orientation):
            raise ValueError("orientation is one letter each of L or R, P or A, I or S, as LPS")
        return self

    @classmethod
    def draft(cls, patients: Sequence[Sequence[Path]]) -> list[str]:
        """Return a size from the headers of the files."""
        return draft_volume(patients, MOST_VOXELS)

    def plan(self) -> ImagePlan:
        """Return what is done to each volume."""
        return ImagePlan(
            size=self.size,
            spacing=self.spacing,
            window=self.window,
            percentiles=self.percentiles,
            augment=self.augment,
        )

    def open(self, path: Path) -> tuple[ImageFile, ...]:
        """Return a file, or the slices in a folder, their headers read and checked."""
        if not path.is_dir():
            return (open_volume(path, self.most, self.orientation),)
        names = _files_in(path)
        if not names:
            raise InputError(f"folder {path.name!r} holds no file", expected="the slices of a DICOM series")
        return self._checked([open_volume(file, self.most, self.orientation) for file in names])

    def ways_with(self, parts: Sequence[Any]) -> Mapping[str, str]:
        """Return which rules suit such files: slices make a series, and the first of them is no volume."""
        unfit = "first" if all(_is_slice(files) for files in parts) else "series"
        return {rule: what for rule, what in self.ways.items() if rule != unfit}

    def needs_all(self) -> bool:
        """Return whether one file that cannot be read spoils the rest: a slice of a series does."""
        return self.rows == "series"

    def together(self, parts: Sequence[Any]) -> Picture:
        """Return the files of one patient as one volume, which says how it lies."""
        files = self._checked([file for files in parts for file in files])
        if not self.plan().check(files).oriented:
            name = files[0].path.name if len(files) == 1 else files[0].path.parent.name
            said = "sform or qform" if files[0].form == "nifti" else "ImagePositionPatient and ImageOrientationPatient"
            raise InputError(
                f"{name!r} does not say how it lies",
                expected=said,
                remedy="If you know it, declare where its axes are counted to, as orientation: RAS.",
            )
        return Picture(files)

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the files of each patient, and notes of what their headers leave open."""
        frame, notes = super().read(folder, modality, taken)
        doubtful: dict[str, list[str]] = {}
        for patient, picture in files_of(frame, COLUMN).items():
            alone = (ONE_SLICE,) if len(picture.files) == 1 and _is_slice(picture.files) else ()
            for doubt in (*picture.files[0].doubts, *alone):
                if doubt in OF_VALUES:  # told already
                    continue
                doubtful.setdefault(doubt, []).append(patient)
        for doubt, patients in doubtful.items():
            if self.spacing is not None or doubt != NO_UNIT:
                notes.append(Dropped(modality, f"{counted(len(patients), 'volume')} {doubt}", tuple(patients)))
        if self.spacing is None:
            pictures = files_of(frame, COLUMN)
            grids = {who: (place_of(one.files), shape_of(one.files)) for who, one in pictures.items()}
            notes += notes_of_extents(grids, modality)
        return frame, notes

    def _find(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[dict[str, list[Path]], list[Dropped]]:
        found, notes = super()._find(folder, modality, taken)
        for path in (path for paths in found.values() for path in paths if path.is_dir()):
            outside = [file.name for file in _files_in(path) if not folder.places.contains(file)]
            if outside:  # never merely skipped
                what = f"{modality}: links in the folder {path.name!r} leave {folder.places}"
                raise InputError(what, expected="slices in it", got=listed(outside), remedy=LINKS)
        return found, notes

    def _check_several(self, cells: dict[str, Any], modality: str) -> list[Dropped]:
        for patient, parts in cells.items() if self.rows == "first" else ():
            if len(parts) > 1 and all(_is_slice(part) for part in parts):
                raise InputError(
                    f"{modality}: the first of several files of {patient!r} is no volume",
                    expected="a file a volume",
                    got=f"{len(parts)} slices",
                    remedy="Declare rows: series.",
                )
        return super()._check_several(cells, modality)

    def _checked(self, files: Sequence[ImageFile]) -> tuple[ImageFile, ...]:
        """Return the files of one volume, those of a series in the order of their numbers, checked."""
        if len(files) > 1:
            files = self._ordered(files)
        place_of(files)  # one regular stack of one volume
        return tuple(file.checked() for file in files)

    def _ordered(self, files: Sequence[ImageFile]) -> list[ImageFile]:
        name = files[0].path.parent.name
        if any(file.form != "dicom" or len(file.shape) != 2 for file in files):
            raise InputError(
                f"the files in {name!r} are not the slices of a series", expected="DICOM files of one frame each"
            )
        for what, found in (("series", {file.series for file in files}), ("size", {file.shape for file in files})):
            if len(found) > 1:
                raise InputError(f"the slices in {name!r} are not of one {what}", expected="one", got=len(found))
        if len(files) * files[0].shape[0] * files[0].shape[1] > self.most:
            raise InputError(
                f"the slices in {name!r} have too many voxels", expected=f"at most {self.most}", remedy="Declare most:."
            )
        if any(file.slices[0].place is None for file in files):  # numbers are all that is left
            self._check_numbers(files, name)
        return sorted(files, key=lambda file: (file.number or 0, file.path.name))

    def _check_numbers(self, files: Sequence[ImageFile], name: str) -> None:
        wanting = [file.path.name for file in files if file.number is None]
        numbers = sorted((file.number or 0, file.path.name) for file in files)
        again = [second for (n, _), (m, second) in pairwise(numbers) if n == m]
        if wanting or again:
            raise InputError(
                f"slices in {name!r} without a place or number of their own",
                expected="ImagePositionPatient, or InstanceNumber",
                got=listed(wanting or again),
            )


def _files_in(folder: Path) -> list[Path]:
    """Return the files of a folder that may be slices: a list of files, a licence or notes beside them are not."""
    files = (file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    return sorted(file for file in files if not (file.name in BESIDE or file.suffix.lower() in TEXTS))


def _is_slice(files: Sequence[ImageFile]) -> bool:
    return len(files) == 1 and files[0].form == "dicom" and len(files[0].shape) == 2
