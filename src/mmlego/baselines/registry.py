"""The registries of baselines, and of rivals: which baselines, on what, and how several answer as one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from mmlego.errors import InputError, UnknownNameError
from mmlego.extras import import_extra
from mmlego.plugins import Registry
from mmlego.tasks import Task

if TYPE_CHECKING:
    from mmlego.baselines.base import Baseline

EXTRA = "'mmlego[rivals]'"
Where = Literal["each", "all"]
EACH: Where = "each"
ALL: Where = "all"
Mean = Literal["logits", "ranks"]
_BASELINES: Registry[type[Baseline]] = Registry("baseline", "mmlego.baselines")
_NEEDS: dict[str, str] = {}  # the package that a baseline needs
_RIVALS: dict[str, Rival] = {}
_Class = TypeVar("_Class", bound="type[Baseline]")


def register_baseline(name: str, needs: str | None = None) -> Callable[[_Class], _Class]:
    """Register a class of baselines under a name.

    Parameters
    ----------
    name
        By which tables call it.
    needs
        The package that it needs, which ``mmlego[rivals]`` brings.

    Raises
    ------
    InputError
        If the name is taken.

    Examples
    --------
    >>> register_baseline("ridge")(baseline_class("ridge")).name  # registering the same class again changes nothing
    'ridge'
    """

    def register(cls: _Class) -> _Class:
        _BASELINES.add(name, cls)
        if needs is not None:
            _NEEDS[name] = needs
        cls.name = name
        return cls

    return register


def _load() -> None:
    for module in ("linear", "trees", "survival_trees", "cox"):
        importlib.import_module(f"mmlego.baselines.{module}")


def baseline_names() -> tuple[str, ...]:
    """Return the names of all baselines.

    Examples
    --------
    >>> "Cox net" in baseline_names()
    True
    """
    _load()
    return tuple(sorted(_BASELINES))


def baseline_class(name: str) -> type[Baseline]:
    """Return the class of a name.

    Raises
    ------
    UnknownNameError
        If no baseline has this name; the message lists the known ones.

    Examples
    --------
    >>> baseline_class("LR").tasks
    ('classification', 'multilabel')
    """
    names = baseline_names()
    if name not in names:
        raise UnknownNameError("unknown baseline", expected=f"one of {', '.join(names)}", got=repr(name))
    return _BASELINES[name]


@dataclass(frozen=True)
class Rival:
    """A row of the table: one baseline, or the mean of what several answer.

    Parameters
    ----------
    name
        Of the row.
    tasks
        The names of the tasks that it serves.
    members
        Names of baselines.
    where
        ``"each"``: one a modality, fitted to the patients of its block, so that nobody has to have two modalities.
        ``"all"``: on all modalities side by side, which needs patients who have several.
    mean
        How several answer as one: the mean of logits, or of ranks among those who are asked.

    Examples
    --------
    >>> Rival("LRs", ("classification",), ("LR",), "each").pairs
    False
    """

    name: str
    tasks: tuple[str, ...]
    members: tuple[str, ...]
    where: Where
    mean: Mean = "logits"

    @property
    def pairs(self) -> bool:
        """Whether it needs patients who have several modalities."""
        return self.where == ALL


def register_rival(rival: Rival) -> Rival:
    """Make a rival known.

    Parameters
    ----------
    rival
        A row of the table.

    Raises
    ------
    InputError
        If another one has its name.

    Examples
    --------
    >>> from mmlego.tasks import Classification
    >>> register_rival(rivals_for(Classification(2))[0]).name  # registering the same one again changes nothing
    'LR, mean of logits'
    """
    known = _RIVALS.get(rival.name)
    if known is not None and known != rival:
        raise InputError(f"the rival {rival.name!r} is taken", expected="a new name", got="another of this name")
    _RIVALS[rival.name] = rival
    return rival


def rivals_for(task: Task) -> tuple[Rival, ...]:
    """Return the rivals that serve a task; what an optional package would answer, if it is there.

    Raises
    ------
    MissingExtraError
        If a package of ``mmlego[rivals]`` is missing: rivals that are left out are no rivals.

    Examples
    --------
    >>> from mmlego.tasks import Classification
    >>> [rival.name for rival in rivals_for(Classification(2)) if not rival.pairs]
    ['LR, mean of logits', 'LightGBM, mean of logits', 'forest, mean of logits']
    """
    _load()
    served = [rival for rival in _RIVALS.values() if task.name in rival.tasks]
    for name in dict.fromkeys(member for rival in served for member in rival.members):
        if name in _NEEDS:
            import_extra(_NEEDS[name], f"the rival {name!r}", EXTRA)
    return tuple(rival for rival in served if all(_there(name) for name in rival.members))


def _there(name: str) -> bool:
    there: Callable[[], bool] = getattr(_BASELINES[name], "there", lambda: True)
    return there()


def _row(tasks: Sequence[str], members: Sequence[str], where: Where, mean: Mean = "logits", name: str = "") -> None:
    short = " + ".join(members)
    usual = f"{short}, mean of {mean}" if where == EACH else f"{short}, all" + ("" if mean == "logits" else " (ranks)")
    register_rival(Rival(name or usual, tuple(tasks), tuple(members), where, mean))


_CLASSES, _NUMBERS, _SURVIVAL = ("classification", "multilabel"), ("regression",), ("survival",)
_row(_SURVIVAL, ["Cox net"], EACH, "ranks")
_row(_SURVIVAL, ["Cox net"], ALL)
_row(_SURVIVAL, ["survival forest"], ALL)
_row(_SURVIVAL, ["survival boosting"], ALL)
_row(_SURVIVAL, ["Cox net", "survival forest"], ALL, "ranks")
_row(_SURVIVAL, ["PCA, Cox net"], ALL)
_row(_CLASSES, ["LR"], EACH)
_row(_NUMBERS, ["ridge"], EACH)
for _name in ("LightGBM", "forest"):
    _row((*_CLASSES, *_NUMBERS), [_name], EACH)
_row(_CLASSES, ["LR"], ALL)
_row(_NUMBERS, ["ridge"], ALL)
for _name in ("LightGBM", "forest", "CatBoost"):
    _row((*_CLASSES, *_NUMBERS), [_name], ALL)
_row(_CLASSES, ["LR", "LightGBM", "CatBoost"], ALL)
_row(_NUMBERS, ["ridge", "LightGBM", "CatBoost"], ALL)
_row(_CLASSES, ["PCA, LR"], ALL)
_row(_NUMBERS, ["PCA, ridge"], ALL)
_row(("classification",), ["PCA, TabICL"], ALL)
