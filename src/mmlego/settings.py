"""Settings of the main job, typed: one YAML file, dotted overrides, and the whole of it saved with the output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from mmlego.encoders import encoder_names, usual_options
from mmlego.errors import InputError, UnknownNameError
from mmlego.learners import learner_names, learner_options
from mmlego.learners.options import check_options
from mmlego.learners.registry import learner_class
from mmlego.merge.heads import check_head_rule
from mmlego.merge.rules import get_rule
from mmlego.merge.weights import STACKED
from mmlego.overrides import override, parse_yaml
from mmlego.readout import COMMON
from mmlego.sections import (
    MOST,
    Count,
    Decay,
    OwnFit,
    PlateSettings,
    PrivacySettings,
    Rate,
    Section,
    Space,
    TuningSettings,
)
from mmlego.yaml_knots import text_of

AUTO = "auto"  # what has proved best for the kind: learners, a neural block, or both as one
NEURAL = "neural"  # the neural encoder that suits the kind
MEAN = "mean"  # of what members of ``auto`` have to say; else stacked
OF_AUTO = frozenset({"members", "weights"})  # its options


class _UnknownNameError(ValueError):
    """What pydantic collects with other faults, where an :class:`UnknownNameError` alone would end the check."""

    def __init__(self, error: UnknownNameError) -> None:
        super().__init__(str(error))
        self.error = error


class EncoderSettings(Section):
    """Which encoder or learner, and its arguments but for the width of the input, else its usual ones.

    ``freeze``: the encoder stays as it starts, as one whose weights come from a folder; the block around it is trained.
    ``fit``: what its training has of its own in place of ``fit`` of all.
    ``auto``: what has proved best for the kind of data; ``neural``: the neural encoder that suits it. Options without
    a name are those of an ``snn``.
    """

    name: str = AUTO
    options: dict[str, Any] = Field(default_factory=dict)
    freeze: bool = False
    fit: OwnFit = OwnFit()

    @model_serializer(mode="wrap")
    def _without_fit(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave ``fit`` out where it says nothing: so runs that were begun before there was any go on."""
        made: dict[str, Any] = serialise(self)
        return {key: value for key, value in made.items() if key != "fit" or value}

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "name" not in given:
            options = given.get("options")
            if isinstance(options, Mapping) and options.keys() - OF_AUTO:
                return {**given, "name": "snn"}
        return given

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in (AUTO, NEURAL) and name not in encoder_names() and name not in learner_names():
            encoders = ", ".join((AUTO, NEURAL, *encoder_names()))
            known = f"one of {encoders}; or a learner: {', '.join(learner_names())}"
            raise _UnknownNameError(UnknownNameError("unknown encoder", expected=known, got=repr(name)))
        return name

    @model_validator(mode="after")
    def _complete(self) -> EncoderSettings:
        if self.freeze and (self.name == AUTO or self.name in learner_names()):
            raise ValueError(f"freeze is of neural encoders; {self.name!r} may be a learner")
        if self.fit != OwnFit() and (self.name == AUTO or self.name in learner_names()):
            raise ValueError(f"fit is of neural encoders; {self.name!r} may be a learner")
        if self.name == AUTO:
            _check_members(self.options)
            return self
        if self.name == NEURAL:
            if self.options:
                raise ValueError("'neural' has no options: name the encoder that they are of")
            return self
        if self.name in learner_names():
            known = learner_options(self.name)
            unknown = [option for option in self.options if option not in known]
            if unknown:
                raise ValueError(
                    f"learner {self.name!r} has no option {unknown[0]!r}, only: {', '.join(known) or 'none'}"
                )
            try:
                check_options(learner_class(self.name), self.options, known)
            except InputError as error:
                raise ValueError(str(error)) from error
            return self
        # One option that is set must not take the others' defaults away.
        object.__setattr__(self, "options", {**usual_options(self.name), **self.options})
        return self


