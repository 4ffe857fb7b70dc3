"""Sections of settings that what stands below the settings reads, too: their numbers have their bounds here alone."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)


class Section(BaseModel):
    """A section: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PlateSettings(Section):
    """Arguments of ``Baseplate``, which reads its bounds here."""

    channels: int = Field(default=16, ge=1, le=2**20)
    width: int = Field(default=32, ge=1, le=2**20)
    steps: int = Field(default=2, ge=1, le=1000)
    heads: int = Field(default=4, ge=1, le=4096)
    head_width: int = Field(default=16, ge=1, le=2**20)
    seed: int = Field(default=0, ge=0, lt=2**63)
    expansion: int = Field(default=2, ge=1, le=4096)
    temperature: float = Field(default=1.0, gt=0, lt=math.inf)
    activation: Literal["identity", "leaky_relu"] = "identity"
    normalise: bool = True
    domain: Literal["frequency", "spatial"] = "frequency"
    state: Literal["complex", "real", "untracked"] = "complex"
    share_steps: bool = True
    dropout: float = Field(default=0.2, ge=0, lt=1)


MOST = 1e30  # of a learning rate and its like: beyond, single precision overflows
Count: TypeAlias = Annotated[int, Field(ge=1)]
Rate: TypeAlias = Annotated[float, Field(gt=0, le=MOST)]
Decay: TypeAlias = Annotated[float, Field(ge=0, le=MOST)]


class OwnFit(Section):
    """What the training of one modality's neural block has of its own in place of ``fit``; None: nothing."""

    epochs: Count | None = None
    batch_size: Count | None = None
    lr: Rate | None = None
    weight_decay: Decay | None = None

    @model_serializer(mode="wrap")
    def _without_none(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialise(self).items() if value is not None}


class Range(Section):
    """Numbers from ``low`` to ``high``, both among them; whole ones where both are. ``log``: by their logarithm."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low must be below high, both finite, not {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"by its logarithm a range must begin above 0, not at {self.low}")
        return self

    @property
    def whole(self) -> bool:
        """Whether it is of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


# What a setting may be: of a range, or one of a list.
Tried: TypeAlias = Range | Annotated[list[Any], Field(min_length=1)]
# By modality, by encoder or learner, and by dotted setting of it, as ``fit.lr`` or ``options.hidden``.
Space: TypeAlias = dict[str, dict[str, dict[str, Tried]]]


class PrivacySettings(Section):
    """What training with differential privacy promises: an ε, or the noise of which one follows."""

    epsilon: float | None = Field(default=None, gt=0, le=100)
    noise_multiplier: float | None = Field(default=None, ge=0.1, le=1e4)
    delta: float = Field(gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0, le=1e30)

    @model_validator(mode="after")
    def _one_of_both(self) -> PrivacySettings:
        if (self.epsilon is None) == (self.noise_multiplier is None):
            raise ValueError("epsilon or noise_multiplier, one of them: the other follows")
        return self


class TuningSettings(Section):
    """What ``LegoFuse`` does while it is tuned."""

    modality_dropout: float = Field(default=0.0, ge=0, lt=1)


class Shares(Section):
    """Shares of the patients that are held back, and that early stopping watches."""

    test: float = Field(default=0.2, ge=0, lt=1)
    validation: float = Field(default=0.2, ge=0, lt=1)


class Repeated(Section):
    """How often an experiment splits the patients, and the share of those not held back that early stopping watches."""

    folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=2, ge=1)
    validation: float = Field(default=0.2, gt=0, lt=1)
