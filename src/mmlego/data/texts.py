"""Kind ``text``: reports and notes, cut into the ids of a language model from a local folder."""

from __future__ import annotations

import math
import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator
from torch import Tensor

from mmlego.data.file_names import NamePattern
from mmlego.data.file_sources import FileSource
from mmlego.data.files import read_lines
from mmlego.data.fingerprints import text_fingerprints
from mmlego.data.fitted import Preprocessing
from mmlego.data.joins import Dropped
from mmlego.data.sequences import SequenceSource
from mmlego.data.source import Folder
from mmlego.data.tokenizing import LocalTokenizer, find_model, open_tokenizer
from mmlego.data.wording import counted
from mmlego.encoders.hugging_face import describe_hugging_face
from mmlego.errors import InputError, LegoWarning

if TYPE_CHECKING:
    import pandas as pd

COLUMN = "text"
MODELS = "MMLEGO_MODELS"  # the environment variable that names a folder of models
MOST_BYTES = 64 * 2**20  # no report is as long as this
WORDS = 20  # fewer different words, as in "No acute findings.", many patients share
COPIES = 3


class TextState(BaseModel):
    """What :class:`TextPreprocessor` saves; refuses anything that does not fit.

    Examples
    --------
    >>> TextState(tokenizer="{}", length=512, model={"model_type": "bert"}).version
    1
    """

    model_config = ConfigDict(extra="forbid")

    name: Literal["text"] = "text"
    version: Literal[1] = 1
    tokenizer: str
    length: int = Field(ge=1)
    model: dict[str, object]


@dataclass(frozen=True)
class TextPreprocessor(Preprocessing):
    """Texts → ids of word pieces, int64 ``(n_i,)``, by the tokenizer of the model that reads them.

    Nothing is learnt from patients. Tokenizer and configuration of the model are saved with the block, so that a
    loaded block takes raw text and needs the folder no longer.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    length
        How many ids of a text count; what comes after is cut off.
    model
        The configuration of the model.
    folder
        Where its weights lie, before they are part of a block.
    """

    name: ClassVar[str] = "text"
    ragged: ClassVar[bool] = True
    saved_as: ClassVar[type[BaseModel]] = TextState
    called: ClassVar[str] = "texts"

    tokenizer: LocalTokenizer = field(repr=False)
    length: int
    model: Mapping[str, object] = field(repr=False)
    folder: Path | None = field(default=None, compare=False)

    @classmethod
    def fit(cls, frame: pd.DataFrame, folder: Path, *, length: int | None = None) -> Self:
        """Read the tokenizer and the configuration of a model.

        Parameters
        ----------
        frame
            One column of texts.
        folder
            The folder of the model, as ``save_pretrained`` writes it.
        length
            How many ids of a text count; None: as many as the model takes, 512 at most.

        Raises
        ------
        InputError
            If there is no tokenizer or no model, or they do not fit.

        Warns
        -----
        LegoWarning
            If texts are longer.
        """
        tokenizer, most = open_tokenizer(folder, length)
        _, cut = tokenizer.ids([str(text) for text in frame.iloc[:, 0]], most)
        if cut:
            text = f"{counted(cut, 'training text')} of {len(frame)} longer than length={most}: the end is cut."
            warnings.warn(text, LegoWarning, stacklevel=2)
        return cls(tokenizer, most, describe_hugging_face(str(folder)), folder)

    def transform(self, frame: pd.DataFrame) -> list[Tensor]:
        """Return the ids of each text, int64 ``(n_i,)``.

        Parameters
        ----------
        frame
            One column of texts, none empty.
        """
        ids, _ = self.tokenizer.ids([str(text) for text in frame.iloc[:, 0]], self.length)
        return [torch.tensor(text, dtype=torch.int64) for text in ids]

    def blank(self) -> Tensor:
        """Return a text without words."""
        return torch.zeros(0, dtype=torch.int64)

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the encoder: the model of the folder with its weights; once loaded, the same model without them."""
        return "text", {"model": dict(self.model) if self.folder is None else str(self.folder)}

    def config(self) -> dict[str, object]:
        """Return tokenizer, length and configuration, as values that JSON can hold."""
        return TextState(tokenizer=self.tokenizer.text, length=self.length, model=dict(self.model)).model_dump()

    @classmethod
    def _restored(cls, state: TextState) -> Self:
        return cls(LocalTokenizer(state.tokenizer), state.length, state.model)


class TextSource(FileSource):
    """A modality of kind ``text``: a column of a table, or a file a patient.

    Parameters
    ----------
    file, column
        A table, and its column of texts.
    pattern
        How text files in UTF-8 are named; beside ``file``, made of the columns of that table.
    model
        The folder of a model of the transformers library and its tokenizer, relative to the manifest or to the folder
        that the environment variable ``MMLEGO_MODELS`` names. Needed for training alone: a block brings its own.
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

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the texts, one a patient.

        Raises
        ------
        InputError
            If the model is not there, or a text cannot be read.
        """
        self._find_model(folder.path, allow_outside=folder.allow_outside)
        if self.pattern is not None:
            return super().read(folder, modality, taken)
        if self.file is None:
            raise InputError(f"{modality} names no file", expected="file: (a table) or pattern: (text files)")
        return self._column(folder.table(self.file), folder.key, modality, taken)

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the texts of a column in memory; the model may then lie anywhere."""
        self._find_model(Path(), allow_outside=True)
        return self._column(frame, key, modality, taken)

    def _find_model(self, folder: Path, *, allow_outside: bool) -> None:
        self._folder.clear()
        if self.model is not None:
            models = os.environ.get(MODELS)
            self._folder.append(find_model(self.model, folder, allow_outside=allow_outside, models=models))

    def _column(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        rule: Literal["error", "first"] = "first" if self.rows == "first" else "error"
        strings = SequenceSource(column=self.column, rows=rule, on_error=self.on_error)
        texts, notes = strings.choose(frame, key, modality, taken)
        return texts.set_axis([COLUMN], axis=1), notes

    def open(self, path: Path) -> str:
        """Return the text of a file."""
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"text {path.name!r} is too long", expected=f"at most {MOST_BYTES} bytes")
        text = "\n".join(read_lines(path)).strip()
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
