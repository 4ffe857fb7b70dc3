"""The manifest: one YAML file that names the patients' key, the outcome and each modality."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError

from mmlego.data.cohort.manifest_yaml import ManifestLoader
from mmlego.data.cohort.outcomes import OUTCOMES, Outcome
from mmlego.data.kinds import KINDS
from mmlego.data.kinds.source import Source
from mmlego.data.memory.checks import check_names
from mmlego.data.reading.ids import IdForm
from mmlego.data.reading.joins import RowRule
from mmlego.data.reading.places import asked
from mmlego.data.splits.rules import SplitRule
from mmlego.errors import InputError
from mmlego.sites import AT, MOST_LETTERS, is_folder_name
from mmlego.wording import listed, meant, shortened
from mmlego.yaml_knots import read_yaml, text_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)


class Manifest(BaseModel):
    """A whole manifest, checked.

    Parameters
    ----------
    name
        The name of the cohort.
    key
        The column of patient ids, in every file.
    id
        The form of patient ids in all files but those whose sections have one of their own.
    outcome
        What is predicted; None for a cohort that is only predicted on.
    modalities
        For each modality where it comes from, in order.
    split
        Which patients must stay on one side of a split; None if each is for himself.
    roots
        Further folders under which files lie, relative to the manifest; those with a name can begin a path.
    links
        Whether links may lead out of these folders.
    min_patients
        How many training patients what preprocessing learns stands for, in all sections that do not say it themselves.

    Examples
    --------
    >>> from mmlego.data import TableSource
    >>> Manifest(key="id", modalities={"rna": TableSource(file="rna.csv")}).name
    'cohort'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "cohort"
    key: str
    id: IdForm | None = None
    outcome: Outcome | None = None
    modalities: dict[str, SerializeAsAny[Source]]
    split: SplitRule | None = None
    roots: list[str] | dict[str, str] = Field(default_factory=list)
    links: bool = False
    min_patients: int | None = Field(default=None, ge=1)


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    r"""Read and check a manifest.

    Parameters
    ----------
    path
        The YAML file.

    Returns
    -------
    Manifest
        The manifest.

    Raises
    ------
    InputError
        If the file cannot be read, or a section is wrong; an unknown key is named with the nearest known one.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "cohort.yaml"
    ...     _ = path.write_text("key: id\nmodalities: {rna: {kind: table, file: rna.csv}}")
    ...     list(read_manifest(path).modalities)
    ['rna']
    """
    return parse_manifest(load_manifest(path), Path(path).name)


def load_manifest(path: str | os.PathLike[str]) -> object:
    """Return what the YAML of a manifest holds, unchecked.

    Parameters
    ----------
    path
        The YAML file.

    Raises
    ------
    InputError
        If the file cannot be read, is not YAML, or holds nothing.
    """
    source = Path(path)
    text = asked(lambda: text_of(source, "manifest"), str(source))
    try:
        content = read_yaml(text, ManifestLoader)
    except yaml.YAMLError as error:
        raise InputError(f"the manifest {source.name} is not YAML ({error})") from error
    if content is None:
        remedy = "mmlego init FILE... -o cohort.yaml writes a first one from the files of the patients."
        raise InputError(f"the manifest {source.name} is empty", expected="key: and modalities:", remedy=remedy)
    return content


