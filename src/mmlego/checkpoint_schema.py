"""What ``config.json`` of a checkpoint may hold, as ``docs/checkpoint.md`` has it: checked before anybody reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator, model_validator

from mmlego.printable import escaped
from mmlego.sections import PlateSettings

_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Name = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    """A part of a configuration; keys that it does not know are left alone."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Named(_Part):
    name: _Name
    config: dict[str, Any]


class _Encoder(_Part):
    """A registered one by name, or a foreign one, which is passed to ``load``."""

    name: _Name | None = None
    config: dict[str, Any] | None = None
    foreign: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> _Encoder:
        if self.foreign is None and (self.name is None or self.config is None):
            raise ValueError("an encoder has name and config, or foreign")
        return self


class _Learner(_Named):
    """A learner; one that is made of others holds them in its config."""

    @model_validator(mode="after")
    def _whole(self) -> _Learner:
        if self.name == "selected":
            _Learner.model_validate(self.config)
        if self.name == "per_cause":
            parts = self.config.get("parts")
            if not isinstance(parts, list) or not parts:
                raise ValueError("per_cause has parts")
            for part in parts:
                _Learner.model_validate(part)
        return self


class _Terms(_Part):
    terms: list[int]
    patients: int = 0


class _Rows(_Part):
    form: str
    terms: _Terms | None = None


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    data: str = ""
    licence: str = ""
    validation: dict[str, FiniteFloat] = Field(default_factory=dict)
    errors: dict[str, FiniteFloat] = Field(default_factory=dict)
    held_out: dict[str, Any] = Field(default_factory=dict)
    prior: list[FiniteFloat] = Field(default_factory=list)
    patients: dict[str, int] = Field(default_factory=dict)
    recipe: dict[str, Any] = Field(default_factory=dict)
    parents: list[str] = Field(default_factory=list)


class _Brick(_Part):
    """A block, a fitted brick, or a bundle of such."""

    modality: _Name
    plate: str
    encoder: _Encoder | None = None
    learner: _Learner | None = None
    members: Annotated[dict[str, _Brick], Field(min_length=1)] | None = None
    out_features: Annotated[int, Field(ge=1, le=2**24)] | None = None
    ordered: bool = False
    tokenwise: bool = False
    freeze_encoder: bool = False
    lift: Annotated[int, Field(ge=0, le=2**24)] = 0
    rows: _Rows | None = None
    scores: Annotated[int, Field(ge=1, le=2**24)] | None = None
    preprocessing: dict[str, Any] | None
    card: _Card

    @model_validator(mode="after")
    def _one_kind(self) -> _Brick:
        if (self.encoder, self.learner, self.members).count(None) != 2:
            raise ValueError("a brick has an encoder, a learner or members")
        if self.learner is not None and self.rows is None:
            raise ValueError("a fitted brick has rows")
        return self


class _Task(_Part):
    model_config = ConfigDict(extra="allow", strict=True)

    name: _Name


class _Fields(PlateSettings):
    """Fields of a baseplate, within their bounds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    task: _Task

    @model_validator(mode="after")
    def _told(self) -> _Fields:
        if missing := {"channels", "width", "steps"} - self.model_fields_set:
            raise ValueError(f"a baseplate tells its {min(missing)}")  # a default may not be what it was
        return self


class _Plate(_Part):
    fingerprint: _Hash
    config: _Fields


class _Weights(_Part):
    sha256: _Hash


class _Options(_Part):
    weights: list[FiniteFloat]


class _Across(_Part):
    brick: _Brick
    rows: dict[str, _Rows]


class _Config(_Part):
    format: Annotated[int, Field(ge=1)]
    mmlego: str
    torch: str
    kind: Literal["baseplate", "block", "merge", "fuse"]
    plates: Annotated[list[_Plate], Field(min_length=1)]
    blocks: list[_Brick] = Field(default_factory=list)
    options: _Options | None = None
    card: _Card | None = None
    across: _Across | None = None
    weights: _Weights

    @field_validator("plates")
    @classmethod
    def _each_once(cls, plates: list[_Plate]) -> list[_Plate]:
        if len({plate.fingerprint for plate in plates}) < len(plates):
            raise ValueError("each baseplate stands there once")
        return plates

    @model_validator(mode="after")
    def _whole(self) -> _Config:
        if self.kind == "block" and len(self.blocks) != 1:
            raise ValueError("a block holds one block")
        if self.kind == "baseplate" and (len(self.plates) != 1 or self.blocks):
            raise ValueError("a baseplate holds one plate, and no blocks")
        if self.kind in ("merge", "fuse"):
            if not self.blocks or self.options is None or self.card is None:
                raise ValueError(f"a {self.kind} has blocks, options and a card")
            if len(self.options.weights) != len(self.blocks):
                raise ValueError("each block has a weight")
        return self


def fault_of(config: Mapping[str, Any]) -> str:
    """Return what is wrong with a configuration, and where; empty if nothing is.

    Parameters
    ----------
    config
        As JSON has it.

    Examples
    --------
    >>> fault_of({"format": 1, "kind": "block"})
    'mmlego: Field required'
    """
    try:
        _Config.model_validate(config)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return escaped(f"{place}: {first['msg']}" if place else first["msg"])[:300]
    except RecursionError:
        return "parts within parts without end"
    return ""
