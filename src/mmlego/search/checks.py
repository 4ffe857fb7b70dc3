"""What is tried is checked before anything is: all faults of a space in one error."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from mmlego.data import Preprocessing
from mmlego.encoders import arguments_of, encoder_names
from mmlego.encoders.registry import check_encoder
from mmlego.errors import InputError, LegoError
from mmlego.learners import learner_names
from mmlego.learners.registry import learner_class, served
from mmlego.overrides import parse_yaml
from mmlego.sections import Range, Space, Tried
from mmlego.settings import AUTO, NEURAL, EncoderSettings
from mmlego.tasks import Task
from mmlego.wording import shortened
from mmlego.yaml_knots import text_of

_FORM = "modality: {method: {fit.lr: {low: 1e-4, high: 1e-2, log: true}, options.hidden: [[16], [32]]}}"

_WITHIN = 0.618  # of a range of fractions: where no setting of whole numbers is met


def read_space(file: Path) -> Space:
    """Return what shall be tried, from a YAML file: the section ``space`` of settings alone.

    Parameters
    ----------
    file
        The file.

    Raises
    ------
    InputError
        If it is not YAML or of another form, with all that is wrong.
    """
    try:
        content = parse_yaml(text_of(file, "space"))
    except yaml.YAMLError as error:
        raise InputError(f"{file.name} is not YAML ({error})") from error
    if isinstance(content, Mapping) and list(content) == ["space"]:
        content = content["space"]
    try:
        return TypeAdapter(Space).validate_python(content)
    except ValidationError as error:
        found: dict[str, list[str]] = {}
        for fault in error.errors():
            # What may be a range or a list has a fault for each.
            where = ".".join(str(key) for key in fault["loc"][:3]) or "the whole"
            found.setdefault(where, []).append(fault["msg"].removeprefix("Value error, "))
        told = "; ".join(f"{where}: {' or: '.join(dict.fromkeys(reasons))}" for where, reasons in found.items())
        raise InputError(f"{file.name}: {told}", expected=_FORM) from error


def applied(base: EncoderSettings, tried: Mapping[str, Any]) -> EncoderSettings:
    """Return the settings of a method with what is tried in place of its own.

    Parameters
    ----------
    base
        The method's settings.
    tried
        Values by dotted setting.

    Raises
    ------
    InputError
        If a setting is unknown or out of bounds.

    Examples
    --------
    >>> applied(EncoderSettings(name="snn"), {"fit.lr": 0.1, "options.hidden": [8]}).options["hidden"]
    [8]
    """
    content = base.model_dump(mode="json")
    for name, value in tried.items():
        section, dot, key = name.partition(".")
        if not dot or section not in ("fit", "options"):
            raise InputError(f"{name!r} cannot be tried", expected="fit.NAME or options.NAME")
        content.setdefault(section, {})[key] = value
    try:
        return EncoderSettings.model_validate(content)
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}".removeprefix(": ")
            for fault in error.errors()
        )
        raise InputError(told) from error


def check_space(
    space: Space, known: Sequence[str], fitted: Mapping[str, Preprocessing], bases: Any, task: Task
) -> None:
    """Refuse a space of unknown modalities, methods or settings, or whose bounds are none of theirs.

    Parameters
    ----------
    space
        What is tried.
    known
        The modalities of the cohort.
    fitted
        The preprocessing of those that are tuned.
    bases
        Called with a modality and a method: the settings of the method there.
    task
        What is learnt.

    Raises
    ------
    InputError
        With all that is wrong.
    """
    faults = []
    for modality, methods in space.items():
        if modality not in known:
            faults.append(f"unknown modality {modality!r}, of {', '.join(known)}")
            continue
        if not methods:
            faults.append(f"{modality}: no method")
        if modality not in fitted:
            continue
        for method, settings in methods.items():
            where = f"{modality}.{method}"
            odd = _odd(method, task)
            faults += [f"{where}: {odd}"] if odd else []
            for name, tried in {} if odd else settings.items():
                told = _fault(fitted[modality], bases(modality, method), name, tried)
                faults += [f"{where}.{name}: {told}"] if told else []
    if faults:
        raise InputError(f"the space: {'; '.join(faults)}", expected=_FORM)


def _odd(method: str, task: Task) -> str | None:
    if method not in (AUTO, NEURAL, *encoder_names(), *learner_names()):
        return f"unknown method, of {', '.join((AUTO, NEURAL, *encoder_names(), *learner_names()))}"
    if method in learner_names() and served(task) not in learner_class(method).tasks:
        return f"a learner of {', '.join(learner_class(method).tasks)}, not of {task.name}"
    return None


def _fault(fitted: Preprocessing, base: EncoderSettings, name: str, tried: Tried) -> str | None:
    """Return what is wrong with a setting, at either end of its range or within, or for one of its values."""
    for value in _ends(tried) if isinstance(tried, Range) else tried:
        try:
            made = applied(base, {name: value})
            if made.name in encoder_names():
                check_encoder(made.name, arguments_of(made.name, fitted.encoder()[1], made.options))
        except LegoError as error:
            said = re.sub(r"\s+", " ", str(error))
            return f"{shortened(repr(value), 40)}: {said}"
    return None


def _ends(tried: Range) -> tuple[int | float, ...]:
    """Return both ends of a range, and of one of fractions what lies between whole numbers."""
    ends = (tried.low, tried.high)
    return ends if tried.whole else (*ends, tried.low + _WITHIN * (tried.high - tried.low))
