"""Cases: each is told by kind, seed and number alone, so that any of them can be run again."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import tempfile
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from random import Random

import click

from mmlego.errors import LegoError
from tests.fuzz.guard import MOST_SECONDS, Guard, TooLong
from tests.fuzz.mutators import FOLDER, GONE, Content, Files, Link, change, mutated, of_bytes
from tests.fuzz.subjects import SUBJECTS, Subject, of_safetensors

ACCEPTED, REFUSED, FAULT = "accepted", "refused", "fault"


@dataclass(frozen=True)
class Outcome:
    """What became of a case; of a fault where, and as what."""

    number: int
    what: str
    place: str = ""
    told: str = ""


class Kind:
    """A kind of input, with a folder of its own to work in.

    Parameters
    ----------
    name
        Of the kind.
    place
        An empty folder.
    guard
        Of this process.
    """

    def __init__(self, name: str, place: Path, guard: Guard) -> None:
        self.name, self.place, self.guard = name, place, guard
        tempfile.tempdir = str(place / "temporary")
        for folder in ("outside", "temporary"):
            (place / folder).mkdir(exist_ok=True)
        (place / "outside" / "canary").write_text("untouched")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.subject: Subject = SUBJECTS[name](place)
        self.files = self.subject.files()
        self.rng = Random()

    def warm(self) -> None:
        """Use what is right once unwatched: packages that are imported make folders of their own."""
        here = self.place / "case" / "warm"
        _write(here, self.files)
        os.chdir(here)
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            self.subject.act(here, Random(0))
        os.chdir(self.place)
        shutil.rmtree(here)

    def run(self, seed: int, number: int, *, plain: bool = False, keep: bool = False) -> Outcome:
        """Run a case.

        Parameters
        ----------
        seed, number
            Of the case.
        plain
            Change nothing: what is right has to be accepted.
        keep
            Leave the mutated folder there.
        """
        rng = Random(f"{seed} {self.name} {number}")
        files: Files = self.files if plain else self._mutated(rng)
        here = self.place / "case" / str(number)
        _write(here, files)
        try:
            found = self._done(here, rng, number)
        except TooLong:  # raised again, a second later, while the first was being told
            found = Outcome(number, FAULT, "time", f"longer than {MOST_SECONDS:.0f} s")
        if not keep:
            shutil.rmtree(here, ignore_errors=True)
        return found

    def _mutated(self, rng: Random) -> Files:
        subject = self.subject
        if rng.random() < 0.2:
            name = rng.choice([*subject.targets])
            content = self.files[name]
            if name.endswith(".safetensors") and isinstance(content, bytes):
                made: dict[str, Content] = {**self.files, name: of_safetensors(content, rng, _of_header)}
                if subject.sealed is not None:
                    subject.sealed(made)
                return made
        return mutated(self.files, rng, list(subject.targets), subject.sealed)

    def _done(self, here: Path, rng: Random, number: int) -> Outcome:
        os.chdir(here)
        logging.disable(logging.CRITICAL)
        with self.guard.watching(here, self.place / "temporary") as seen, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with contextlib.redirect_stderr(io.StringIO()):
                    self.subject.act(here, rng)
                found = Outcome(number, ACCEPTED)
            except (LegoError, click.ClickException) as error:
                found = Outcome(number, REFUSED, "", str(error)[:300])
            except TooLong:
                found = Outcome(number, FAULT, "time", f"longer than {MOST_SECONDS:.0f} s")
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                found = Outcome(number, FAULT, _where(error), f"{type(error).__name__}: {str(error)[:160]}")
        os.chdir(self.place)
        if seen:
            found = Outcome(number, FAULT, "guard", "; ".join(seen)[:300])
        elif (self.place / "outside" / "canary").read_text() != "untouched" or len(
            os.listdir(self.place / "outside")
        ) > 1:
            found = Outcome(number, FAULT, "guard", "something outside was written")
        return found


def _of_header(content: bytes, rng: Random) -> bytes:
    made = change("header.json", content, rng, {})
    return made if isinstance(made, bytes) else of_bytes(content, rng, {})


def _where(error: BaseException) -> str:
    """Return the last place in our own code that an error passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "mmlego" in frame.filename.split("/")]
    if not frames:
        frames = traceback.extract_tb(error.__traceback__)[-1:]
    return f"{'/'.join(frames[-1].filename.split('/')[-2:])}:{frames[-1].lineno} {frames[-1].name}" if frames else "?"


def _write(here: Path, files: Files) -> None:
    here.mkdir(parents=True)
    for name, content in files.items():
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, Link):
            path.symlink_to(path.name if content.to == "\0self" else content.to)
        elif content == FOLDER:
            path.mkdir()
        elif content != GONE:
            raise ValueError(content)
