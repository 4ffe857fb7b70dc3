"""Settings of the main job, typed: one YAML file, dotted overrides, and the whole of it saved with the output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mmlego.errors import InputError


class Section(BaseModel):
    """A section: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PlateSettings(Section):
    """Arguments of ``Baseplate``."""

    channels: int = Field(default=16, ge=1)
    width: int = Field(default=32, ge=1)
    steps: int = Field(default=2, ge=1)
    heads: int = Field(default=4, ge=1)
    head_width: int = Field(default=16, ge=1)
    seed: int = 0
    expansion: int = Field(default=2, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    activation: Literal["identity", "leaky_relu"] = "identity"
    normalise: bool = True
    domain: Literal["frequency", "spatial"] = "frequency"
    state: Literal["complex", "real", "untracked"] = "complex"
    share_steps: bool = True
    dropout: float = Field(default=0.2, ge=0, lt=1)


class EncoderSettings(Section):
    """Which encoder, and its arguments but for the width of the input."""

    name: str = "snn"
    options: dict[str, Any] = Field(default_factory=lambda: {"hidden": [32], "dropout": 0.25, "input_dropout": 0.1})


class FitSettings(Section):
    """Arguments of ``fit``."""

    epochs: int = Field(default=60, ge=1)
    batch_size: int = Field(default=32, ge=1)
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    patience: int | None = Field(default=10, ge=1)
    monitor: str = "loss"
    class_weights: Literal["balanced"] | list[float] | None = None
    gradient_clip: float | None = Field(default=1.0, gt=0)


class MergeSettings(Section):
    """Arguments of ``LegoMerge``."""

    rule: str = "harmonic"
    phase: Literal["mean", "circular"] = "circular"
    heads: str = "slerp"
    weights: Literal["uniform", "evidence"] | dict[str, float] = "uniform"


class FuseSettings(Section):
    """Arguments of ``LegoFuse`` and of its short tuning."""

    mode: Literal["stack", "weave", "parallel"] = "stack"
    order: list[str] | None = None
    freeze: Literal["encoders", "blocks"] | None = None
    modality_dropout: float = Field(default=0.0, ge=0, lt=1)
    fit: FitSettings = FitSettings(epochs=5, lr=5e-4, patience=None)


class Settings(Section):
    """All settings of the main job.

    Parameters
    ----------
    plate, encoder, fit, merge, fuse
        Each part's own.
    encoders
        By modality, where it differs from ``encoder``.
    seed
        Of splits, weights and training.

    Examples
    --------
    >>> Settings().fuse.fit.epochs
    5
    """

    plate: PlateSettings = PlateSettings()
    encoder: EncoderSettings = EncoderSettings()
    encoders: dict[str, EncoderSettings] = Field(default_factory=dict)
    fit: FitSettings = FitSettings()
    merge: MergeSettings = MergeSettings()
    fuse: FuseSettings = FuseSettings()
    seed: int = Field(default=0, ge=0)

    def encoder_of(self, modality: str) -> EncoderSettings:
        """Return the encoder settings of a modality."""
        return self.encoders.get(modality, self.encoder)


def read_settings(file: Path | None = None, overrides: Sequence[str] = ()) -> Settings:
    """Return settings from a YAML file and dotted overrides.

    Parameters
    ----------
    file
        YAML with any of the sections; None: the defaults.
    overrides
        ``section.key=value``, the value read as YAML.

    Raises
    ------
    InputError
        If the file is not YAML, or a key or value is wrong.

    Examples
    --------
    >>> read_settings(overrides=["fit.epochs=3", "plate.width=16"]).fit.epochs
    3
    """
    content: Any = {}
    if file is not None:
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InputError(f"the settings {file} cannot be read", got=error) from error
        if not isinstance(content, dict):
            raise InputError(f"the settings {file}", expected="sections with keys", got=type(content).__name__)
    for override in overrides:
        _override(content, override)
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    known = ", ".join(_keys(first["loc"][:-1]))
    unknown = first["type"] == "extra_forbidden"
    raise InputError(
        f"unknown setting {where!r}" if unknown else f"setting {where!r}: {first['msg']}",
        expected=f"one of {known}" if unknown and known else None,
        got=None if unknown else repr(first["input"]),
    )


def write_settings(settings: Settings) -> str:
    """Return settings as YAML, every default written out."""
    text: str = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False)
    return text


def _override(content: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    keys = name.split(".")
    if not equals or not all(keys):
        raise InputError("an override", expected="section.key=value", got=repr(override))
    place = content
    for key in keys[:-1]:
        place = place.setdefault(key, {})
        if not isinstance(place, dict):
            raise InputError(f"the override {override!r}", expected=f"{key!r} to be a section", got="a value")
    try:
        place[keys[-1]] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"the override {override!r}", expected="a YAML value", got=text) from error


def _keys(path: Sequence[Any]) -> list[str]:
    model: Any = Settings
    for key in path:
        field = getattr(model, "model_fields", {}).get(key)
        model = None if field is None else field.annotation
    fields: Mapping[str, Any] = getattr(model, "model_fields", {})
    return list(fields)
