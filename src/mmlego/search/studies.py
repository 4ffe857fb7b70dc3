"""Which methods of which modality are tuned, and what each tries next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmlego.baseplate import Baseplate
from mmlego.data import Cohort
from mmlego.search.asking import Asking
from mmlego.search.checks import check_space
from mmlego.search.found import Trial
from mmlego.search.usual import methods_for, usual_space
from mmlego.sections import Space, Tried
from mmlego.settings import NEURAL, EncoderSettings, Settings

AT_ONCE = 4  # trials of a method that are asked for before any of them is told of: as many, however many workers


@dataclass
class Study:
    """The trials of one method of one modality.

    Parameters
    ----------
    modality, method
        Of whose block, and of what it is made.
    base
        The settings of the method, from which trials start.
    space
        What is tried; empty where nothing is to be chosen.
    seed
        Of what is tried.
    limit
        How many trials at most.
    """

    modality: str
    method: str
    base: EncoderSettings
    space: Mapping[str, Tried]
    seed: int
    limit: int
    asking: Asking | None = field(init=False)
    trials: list[Trial] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.asking = Asking(self.space, self.seed) if self.space and self.limit > 1 else None

    def next(self, budget: float | None) -> list[dict[str, Any]]:
        """Return what is tried next: first the method as it is, then what Optuna asks for, as long as there is room."""
        if not self.trials:
            return [{}]
        spent = sum(trial.seconds for trial in self.trials)
        if self.asking is None or (budget is not None and spent >= budget):
            return []
        return [self.asking.ask() for _ in range(min(AT_ONCE, self.limit - len(self.trials)))]


def studies_of(
    cohort: Cohort,
    plate: Baseplate,
    whom: Mapping[str, Sequence[str]],
    settings: Settings,
    methods: Sequence[str] | None,
    space: Space | None,
    trials: int,
) -> list[Study]:
    """Return what is tried of whom, checked.

    Parameters
    ----------
    cohort, plate
        The patients, and what blocks share.
    whom
        By modality, the patients on whom it is tuned.
    settings
        From which trials start.
    methods, space, trials
        As :func:`mmlego.search.tune` takes them.

    Raises
    ------
    InputError
        If the space does not fit, with all that is wrong.
    """
    fitted = {
        name: cohort.prepare(list(ids), task=plate.task, modalities=[name]).preprocessing[name]
        for name, ids in whom.items()
    }

    def base(modality: str, method: str) -> EncoderSettings:
        own = settings.encoders.get(modality) or settings.encoder
        suited = fitted[modality].encoder()[0]
        name = suited if method == NEURAL else method
        if own.name == NEURAL:
            own = EncoderSettings(name=suited, freeze=own.freeze, fit=own.fit)
        return own if own.name == name else EncoderSettings(name=name)

    chosen: Space = {}
    for name in whom:
        if space is not None and name in space:
            chosen[name] = space[name]
            continue
        chosen[name] = {method: {} for method in methods or methods_for(fitted[name], plate.task, name, settings)}
    odd = {name: tried for name, tried in (space or {}).items() if name not in whom}
    check_space({**chosen, **odd}, cohort.modalities, fitted, base, plate.task)
    made: list[Study] = []
    for modality, some in chosen.items():
        for method, tried in some.items():
            own = base(modality, method)
            asked = dict(tried) or usual_space(own.name, settings.fit)
            made.append(Study(modality, own.name, own, asked, settings.seed + len(made), trials))
    return made
