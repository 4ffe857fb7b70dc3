"""Kind ``text``, its source: reports and notes."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from mmlego.data.kinds.file_sources import FileSource
from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.text.doubts import doubts_of_texts, doubts_of_words, no_text
from mmlego.data.kinds.text.preprocess import COLUMN, COPIES, MODELS, MOST_BYTES, WORDS, TextPreprocessor
from mmlego.data.kinds.text.tokenizing import find_model
from mmlego.data.kinds.text_columns import TextRules, choose_texts
from mmlego.data.reading.files import read_lines
from mmlego.data.reading.fingerprints import text_fingerprints
from mmlego.data.reading.names import NamePattern
from mmlego.data.reading.places import Places
from mmlego.data.reading.remarks import Dropped
from mmlego.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


class TextSource(FileSource):
    """A modality of kind ``text``: a column of a table, or a file a patient.

    Parameters
    ----------
    file, column
        A table, and its column of texts.
    pattern
        How text files in UTF-8 are named; beside ``file``, made of the columns of that table.
    model
        The folder of a model of the transformers library and its tokenizer, relative to the manifest, to one of its
        roots, or to the folder that the environment variable ``MMLEGO_MODELS`` names. Needed for training alone: a
        block brings its own.
    length
        How many ids of a text count; as many as the model takes, 512 at most, if not given.
    rows
        Several texts a patient: ``error``, ``first``, or (files) ``concat``, one after the other by name.

    Examples
    --------
    >>> TextSource(file="notes.csv", model="models/bert-mini").column
    'text'
    """

    cells: ClassVar[str] = COLUMN
    endings: ClassVar[tuple[str, ...]] = (".txt",)
    drafted: ClassVar[tuple[str, ...]] = (
        "# model:  # fill in before training: the folder of a model of texts, as save_pretrained writes it",
    )
    ways: ClassVar[Mapping[str, str]] = {"concat": "one after the other", **FileSource.ways}

    kind: Literal["text"] = "text"
    column: str = "text"
    model: str | None = None
    length: int | None = Field(default=None, ge=4)
    rows: Literal["error", "first", "concat"] = "error"
    _folder: list[Path] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        if self.pattern is not None:
            NamePattern(self.pattern, alone=self.file is None)
        elif self.rows == "concat":
            raise ValueError("rows: concat is for files")
        return self

    def unplaced(self) -> str | None:
        """Return None: what is missing is said when texts are read."""
        return None

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the texts, one a patient.

        Raises
        ------
        InputError
            If the model is not there, or a text cannot be read.
        """
        self._find_model(folder.places)
        if self.pattern is not None:
            frame, notes = super().read(folder, modality, taken)
            texts = {str(patient): str(text) for patient, text in frame[COLUMN].items()}
            return frame, [*notes, *doubts_of_words(texts, modality), *doubts_of_texts(texts, modality)]
        if self.file is None:
            raise InputError(f"{modality} names no file", expected="file: (a table) or pattern: (text files)")
        return self._column(folder.table(self.file, text=[self.column]), folder.key, modality, taken)

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the texts of a column in memory; the model may then lie anywhere."""
        self._find_model(Places((Path(),), allow_outside=True))
        return self._column(frame, key, modality, taken)

    def names(self) -> Sequence[str]:
        """Return the column of texts, where there is one."""
        return (self.column,) if self.pattern is None else ()

    def lacks(self) -> str | None:
        """Return that a model of texts is needed to train."""
        needed = "names no model, which training needs: add model: with the folder of one that save_pretrained wrote"
        return needed if self.model is None else None

    def _find_model(self, among: Places) -> None:
        self._folder.clear()
        if self.model is not None:
            models = os.environ.get(MODELS)
            self._folder.append(find_model(self.model, among, models=models))

    def _column(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        rule: Literal["error", "first"] = "first" if self.rows == "first" else "error"
        texts, notes = choose_texts(frame, key, modality, taken, TextRules(self.column, rule, self.on_error, no_text))
        texts = texts.set_axis([COLUMN], axis=1)
        read = {str(patient): str(text) for patient, text in texts[COLUMN].items()}
        return texts, [*notes, *doubts_of_texts(read, modality)]

    def open(self, path: Path) -> str:
        """Return the text of a file."""
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"text {path.name!r} is too long", expected=f"at most {MOST_BYTES} bytes")
        text = "\n".join(read_lines(path)).strip()
        if (what := no_text(text)) is not None:
            remedy = "Save its text alone, in UTF-8."
            raise InputError(f"{path.name!r} is no plain text", expected="text", got=what, remedy=remedy)
        if not text:
            raise InputError(f"text {path.name!r} is empty", expected="at least one word")
        return text

    def together(self, parts: Sequence[str]) -> str:
        """Return the texts of one patient as one."""
        return "\n\n".join(parts)

    def fingerprints(self, frame: pd.DataFrame) -> list[bytes | None]:
        """Return a hash of each text; None of a short one, and of one that many have: nobody is told by a phrase."""
        texts = frame[COLUMN]
        often = Counter(texts)
        most = max(COPIES, math.ceil(len(texts) / 100))
        marks = zip(texts, text_fingerprints(texts), strict=True)
        return [mark if len(set(text.split())) >= WORDS and often[text] <= most else None for text, mark in marks]

    def fit(self, frame: pd.DataFrame) -> TextPreprocessor:
        """Return the preprocessing of the model that the section names.

        Raises
        ------
        InputError
            If it names none.
        """
        if not self._folder:
            raise InputError("text names no model", expected="model: a folder with config.json and a tokenizer")
        return TextPreprocessor.fit(frame, self._folder[0], length=self.length)
