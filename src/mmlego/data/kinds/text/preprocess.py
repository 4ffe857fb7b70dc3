"""Kind ``text``, its preprocessing: reports and notes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mmlego.anonymity import Kept
from mmlego.data.kinds.fitted import Preprocessing
from mmlego.data.kinds.text.tokenizing import LocalTokenizer, open_tokenizer
from mmlego.encoders.hugging_face import describe_hugging_face
from mmlego.errors import LegoWarning
from mmlego.wording import counted

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

    def kept(self) -> list[Kept]:
        """Return nothing: tokenizer and configuration are those of the model, and learnt of no patient."""
        return []

    @classmethod
    def _restored(cls, state: TextState) -> Self:
        return cls(LocalTokenizer(state.tokenizer), state.length, state.model)