def parse_manifest(content: object, where: str = "manifest") -> Manifest:
    """Check a manifest that is already in memory.

    Parameters
    ----------
    content
        What the YAML holds: nested mappings.
    where
        The file, for messages.

    Returns
    -------
    Manifest
        The manifest.

    Raises
    ------
    InputError
        If a section is wrong.

    Examples
    --------
    >>> manifest = parse_manifest({"key": "id", "modalities": {"rna": {"kind": "table", "file": "rna.csv"}}})
    >>> manifest.modalities["rna"].kind
    'table'
    """
    top = dict(_mapping(content, where))
    sections = _mapping(top.get("modalities", {}), f"{where}: modalities")
    if not sections:
        raise InputError(f"{where} has no modalities", expected="modalities: with at least one")
    for name in sections:
        _check_name(name, where)
    shared = {key: top[key] for key in ("min_patients",) if top.get(key) is not None}
    top["modalities"] = {
        name: parse_source({**shared, **_mapping(part, said)}, said, files=True)
        for name, part in sections.items()
        for said in [f"{where}: modality {name}"]
    }
    if top.get("outcome") is not None:
        outcome = parse_outcome(top["outcome"], f"{where}: outcome")
        if outcome.file is None:
            raise InputError(f"{where}: outcome names no file", remedy="Add file: to the section.")
        top["outcome"] = outcome
    if top.get("split") is not None:
        top["split"] = check_section(SplitRule, _mapping(top["split"], f"{where}: split"), f"{where}: split")
    return check_section(Manifest, top, where)


def parse_outcome(content: object, where: str = "outcome") -> Outcome:
    """Check the outcome section of a manifest.

    Parameters
    ----------
    content
        The section: ``task`` and the columns that go with it.
    where
        The section, for messages.

    Raises
    ------
    InputError
        If the task is unknown, or a key is missing, unknown or of the wrong type.

    Examples
    --------
    >>> parse_outcome({"task": "classification", "label": "died"}).label
    'died'
    """
    return _chosen(OUTCOMES, "task", content, where)


