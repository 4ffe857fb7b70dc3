"""What a report is about: models, the cohort, who of it nobody trained on, and what an experiment measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mmlego.baseplate import Baseplate
from mmlego.bench import Results, read_results
from mmlego.checkpoint import load
from mmlego.checkpoint_config import read_config
from mmlego.data import Cohort
from mmlego.data.cohort.manifest_files import Wanted
from mmlego.errors import InputError
from mmlego.job.begin import read_split
from mmlego.job.memory import NO, trained_on
from mmlego.job.predicting import completed, wanted_of
from mmlego.job.trained_on import known_manifest
from mmlego.kept_answers import origins_of
from mmlego.run_folder import RunFolder, makers_of, runs_of
from mmlego.tasks import Task
from mmlego.training.evaluate import Model

if TYPE_CHECKING:
    from mmlego.data import Split

Part: TypeAlias = Literal["auto", "all"]
MERGE, FUSE = "LegoMerge", "LegoFuse"


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Parameters
    ----------
    models
        By label: the modality of a block, ``LegoMerge``, ``LegoFuse``.
    configs
        Their configurations, by the same labels.
    cohort
        The patients, with their outcome; None where only the results of an experiment are known.
    who
        Patient ids by part: ``train``, ``validation`` and ``test``; empty where no split is known.
    held_out
        Whom performance is measured on.
    manifest
        Where the cohort was read from.
    folders
        Where its files lie.
    bench
        What an experiment measured.
    by_word
        Whether it is by the word of the user alone that nobody trained on ``held_out``.
    unsure
        The models of which the run that they lie in cannot tell whether they were trained on some of ``held_out``.
    """

    models: Mapping[str, Model]
    configs: Mapping[str, Mapping[str, Any]]
    cohort: Cohort | None
    who: Mapping[str, Sequence[str]]
    held_out: tuple[str, ...]
    manifest: Path | None = None
    folders: tuple[Path, ...] = ()
    bench: Results | None = None
    by_word: bool = False
    unsure: tuple[str, ...] = ()

    @property
    def main(self) -> str | None:
        """The model that the report is about first: what was made last, chosen before anybody saw a score."""
        return next((label for label in (FUSE, MERGE) if label in self.models), next(iter(self.models), None))

    @property
    def task(self) -> Task | None:
        """The task of the models."""
        return None if self.main is None else self.models[self.main].task

    @property
    def fitting(self) -> list[str]:
        """All training and validation patients."""
        return [*self.who.get("train", ()), *self.who.get("validation", ())]


def open_subject(
    source: Path,
    data: Path | None = None,
    *,
    folders: Sequence[Path] | None = None,
    links: bool = False,
    bench: Path | None = None,
    part: Part = "auto",
    missing_columns: float = 0.05,
    aliases: Mapping[str, str] | None = None,
) -> Subject:
    """Return what lies in a run folder, a checkpoint or the folder of an experiment.

    Parameters
    ----------
    source
        Any of these, or ``results.json``.
    data
        The manifest of the cohort; None: that which the run was trained on, if it knows it.
    folders, links
        As ``Cohort.from_manifest`` takes them.
    bench
        The results of an experiment, beside a run or a model.
    part
        ``auto``: those whom the run held back; ``all``: everybody, where the models were trained on others.
    missing_columns, aliases
        As :func:`mmlego.job.predicting.completed` takes them.

    Raises
    ------
    InputError
        If it is none of these, the cohort is not known, or nobody knows whom the models were trained on.
    """
    if not source.exists():
        raise InputError(f"{source} not found", expected="a run folder, a checkpoint, or results of mmlego bench")
    if source.is_file() or RunFolder(source).results.is_file():
        return _of_bench(source, data, folders, links, bench)
    places = _checkpoints(source)
    models = {label: load(place) for label, place in places.items()}
    odd = [label for label, model in models.items() if isinstance(model, Baseplate)]
    if odd:
        raise InputError(f"{source} holds no model", expected="a block, merge or fuse", got="a Baseplate")
    run = next(iter(runs_of([source])), None)
    manifest, given = _manifest(source, data, folders, run)
    reading = wanted_of(models.values(), aliases=dict(aliases or {}), everybody=False)
    cohort = Cohort.from_manifest(manifest, folder=list(given) or None, links=links, wanted=reading)
    if cohort.outcome is None:
        raise InputError(
            f"a report needs an outcome, and {cohort.name} has none", remedy="Add outcome: to the manifest."
        )
    for model in models.values():
        cohort = completed(model, cohort, missing_columns=missing_columns)
    configs = {label: read_config(place) for label, place in places.items()}
    who, held_out = _parts(cohort, run, source, part)
    results = None if bench is None else read_results(bench)
    told = (
        [] if part == "all" else [label for label in models if _unsure(models[label], places[label], cohort, held_out)]
    )
    by_word = part == "all"
    return Subject(models, configs, cohort, who, held_out, manifest, given, results, by_word, tuple(told))


