"""Every error of a manifest, in every kind: what it tells to declare is tried, and the section takes it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmlego.data import Cohort
from mmlego.data.cohort.outcomes import OUTCOMES
from mmlego.data.kinds.registry import KINDS
from mmlego.errors import LegoError
from tests.contracts.test_kinds import SUBJECTS

PATIENTS = ("01", "02", "03", "04", "05", "06")
Manifest = dict[str, Any]
# What a manifest says of a key that it does not take, or not so.
NOT_TAKEN = re.compile(r"unknown key|is wrong|means? nothing|is missing|names no")
_VALUE = r"(\[[^\]]*\]|\{(?:[^{}]|\{[^{}]*\})*\}|'[^']*'|\"[^\"]*\"|[\w*]+)"


@dataclass(frozen=True)
class Proposal:
    """What an error tells to do: set a key in a part of the manifest, or write one word for another."""

    place: str
    key: str
    value: object

    def apply(self, manifest: Manifest) -> Manifest:
        if self.place == "everywhere":
            return yaml.safe_load(re.sub(rf"\b{re.escape(self.key)}(?!\w)", str(self.value), yaml.safe_dump(manifest)))
        parts = {"top": manifest, "outcome": manifest.get("outcome"), "split": manifest.get("split")}
        part = parts.get(self.place) or manifest["modalities"][self.place]
        part[self.key] = self.value
        return manifest


def proposals(message: str, words: list[str]) -> list[Proposal]:
    """Return what a message tells to declare; ``...`` in a list stands for the words of the file."""
    renamed = re.search(r"Did you mean '([^']+)'\?", message)
    if renamed:
        wrong = re.findall(
            r"(?:unknown key|no column|there is no file(?: or folder)?|matches|variable) '([^']+)'", message
        )
        return [Proposal("everywhere", Path(wrong[0]).name, renamed[1])] if wrong else []
    place = re.search(r"in the section of (\w+)", message)
    of_outcome = re.search(r"\boutcome\b", message.split(": expected")[0])
    at_the_top = "at the top of the manifest" in message
    where = place[1] if place else "top" if at_the_top else "outcome" if of_outcome else "m"
    known = {name for model in (*KINDS.values(), *OUTCOMES.values()) for name in model.model_fields}
    told = re.findall(rf"\b({'|'.join(sorted(known))}): {_VALUE}", message.split("got ")[-1])
    filled = [(key, text.replace("...", ", ".join(map(repr, words)))) for key, text in told]
    return [Proposal(where, key, yaml.safe_load(text)) for key, text in filled]


def read(folder: Path, manifest: Manifest) -> str | None:
    """Return what goes wrong with a manifest, None if nothing."""
    (folder / "cohort.yaml").write_text(yaml.safe_dump(manifest))
    try:
        cohort = Cohort.from_manifest(folder / "cohort.yaml")
        cohort.prepare(cohort.patients)
    except LegoError as error:
        return str(error)
    return None


def check(folder: Path, manifest: Manifest, words: list[str]) -> list[Proposal]:
    """Have a manifest refused, and try what the error proposes."""
    message = read(folder, manifest)
    assert message is not None, "the mistake is none"
    found = proposals(message, words)
    for proposal in found:
        after = read(folder, proposal.apply(yaml.safe_load(yaml.safe_dump(manifest))))
        assert after is None or (after != message and not NOT_TAKEN.search(after)), (
            f"{message}\n  told to set {proposal}, and then\n{after}"
        )
    return found


def cohort_of(kind: str, folder: Path) -> Manifest:
    SUBJECTS[kind].write(folder, {patient: row for row, patient in enumerate(PATIENTS)})
    lines = [f"{patient},{row % 2}" for row, patient in enumerate(PATIENTS)]
    (folder / "o.csv").write_text("\n".join(["id,died", *lines]))
    outcome = {"task": "classification", "file": "o.csv", "label": "died"}
    return {"key": "id", "outcome": outcome, "modalities": {"m": {"kind": kind, **SUBJECTS[kind].section}}}


def main_file(kind: str, folder: Path) -> Path:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "o.csv"]
    return next(path for path in found if path.name.startswith(("m.", "m_01", "01")))


def twice(kind: str, folder: Path, manifest: Manifest) -> None:
    """Give a patient two files, stays or rows that differ."""
    main = main_file(kind, folder)
    if main.name.startswith("m_"):
        suffix = "".join(main.suffixes)
        shutil.copy(folder / f"m_02{suffix}", folder / f"m_01_b{suffix}")
        manifest["modalities"]["m"]["pattern"] = f"m_{{key}}*{suffix}"
    elif main.name == "01.txt":
        (main.parent / "01_b.txt").write_text(main.read_text().replace("80", "81").replace("01:30", "01:31"))
    elif main.suffix == ".fasta":
        main.write_text(main.read_text() + ">01\nACGTACGT\n")
    else:
        lines = main.read_text().splitlines()
        main.write_text("\n".join([*lines, lines[2].replace("02", "01", 1)]))


def damaged(kind: str, folder: Path, manifest: Manifest) -> None:
    """Have one patient's data be none."""
    main = main_file(kind, folder)
    if main.suffix == ".csv":
        lines = main.read_text().splitlines()
        main.write_text("\n".join([lines[0], f"{lines[1].split(',')[0]},C(C((", *lines[2:]]))
    elif main.suffix == ".fasta":
        main.write_text(main.read_text().replace("ACGT", "A!GT", 1).replace("\nA", "\n!", 1))
    else:
        main.write_bytes(b"Time,Parameter,Value\n00:00,id" if main.suffix == ".txt" else b"\x00damaged")