def check_section(model: type[M], content: Mapping[str, object], where: str) -> M:
    """Check a section against its model, and say what is wrong in the words of the file.

    Parameters
    ----------
    model
        The model of the section.
    content
        What the file holds.
    where
        The section, for messages.

    Raises
    ------
    InputError
        For the first thing that is wrong.

    Examples
    --------
    >>> from mmlego.data import TableSource
    >>> check_section(TableSource, {"kind": "table", "file": "a.csv", "colums": "*"}, "rna")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: rna: unknown key 'colums'. Did you mean 'columns'?
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # A misspelt key is missing, too; the hint is the better remedy.
        faults = _by_value(error.errors())
        first = next((alike for alike in faults if alike[0]["type"] == "extra_forbidden"), faults[0])
        raise _in_words(first, model, where) from None


def section_faults(model: type[BaseModel], content: Mapping[str, object], where: str) -> list[InputError]:
    """Return all that is wrong with a section, not the first thing alone.

    Parameters
    ----------
    model, content, where
        As :func:`check_section` takes them.

    Examples
    --------
    >>> from mmlego.data import TableSource
    >>> len(section_faults(TableSource, {"kind": "table", "colums": "*", "keep": 0}, "rna"))
    2
    """
    try:
        model.model_validate(content)
    except ValidationError as error:
        return [_in_words(alike, model, where) for alike in _by_value(error.errors())]
    return []


def _by_value(faults: Sequence[ErrorDetails]) -> list[list[ErrorDetails]]:
    """Return faults by the key whose value is wrong: where it may be one of several things, each is told apart."""
    groups: dict[object, list[ErrorDetails]] = {}
    for number, fault in enumerate(faults):
        alone = not fault["loc"] or fault["type"] in ("extra_forbidden", "missing")
        groups.setdefault(number if alone else str(fault["loc"][0]), []).append(fault)
    return list(groups.values())


def _in_words(faults: Sequence[ErrorDetails], model: type[BaseModel], where: str) -> InputError:
    """Return what pydantic found of one value in the words of the file."""
    fault = faults[0]
    if not fault["loc"]:
        return InputError(f"{where}: {fault['msg'].removeprefix('Value error, ')}")
    key = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden" and len(fault["loc"]) > 1:
        return InputError(f"{where}: unknown key {fault['loc'][-1]!r} in {key!r}")
    if fault["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in model.model_fields.items()]
        return InputError(f"{where}: unknown key {key!r}", remedy=meant(key, known))
    if fault["type"] == "missing":
        return InputError(f"{where}: {key!r} is missing", remedy=f"Add {key}: to the section.")
    remedy = None
    if fault["type"] == "string_type" and isinstance(fault["input"], bool | int | float | datetime.date):
        remedy = "YAML reads it as something else than text: put it in quotes."
    said = dict.fromkeys(one["msg"].removeprefix("Value error, ") for one in faults)
    first, *others = said
    text = ", or ".join([first, *(other.removeprefix("Input should be ") for other in others)])
    if fault["type"] == "too_short":
        text, remedy = "an empty list", "Name at least one, or leave the key out."
    return InputError(f"{where}: {key!r} is wrong ({text})", got=repr(fault["input"]), remedy=remedy)


def parse_source(content: object, where: str = "modality", *, files: bool = False) -> Source:
    """Check a modality's section of a manifest.

    Parameters
    ----------
    content
        The section: ``kind`` and the keys that go with it.
    where
        The section, for messages.
    files
        Whether it has to say which files it is read from.

    Raises
    ------
    InputError
        If the kind is unknown, or a key is missing, unknown or of the wrong type.

    Examples
    --------
    >>> parse_source({"kind": "table", "columns": "*_rnaseq"}).columns
    '*_rnaseq'
    """
    source = _chosen(KINDS, "kind", content, where)
    for name in source.needs if files else ():
        if getattr(source, name) is None:
            raise InputError(f"{where} names no {name}", remedy=f"Add {name}: to the section.")
    if files and (told := source.unplaced()):
        raise InputError(f"{where}: {told}")
    return source


def sources_of_frames(
    names: Sequence[str],
    rows: RowRule | Mapping[str, RowRule],
    keep: Mapping[str, int],
    kinds: Mapping[str, Mapping[str, object]],
) -> dict[str, Source]:
    """Return how each table in memory is read: as plain tables, but for those of another kind.

    Parameters
    ----------
    names
        The modalities.
    rows, keep, kinds
        As :meth:`Cohort.from_frames` takes them.

    Raises
    ------
    InputError
        If there are none, or a section is wrong.
    UnknownNameError
        If a modality is not there.

    Examples
    --------
    >>> sources_of_frames(["rna"], "first", {"rna": 50}, {})["rna"].keep
    50
    """
    if not names:
        raise InputError("a cohort without modalities", remedy="Give at least one, as {'rna': frame}.")
    for name in names:
        _check_name(name, "frames")
    for said in (rows if isinstance(rows, Mapping) else {}, keep, kinds):
        check_names(list(said), names)
    rules = rows if isinstance(rows, Mapping) else dict.fromkeys(names, rows)
    plain = {name: {"kind": "table", "rows": rules.get(name, "error"), "keep": keep.get(name)} for name in names}
    return {name: parse_source(kinds.get(name, plain[name]), f"modality {name}") for name in names}


def _check_name(name: str, where: str) -> None:
    """Refuse a name of a modality that cannot be that of a folder: its block and its logs are kept under it."""
    if AT in name or not is_folder_name(name) or len(name) > MOST_LETTERS:
        expected = f"1 to {MOST_LETTERS} letters, without slashes and {AT}, and no dot or space at its ends"
        raise InputError(
            f"{where}: a modality cannot be called {shortened(name)!r}",
            expected=expected,
            remedy="Its block is saved in a folder of that name: give it another.",
        )


def _chosen(known: Mapping[str, type[M]], key: str, content: object, where: str) -> M:
    """Check a section whose model one of its keys names."""
    section = _mapping(content, where)
    name = section.get(key)
    if not isinstance(name, str) or name not in known:
        got = "nothing" if name is None else repr(name)
        raise InputError(f"{where}: unknown {key}", expected=f"{key}: one of {listed(known, 30)}", got=got)
    return check_section(known[name], section, where)


def _mapping(content: object, where: str) -> Mapping[str, object]:
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        raise InputError(f"{where} is not a section", expected="names with values", got=type(content).__name__)
    return content
