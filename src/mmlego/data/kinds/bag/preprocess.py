"""Kind ``bag``, its preprocessing: patch features of slides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field

from mmlego.anonymity import Kept
from mmlego.data.kinds.bag.bag import COLUMN, SAMPLE, Bag, SampledBag, made_in
from mmlego.data.kinds.file_sources import files_of
from mmlego.data.kinds.fitted import Odd, Preprocessing
from mmlego.data.memory.lazy import LazyColumn
from mmlego.errors import ShapeError
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd


class BagState(BaseModel):
    """What :class:`BagPreprocessor` saves; refuses anything that does not fit.

    Examples
    --------
    >>> BagState(width=1024, sample=4096).version
    1
    """

    model_config = ConfigDict(extra="forbid")

    name: Literal["bag"] = "bag"
    version: Literal[1, 2] = 1  # 2: with how features were made
    width: int = Field(ge=1)
    sample: int | None = Field(default=None, ge=1)
    made: dict[str, str] = {}


@dataclass(frozen=True)
class BagPreprocessor(Preprocessing):
    """Files of patch features → bags ``(n, f)``, which stay in their files until a batch needs them.

    Parameters
    ----------
    width
        How many features each patch has.
    sample
        How many patches of a bag training sees, anew each epoch; None for all. Evaluation and prediction see all.
    made
        How the features of all training patients were made, as their files say it: ``{"extractor": "uni"}``.

    Examples
    --------
    >>> BagPreprocessor(1024, sample=4096).encoder()
    ('patch_mlp', {'in_features': 1024})
    """

    name: ClassVar[str] = "bag"
    ragged: ClassVar[bool] = True
    saved_as: ClassVar[type[BaseModel]] = BagState
    called: ClassVar[str] = "bags"

    width: int
    sample: int | None = SAMPLE
    made: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def fit(cls, frame: pd.DataFrame, *, sample: int | None = SAMPLE) -> Self:
        """Learn how wide the features of the training patients are.

        Parameters
        ----------
        frame
            Bags by patient.
        sample
            How many patches of a bag training sees.

        Raises
        ------
        ShapeError
            If bags differ in width.
        """
        bags = files_of(frame, COLUMN)
        ways = made_in(bags.values())
        made = {name: next(iter(values)) for name, values in ways.items() if len(values) == 1}
        fitted = cls(next(iter(bags.values())).width, sample, made)
        fitted._check(bags)
        return fitted

    def transform(self, frame: pd.DataFrame) -> LazyColumn:
        """Return the bags, which are loaded when a batch needs them.

        Raises
        ------
        ShapeError
            If a bag is of another width than those in training.
        """
        bags = files_of(frame, COLUMN)
        self._check(bags)
        items = {str(patient): SampledBag(bag, self.sample) for patient, bag in bags.items()}
        return LazyColumn(items, torch.zeros(0, self.width), ragged=True)

    def odd(self, frame: pd.DataFrame) -> tuple[Odd, Odd]:
        """Return by patient how the features were made, where the files say it otherwise than those of training."""
        found: Odd = {}
        for patient, bag in files_of(frame, COLUMN).items():
            for name, values in bag.made().items():
                others = [value for value in values if value != self.made.get(name, value)]
                if others:
                    found.setdefault(str(patient), []).append(f"{name} = {listed(others)}, not {self.made[name]}")
        return found, {}

    def blank(self) -> LazyColumn:
        """Return the bags of nobody."""
        return LazyColumn([], torch.zeros(0, self.width), ragged=True)

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the encoder of single patches: the block's own attention pools them."""
        return "patch_mlp", {"in_features": self.width}

    def config(self) -> dict[str, object]:
        """Return all that was learnt, as values that JSON can hold."""
        state = BagState(version=2 if self.made else 1, width=self.width, sample=self.sample, made=dict(self.made))
        return state.model_dump(exclude=None if self.made else {"made"})  # old versions need not know of it

    def kept(self) -> list[Kept]:
        """Return nothing: how wide features are is of the model that made them."""
        return []

    @classmethod
    def _restored(cls, state: BagState) -> Self:
        return cls(state.width, state.sample, state.made)

    def _check(self, bags: Mapping[str, Bag]) -> None:
        odd = [f"{patient} {bag.width}" for patient, bag in bags.items() if bag.width != self.width]
        if odd:
            raise ShapeError(
                f"patch features of another width for {counted(len(odd), 'patient')}",
                expected=self.width,
                got=listed(odd),
                remedy="Extract the features of all slides with one and the same model.",
            )