def _of_bench(
    source: Path, data: Path | None, folders: Sequence[Path] | None, links: bool, bench: Path | None
) -> Subject:
    if bench is not None:
        raise InputError(f"{source} is an experiment itself", remedy="Leave --bench out, or name a run folder first.")
    given = tuple(folders or ())
    cohort = (
        None if data is None else Cohort.from_manifest(data, folder=list(given) or None, links=links, wanted=Wanted())
    )
    results = read_results(source)
    if cohort is not None and not results.outcome.keys() <= set(cohort.patients):
        raise InputError(
            f"{source} measured other patients than those of {cohort.name}",
            expected="the manifest of the experiment",
            remedy="Leave --data out, or name the manifest that mmlego bench read.",
        )
    return Subject({}, {}, cohort, {}, (), data, given, results)


def _checkpoints(source: Path) -> dict[str, Path]:
    run = RunFolder(source)
    if (source / "config.json").is_file():
        return {_label(source): source}
    if not run.has_blocks():
        raise InputError(
            f"{source} is nothing to report on",
            expected="a run folder of mmlego train, a checkpoint, or results of mmlego bench",
        )
    return {_label(place): place for place in run.models()}


def _label(place: Path) -> str:
    config = read_config(place)
    kind = str(config["kind"])
    if kind == "block":
        return str(config["blocks"][0]["modality"])
    return {"merge": MERGE, "fuse": FUSE}.get(kind, kind)


def _unsure(model: Model, place: Path, cohort: Cohort, held_out: Sequence[str]) -> bool:
    """Return whether some of those held out may have had a part in making a model, as one that was sent here."""
    origins = {block: run for block, (run, _) in origins_of(place).items()}
    known = trained_on(model, makers_of([place]), cohort, origins=origins, out_of_fold=True)
    return any(known[patient] != NO for patient in held_out)


def _manifest(
    source: Path, data: Path | None, folders: Sequence[Path] | None, run: RunFolder | None
) -> tuple[Path, tuple[Path, ...]]:
    if data is not None:
        return data, tuple(folders or ())
    known = None if run is None else known_manifest(run)
    if known is None:
        raise InputError(
            f"{source} does not know which cohort it was trained on",
            expected="the manifest",
            got="none",
            remedy="Pass --data MANIFEST.",
        )
    return known[0], tuple(folders) if folders else known[1]


def _parts(
    cohort: Cohort, run: RunFolder | None, source: Path, part: Part
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    if part == "all":
        return {}, tuple(cohort.patients)
    remedy = "Pass --part all if the models were not trained on these patients."
    if run is None:
        raise InputError(
            f"no split.json beside {source}: nobody knows whom it was trained on",
            expected="a run folder, or a model in one",
            remedy=remedy,
        )
    split: Split | None = read_split(run, cohort)
    if split is None:
        raise InputError(
            f"{run.split.name} of {run.place.name} was made for other patients",
            expected=f"those of {cohort.name}, as they are now",
            got="another list",
            remedy=remedy,
        )
    who = split.named(cohort.patients)
    return who, tuple(who["test"])
