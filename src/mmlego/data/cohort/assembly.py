"""From the tables of single modalities and the outcome to one cohort: who is in it, and who is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from mmlego.data.cohort.outcomes import Outcome
from mmlego.data.reading.joins import by_patient, one_row_each
from mmlego.data.reading.near_ids import NearMiss, near_miss
from mmlego.data.reading.remarks import Doubtful, Dropped
from mmlego.data.reading.spellings import doubts_of_names
from mmlego.data.reading.stray_rows import sums_among
from mmlego.errors import InputError, LegoError, UnknownNameError, fault, noted
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd


def read_outcome(
    raw: pd.DataFrame | None, spec: Outcome | None, key: str | None
) -> tuple[pd.DataFrame | None, list[str], list[Dropped]]:
    """Return the outcome by patient, the columns that it stands in, and what was left out.

    Parameters
    ----------
    raw
        The table; None for a cohort without outcome.
    spec
        How to read it.
    key
        The column of patient ids; None if the index holds them.

    Raises
    ------
    InputError
        If the table cannot be read that way.
    """
    if raw is None or spec is None:
        return None, [], []
    frame, found = by_patient(raw, key, "outcome")
    start = noted()
    columns = spec.columns([str(column) for column in frame.columns])
    if noted() > start:  # what is there cannot be read without the rest
        return None, columns, found
    frame, merged = one_row_each(frame[columns], spec.rows, "outcome", ("first", "last"))
    before = noted()
    try:
        outcome, lost = spec.known(frame)
    except LegoError as error:
        if noted() == before:  # else it follows from what is noted
            fault(error)
        return None, columns, [*found, *merged]
    return None if noted() > before else outcome, columns, [*found, *merged, *lost]


def assemble(
    tables: Mapping[str, pd.DataFrame], outcome: pd.DataFrame | None, *, everybody: bool = False
) -> tuple[tuple[str, ...], dict[str, pd.DataFrame], pd.DataFrame | None, list[Dropped]]:
    """Return who is in a cohort, their tables and outcome in one order, and who is left out.

    Parameters
    ----------
    tables
        For each modality a table indexed by patient.
    outcome
        The outcome indexed by patient, or None.
    everybody
        Whether patients without an outcome are in it, too, behind the others; there is no outcome then.

    Raises
    ------
    InputError
        If nobody is left.

    Examples
    --------
    >>> import pandas as pd
    >>> rna = pd.DataFrame({"TP53": [0.1, 0.9]}, index=["b", "c"])
    >>> died = pd.DataFrame({"died": [0, 1]}, index=["a", "b"])
    >>> patients, _, _, notes = assemble({"rna": rna}, died)
    >>> patients, [str(note) for note in notes]
    (('b',), ['rna: 1 patient without outcome (c)', 'outcome: 1 patient without any modality (a)'])
    """
    summed = {name: sums_among(frame.index) for name, frame in tables.items()}
    tables = {name: frame.drop(index=summed[name]) if summed[name] else frame for name, frame in tables.items()}
    missed = _missed(tables, outcome)
    if everybody and outcome is not None:
        anyone = dict.fromkeys(patient for frame in tables.values() for patient in frame.index)
        patients = list(dict.fromkeys([patient for patient in outcome.index if patient in anyone]) | anyone)
        notes = [_bare(tables, outcome)] if set(outcome.index) - anyone.keys() else []
        outcome = None
    else:
        patients = _who(tables, outcome, missed)
        notes = [] if outcome is None else _unmatched(tables, outcome, missed)
    notes += [
        Dropped(name, f"called as what sums up others, left out: {listed(ids)}") for name, ids in summed.items() if ids
    ]
    if outcome is None:
        notes += _apart(tables)
    for name, frame in {"outcome": outcome, **tables}.items():
        notes += [] if frame is None else doubts_of_names(map(str, frame.index), name, "a patient")
    frames = {modality: in_order(frame, patients) for modality, frame in tables.items()}
    return tuple(patients), frames, None if outcome is None else outcome.loc[patients], notes


def check_known(patients: Sequence[str], known: Sequence[str], name: str, *, once: bool = False) -> list[str]:
    """Return patient ids as a list, or say which are not in a cohort.

    Parameters
    ----------
    patients
        Some patient ids.
    known
        Those of the cohort.
    name
        Its name, for messages.
    once
        Whether nobody may be named twice.

    Raises
    ------
    UnknownNameError
        If a patient is not in the cohort.
    InputError
        If there is none, or one is named twice.

    Examples
    --------
    >>> check_known(["c"], ["a", "b"], "trial")
    Traceback (most recent call last):
    ...
    mmlego.errors.UnknownNameError: 1 patient not in cohort 'trial' (c). Name patients of cohort.patients; ...
    """
    if isinstance(patients, str) or len(patients) == 0:
        raise InputError("no patients", expected="a list of at least one id", got=repr(patients))
    there = set(known)
    unknown = [str(patient) for patient in patients if patient not in there]
    if unknown:
        raise UnknownNameError(
            f"{counted(len(unknown), 'patient')} not in cohort {name!r} ({listed(unknown)})",
            remedy="Name patients of cohort.patients; cohort.dropped says who was left out.",
        )
    if once and len(set(patients)) < len(patients):
        again = [patient for patient, count in Counter(patients).items() if count > 1]
        raise InputError(f"{counted(len(again), 'patient')} named twice ({listed(again)})", expected="each once")
    return list(patients)


def in_order(frame: pd.DataFrame, patients: Sequence[str]) -> pd.DataFrame:
    """Return the rows of some patients, in their order; those whom the table lacks are left out.

    Parameters
    ----------
    frame
        A table indexed by patient.
    patients
        The patients.

    Examples
    --------
    >>> import pandas as pd
    >>> in_order(pd.DataFrame({"x": [1, 2]}, index=["a", "b"]), ["c", "b", "a"])["x"].to_dict()
    {'b': 2, 'a': 1}
    """
    if list(frame.index) == list(patients):
        return frame  # which may be large
    here = set(frame.index)
    return frame.loc[[patient for patient in patients if patient in here]]


def _missed(tables: Mapping[str, pd.DataFrame], outcome: pd.DataFrame | None) -> dict[str, NearMiss]:
    """Return by modality in which form ids that meet nobody would meet those of the outcome, or of the first table."""
    rest = dict(tables)
    if outcome is None:
        other = next(iter(rest))
        base = rest.pop(other)
    else:
        other, base = "outcome", outcome
    known, met = set(base.index), {patient for frame in tables.values() for patient in frame.index}
    found = {}
    for modality, frame in rest.items():
        here = set(frame.index)
        strangers = [patient for patient in frame.index if patient not in known]
        free = [patient for patient in base.index if patient not in (here if outcome is None else met)]
        missed = near_miss(modality, strangers, other, free or [p for p in base.index if p not in here])
        if missed is not None:
            found[modality] = missed
    return found


def _who(tables: Mapping[str, pd.DataFrame], outcome: pd.DataFrame | None, missed: Mapping[str, NearMiss]) -> list[str]:
    """Return the patients of the cohort: those of the outcome with a modality, else all with a modality."""
    anyone = dict.fromkeys(patient for frame in tables.values() for patient in frame.index)
    patients = list(anyone) if outcome is None else [patient for patient in outcome.index if patient in anyone]
    if not patients:
        theirs = listed(anyone, 2) or "nobody"
        told = [f"{modality}: {miss.found()}. {miss.remedy()}" for modality, miss in missed.items()]
        raise InputError(
            "no patient is left" if outcome is None else "no patient has both an outcome and a modality",
            expected="the same patient ids in all tables",
            got=f"{theirs} in the modalities"
            + ("" if outcome is None else f", {listed(outcome.index, 2)} in the outcome"),
            remedy=" ".join(told)
            or "Where the ids are parts of one another, id: {pattern: ...} in a section says how.",
        )
    return patients


def _unmatched(
    tables: Mapping[str, pd.DataFrame], outcome: pd.DataFrame, missed: Mapping[str, NearMiss]
) -> list[Dropped]:
    notes = []
    known = set(outcome.index)
    anyone: set[str] = set()
    for modality, frame in tables.items():
        lost = tuple(patient for patient in frame.index if patient not in known)
        anyone |= set(frame.index)
        if lost:
            miss = missed.get(modality)
            hint = "" if miss is None else f"; {miss.found()}: {miss.remedy().removesuffix('.')}"
            notes.append(Dropped(modality, f"{counted(len(lost), 'patient')} without outcome{hint}", lost))
    if set(outcome.index) - anyone:
        notes.append(_bare(tables, outcome))
    return notes


def _apart(tables: Mapping[str, pd.DataFrame]) -> list[Dropped]:
    """Return notes of ids of two modalities that would meet in another form: one patient may be two."""
    notes: list[Dropped] = []
    for (other, before), (modality, frame) in combinations(tables.items(), 2):
        here, there = set(frame.index), set(before.index)
        alone = [patient for patient in frame.index if patient not in there]
        miss = near_miss(modality, alone, other, [patient for patient in before.index if patient not in here])
        if miss is not None:
            text = f"{miss.found()} of {other}, and are taken for other patients: {miss.remedy().removesuffix('.')}"
            notes.append(Doubtful(modality, text))
    return notes


def _bare(tables: Mapping[str, pd.DataFrame], outcome: pd.DataFrame) -> Dropped:
    """Return who has an outcome and nothing else."""
    anyone = set().union(*(frame.index for frame in tables.values()))
    bare = tuple(patient for patient in outcome.index if patient not in anyone)
    return Dropped("outcome", f"{counted(len(bare), 'patient')} without any modality", bare)