def _check_members(options: Mapping[str, Any]) -> None:
    """Refuse options of ``auto`` that serve no task."""
    odd = sorted(options.keys() - OF_AUTO)
    if odd:
        raise ValueError(f"'auto' has no option {odd[0]!r}, only: {', '.join(sorted(OF_AUTO))}")
    if options.get("weights", MEAN) not in (MEAN, STACKED):
        raise ValueError(f"weights of 'auto' are {MEAN} or {STACKED}")
    if "members" not in options:
        return
    members, known = options["members"], (NEURAL, *learner_names())
    wrong = [label for label in members if label not in known] if isinstance(members, list | tuple) else [members]
    if wrong or not members or len(set(members)) < len(members):
        raise ValueError(f"members of 'auto' are a list of different ones of {', '.join(known)}")


class FitSettings(Section):
    """Arguments of ``fit``, which reads its bounds here."""

    epochs: Count = 60
    batch_size: Count = 32
    lr: Rate = 1e-3
    weight_decay: Decay = 1e-2
    patience: int | None = Field(default=10, ge=1)
    monitor: str = "loss"
    class_weights: Literal["balanced"] | list[float] | None = None
    gradient_clip: float | None = Field(default=1.0, gt=0, le=MOST)
    privacy: PrivacySettings | None = None

    @model_serializer(mode="wrap")
    def _without_none(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave privacy out where there is none: so runs that were begun before there was any go on."""
        made: dict[str, Any] = serialise(self)
        return made if self.privacy is not None else {key: value for key, value in made.items() if key != "privacy"}


class TuneSettings(FitSettings):
    """Arguments of ``fit`` for the short tuning of a fused model."""

    epochs: Count = 5
    lr: Rate = 1e-4
    patience: int | None = Field(default=None, ge=1)
    privacy: None = None  # of blocks alone


class MergeSettings(Section):
    """Arguments of ``LegoMerge``."""

    rule: str = "residual"
    phase: Literal["mean", "circular"] = "circular"
    heads: str = COMMON
    weights: Literal["auto", "uniform", "evidence", "stacked"] | dict[str, float] = "auto"
    strength: Literal["auto"] | float = "auto"

    @field_validator("rule")
    @classmethod
    def _known_rule(cls, rule: str) -> str:
        try:
            get_rule(rule)
        except UnknownNameError as error:
            raise _UnknownNameError(error) from error
        return rule

    @field_validator("heads")
    @classmethod
    def _known_heads(cls, heads: str) -> str:
        try:
            check_head_rule(heads, COMMON)
        except UnknownNameError as error:
            raise _UnknownNameError(error) from error
        return heads

    @model_validator(mode="after")
    def _stacked_adds(self) -> MergeSettings:
        if self.weights == STACKED and (self.rule != "residual" or self.heads != COMMON):
            raise ValueError(f"weights 'stacked' need rule residual and heads {COMMON}, not {self.rule}, {self.heads}")
        return self


class FuseSettings(TuningSettings):
    """Arguments of ``LegoFuse`` and of its short tuning."""

    mode: Literal["stack", "weave", "parallel"] = "parallel"
    order: list[str] | None = None
    freeze: Literal["encoders", "blocks"] | None = None
    across: str | None = AUTO
    fit: TuneSettings = TuneSettings()

    @field_validator("across")
    @classmethod
    def _known_across(cls, across: str | None) -> str | None:
        if across not in (None, AUTO, *learner_names()):
            known = f"{AUTO}, or a learner: {', '.join(learner_names())}"
            raise _UnknownNameError(UnknownNameError("fuse.across", expected=known, got=repr(across)))
        return across


class Settings(Section):
    """All settings of the main job.

    Parameters
    ----------
    plate, encoder, fit, merge, fuse
        Each part's own.
    encoders
        By modality, in place of ``encoder``.
    seed
        Of splits, weights and training.
    space
        What ``mmlego tune`` tries, by modality, method and setting; nothing else heeds it, and no run keeps it.

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
    seed: int = Field(default=0, ge=0, lt=2**63)
    space: Space | None = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def _private_blocks_learn(self) -> Settings:
        if self.fit.privacy is not None:
            chosen = {"encoder": self.encoder, **{f"encoders.{name}": one for name, one in self.encoders.items()}}
            for where, one in chosen.items():
                if one.name in learner_names():
                    raise ValueError(
                        f"fit.privacy is of neural blocks, and {where} is the learner {one.name!r}, which is fitted "
                        f"without noise: set {where}.name: neural"
                    )
        return self


def read_settings(file: Path | None = None, overrides: Sequence[str] = ()) -> Settings:
    """Return settings from a YAML file and dotted overrides.

    Parameters
    ----------
    file
        YAML with any of the sections; None: the defaults.
    overrides
        ``section.key=value``, the value read as YAML; they win over the file.

    Raises
    ------
    InputError
        If the file is not YAML, or a key or value is wrong; an unknown key is answered with the known ones.
    UnknownNameError
        If an encoder or a merge rule is unknown.

    Examples
    --------
    >>> read_settings(overrides=["fit.epochs=3", "plate.width=16"]).fit.epochs
    3
    """
    content: Any = {}
    if file is not None:
        text = text_of(file, "settings")
        if not text.strip("\ufeff \t\r\n"):  # comments alone say that nothing is set
            remedy = "Leave it out for the defaults, or write a comment into it."
            raise InputError(f"the settings {file.name} are empty", expected="sections with keys", remedy=remedy)
        try:
            content = parse_yaml(text) or {}
        except yaml.YAMLError as error:
            raise InputError(f"the settings {file.name} are not YAML ({error})") from error
        if not isinstance(content, dict):
            raise InputError(f"the settings {file}", expected="sections with keys", got=type(content).__name__)
    for said in overrides:
        override(content, said)
    return as_settings(content)


def as_settings(given: Settings | Mapping[str, Any] | None) -> Settings:
    """Return settings as they are, or from nested dicts of the same keys; None: the defaults.

    Parameters
    ----------
    given
        Settings, or sections with keys, as ``{"fit": {"epochs": 3}}``.

    Raises
    ------
    InputError
        If a key or value is wrong; an unknown key is answered with the known ones.
    UnknownNameError
        If an encoder or a merge rule is unknown.

    Examples
    --------
    >>> as_settings({"fit": {"epochs": 3}}).fit.epochs
    3
    """
    if isinstance(given, Settings):
        return given
    if given is not None and not isinstance(given, Mapping):
        raise InputError("settings", expected="sections with keys", got=type(given).__name__)
    try:
        return Settings.model_validate(dict(given or {}))
    except ValidationError as error:
        found = error.errors()
    for fault in found:
        unknown = fault.get("ctx", {}).get("error")
        if isinstance(unknown, _UnknownNameError):
            raise unknown.error
    path, known = _keys(found[0]["loc"])
    if found[0]["type"] == "extra_forbidden":
        raise InputError(f"unknown setting {path!r}", expected=f"one of {', '.join(known)}")
    if found[0]["type"] == "missing":
        *_, lacking = found[0]["loc"]
        raise InputError(f"setting {path!r} lacks {lacking!r}", got=repr(found[0]["input"]))
    # A setting that may be of several kinds has an error for each.
    reasons = dict.fromkeys(error["msg"] for error in found if _keys(error["loc"])[0] == path)
    raise InputError(f"setting {path!r}: {'; or: '.join(reasons)}", got=repr(found[0]["input"]))


def write_settings(settings: Settings) -> str:
    """Return settings as YAML, every default written out."""
    text: str = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False)
    return text


def _keys(place: Sequence[Any]) -> tuple[str, list[str]]:
    """Return the dotted name of a setting, without what pydantic adds of its own, and the keys beside it."""
    model: Any = Settings
    names: list[str] = []
    known: list[str] = []
    for key in place:
        fields = getattr(model, "model_fields", None)
        if fields is not None:
            known, field = list(fields), fields.get(key)
            model = None if field is None else field.annotation
        elif dict in (model, getattr(model, "__origin__", None)):
            model = get_args(model)[-1]
        else:
            break
        names.append(str(key))
    return ".".join(names), known