def other_ids(kind: str, folder: Path, manifest: Manifest) -> None:
    text = (folder / "o.csv").read_text()
    (folder / "o.csv").write_text(text.replace("\n0", "\nP-0"))


def misspelt_key(kind: str, folder: Path, manifest: Manifest) -> None:
    section = manifest["modalities"]["m"]
    key = next(name for name in section if name != "kind")
    section[f"{key[:-2]}{key[-1]}{key[-2]}"] = section.pop(key)


def misspelt_file(kind: str, folder: Path, manifest: Manifest) -> None:
    section = manifest["modalities"]["m"]
    for key in ("file", "edges"):
        if key in section:
            name = section[key]
            section[key] = f"{name[:-2]}{name[-1]}{name[-2]}"


MISTAKES: dict[str, Callable[[str, Path, Manifest], None]] = {
    "twice": twice,
    "damaged": damaged,
    "other_ids": other_ids,
    "misspelt_key": misspelt_key,
    "misspelt_file": misspelt_file,
}
# Where a mistake is none, or no key of the section mends it.
FREE = {
    ("twice", "graph"): "edges add up",
    ("twice", "static"): None,
    ("damaged", "table"): "a category",
    ("damaged", "omics"): None,
    ("damaged", "graph"): None,
    ("damaged", "text"): "a text like another",
}


@pytest.mark.parametrize("kind", [kind for kind in SUBJECTS if kind != "signal"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_an_error_of_a_kind_proposes_is_taken(mistake: str, kind: str, tmp_path: Path) -> None:
    manifest = cohort_of(kind, tmp_path)
    assert read(tmp_path, manifest) is None
    MISTAKES[mistake](kind, tmp_path, manifest)
    if mistake == "misspelt_file" and "pattern" in SUBJECTS[kind].section:
        return
    message = read(tmp_path, manifest)
    if (mistake, kind) in FREE and message is None:
        return
    found = check(tmp_path, manifest, [])
    assert found or (mistake, kind) in FREE, f"nothing to do is proposed: {message}"


@dataclass(frozen=True)
class Case:
    """A mistake of a manifest as such: what the outcome and its file say, and what else is there."""

    outcome: dict[str, object]
    rows: str
    more: dict[str, object] = field(default_factory=dict)
    words: tuple[str, ...] = ()


CLASSES = {"task": "classification", "label": "y"}
SURVIVAL = {"task": "survival", "time": "t", "event": "y", "event_when": "1"}
DATES = {"task": "survival", "start": "s", "end": "t", "unit": "days", "event": "y", "event_when": "1"}
NUMBERS = {"task": "regression", "target": "t"}
CASES = {
    "rows of a class": Case(CLASSES, "id,y\n01,a\n01,b\n02,b\n03,a"),
    "rows of a time": Case(SURVIVAL, "id,t,y\n01,1,1\n01,2,0\n02,3,1\n03,4,0\n04,5,1\n05,6,1"),
    "a class None": Case(CLASSES, "id,y\n01,a\n02,None\n03,b", words=("a", "b")),
    "classes alike": Case(CLASSES, "id,y\n01,Male\n02,male\n03,Female", words=("Female",)),
    "other classes": Case({**CLASSES, "classes": ["0", "1"]}, "id,y\n01,00\n02,01\n03,01"),
    "an event None": Case(SURVIVAL, "id,t,y\n01,1,1\n02,2,None\n03,3,1\n04,1,0", words=("0",)),
    "decimal commas": Case(NUMBERS, 'id,t\n01,"1,5"\n02,"2,5"\n03,"0,5"'),
    "dates in two ways": Case(DATES, "id,s,t,y\n01,01/02/2020,01/03/2020,1\n02,01/02/2020,02/03/2020,1\n03,,,0"),
    "a column misspelt": Case({**CLASSES, "label": "stauts"}, "id,status\n01,a\n02,b\n03,a"),
    "a key misspelt": Case({"task": "survival", "time": "t", "evnet": "y", "event_when": "1"}, "id,t,y\n01,1,1"),
    "zeros in front": Case(CLASSES, "id,y\n1,a\n2,b\n3,a"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_an_error_of_the_outcome_proposes_is_taken(case: str, tmp_path: Path) -> None:
    given = CASES[case]
    manifest = cohort_of("table", tmp_path)
    (tmp_path / "o.csv").write_text(given.rows)
    manifest["outcome"] = {**given.outcome, "file": "o.csv"}
    manifest |= given.more
    assert check(tmp_path, manifest, list(given.words)), "nothing to do is proposed"
