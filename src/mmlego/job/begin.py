"""How a run begins, and goes on: its split and its baseplate are made once, kept in its folder, and never changed."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from mmlego.baseplate import Baseplate
from mmlego.bounds import within
from mmlego.checkpoint import load, save
from mmlego.data import Cohort, Split, check_split, hash_patients, load_splits, save_splits
from mmlego.data.cohort.scaffolds import declared_groups
from mmlego.data.cohort.splitting import Duplicates
from mmlego.errors import InputError, LegoWarning, MismatchError
from mmlego.files import write_atomically
from mmlego.fingerprint import Fingerprint
from mmlego.json_files import read_json
from mmlego.run_folder import RunFolder
from mmlego.sections import PlateSettings, Shares
from mmlego.wording import listed

ELSEWHERE = "Choose another folder with out=PATH."


def read_split(run: RunFolder, cohort: Cohort) -> Split | None:
    """Return the split of a run folder, None if it was made for other patients than this cohort's.

    Raises
    ------
    InputError
        If it is damaged, or would leak.
    """
    try:
        known = read_json(run.split).get("patients_sha256")
    except (ValueError, AttributeError):
        known = hash_patients(cohort.patients)  # damaged: load_splits says how
    if known != hash_patients(cohort.patients):
        return None
    split = load_splits(run.split, cohort.patients)[0]
    check_split(split, cohort.patients, declared_groups(cohort))
    return split


def make_split(
    cohort: Cohort, run: RunFolder | None, test: float, validation: float, seed: int, duplicates: Duplicates
) -> Split:
    """Return the split of a run folder; make and keep it if there is none.

    Parameters
    ----------
    cohort
        The patients.
    run
        The folder; None: the split is kept nowhere.
    test, validation
        Shares of the patients.
    seed
        Of the split.
    duplicates
        As ``Cohort.split`` takes it.

    Raises
    ------
    InputError
        If the folder's split was made for other patients, the shares leave nobody to train on, or it would leak.
    """
    for name, share in (("test", test), ("validation", validation)):
        within(Shares, name, share, f"the share of {name} patients")
    if run is not None and run.split.is_file():
        split = read_split(run, cohort)
        if split is None:
            raise InputError(
                f"{run.split} was made for other patients",
                expected=f"those of {cohort.name}, as they are now",
                got="another list",
                remedy=ELSEWHERE,
            )
        return split
    train = round(1 - test - validation, 9)
    if train <= 0:
        raise InputError(
            "the shares of test and validation patients leave nobody to train on",
            expected="a sum below 1",
            got=test + validation,
        )
    split = cohort.split(duplicates=duplicates, fractions=(train, validation, test), seed=seed)[0]
    keep_split(split, cohort, run)
    return split


def keep_split(split: Split, cohort: Cohort, run: RunFolder | None) -> None:
    """Write the split to a run folder that has none."""
    if run is not None and not run.split.is_file():
        save_splits([split], cohort.patients, run.split)


def given_split(split: Split, cohort: Cohort, run: RunFolder | None) -> Split:
    """Return a split that somebody else made, checked; keep it in the run folder.

    Raises
    ------
    InputError
        If it leaks, or the folder holds another one.
    """
    check_split(split, cohort.patients, declared_groups(cohort))
    if run is not None and run.split.is_file() and read_split(run, cohort) != split:
        raise InputError(
            f"{run.split} is another split than the one given", expected="the same", got="another", remedy=ELSEWHERE
        )
    keep_split(split, cohort, run)
    return split


def claim(run: RunFolder, mark: Fingerprint, *, resume: bool) -> None:
    """Note in a folder which run makes all that is in it; refuse it if that is another one.

    Parameters
    ----------
    run
        The folder.
    mark
        The fingerprint of the run.
    resume
        Whether to go on with what stands there; else it is taken over.

    Raises
    ------
    InputError
        If another run has made what is there, or the verbs have made a merge or a fuse, by rules that nobody knows.
    """
    other = "Choose another folder, or pass resume=False to replace it."
    if resume and run.run.is_file():
        try:
            found = read_json(run.run)
        except ValueError:
            found = {}
        odd = mark.differences(found if isinstance(found, dict) else {})
        if odd:
            raise InputError(
                f"{run.place} holds another run", expected=f"the same {', '.join(odd)}", got="another", remedy=other
            )
        return
    made = [place.name for place in (run.merge, run.fuse) if place.is_dir()]
    if resume and made:
        raise InputError(
            f"{run.place} holds a model that mmlego.train did not make",
            expected="a run of mmlego.train, or blocks alone",
            got=", ".join(made),
            remedy=other,
        )
    write_atomically(run.run, json.dumps(mark.config(), indent=2) + "\n")


def plate_of(
    cohort: Cohort, train: list[str], given: Baseplate | Path | None, run: RunFolder | None, settings: PlateSettings
) -> Baseplate:
    """Return the baseplate of a run: the one given, or the one it was begun on, or a new one; and keep it there.

    Parameters
    ----------
    cohort
        The patients.
    train
        Those on whom a new one fits the task, such as its time bins.
    given
        A baseplate, or the folder of one, as from another site.
    run
        The folder; None: the baseplate is kept nowhere.
    settings
        Of a new one.

    Raises
    ------
    InputError
        If there is no outcome to make one for, or the checkpoint given is none.
    MismatchError
        If the run was begun on another one, the settings ask for another one, or the outcome is not of its coding.

    Warns
    -----
    LegoWarning
        If it lacks labels or targets that the cohort has, or events seem to be coded the other way round.
    """
    found = None
    for source in (given, None if run is None or not run.plate.is_dir() else run.plate):
        if source is None:
            continue
        plate, named = (source, "the one given") if isinstance(source, Baseplate) else (load_plate(source), str(source))
        if found is not None and plate.fingerprint != found.fingerprint:
            raise MismatchError(
                f"{'' if run is None else run.place} was begun on another baseplate than "
                f"{'the one given' if isinstance(given, Baseplate) else given}",
                expected="one baseplate",
                got="; ".join(plate.differences(found)),
                remedy=ELSEWHERE,
            )
        _check_asked(settings, plate, named)
        found = plate
    if cohort.outcome is None or cohort.outcome_spec is None:
        raise InputError("training needs an outcome", remedy="Add outcome: to the manifest.")
    if found is not None:
        cohort.outcome_spec.target(cohort.outcome, found.task)  # refused before anything is kept
        beyond = cohort.outcome_spec.beyond(cohort.outcome, found.task)
        doubt = cohort.outcome_spec.doubt(cohort.outcome, found.task)
        if doubt is not None:
            warnings.warn(f"{cohort.name}: {doubt}", LegoWarning, stacklevel=4)
        if beyond:
            text = f"The baseplate has no {listed(beyond)}: nothing is learnt of what {cohort.name} knows of it."
            warnings.warn(text, LegoWarning, stacklevel=4)
    else:
        task = cohort.outcome_spec.fit_task(cohort.outcome.loc[train])
        found = Baseplate(task, **settings.model_dump())
    if run is not None and not run.plate.is_dir():
        save(found, run.plate)
    return found


def load_plate(place: Path) -> Baseplate:
    """Return the baseplate in a folder.

    Raises
    ------
    InputError
        If something else is there.
    """
    plate = load(place)
    if not isinstance(plate, Baseplate):
        raise InputError(f"{place} holds no baseplate", expected="a Baseplate", got=type(plate).__name__)
    return plate


def settings_of(plate: Baseplate) -> PlateSettings:
    """Return the settings that a baseplate was made with."""
    return PlateSettings(**{name: value for name, value in plate.config().items() if name != "task"})


def _check_asked(asked: PlateSettings, plate: Baseplate, source: str) -> None:
    """Refuse settings of a plate that is there already, if they ask for another: they would have no effect."""
    has = plate.config()
    said = asked.model_dump(include=asked.model_fields_set)
    odd = [f"{name}: {has[name]} ≠ {value}" for name, value in said.items() if has[name] != value]
    if odd:
        raise MismatchError(
            f"the settings ask for another baseplate than {source}",
            expected="plate.* as it is there, or not set",
            got="; ".join(odd),
            remedy="A baseplate never changes: leave these settings out, or begin another run without it.",
        )
