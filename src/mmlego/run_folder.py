"""Where a run keeps what it makes: the one layout that training, the main job, experiments and the verbs share.

A run folder holds ``plate/`` (share it with other sites before they train), ``blocks/NAME/``, ``merge/``, ``fuse/``,
``settings.yaml`` (all settings in force) and ``modalities.json`` (their order in the cohort). What tells of single
patients, or of this machine, is in ``private/``, which opens to its owner alone: ``split.json`` (which patients nobody
trained on), ``made.json`` (hashes of the checkpoints that were made here), ``trained_on.json`` (the way to the
manifest, where ``mmlego train`` made the run), ``run.json`` (the fingerprint of the run that made all of it) and
``fits/`` (histories and logs, from which an interrupted run goes on). That of an experiment holds there ``cells/``, a
file for each run that is done or has failed, and ``results.json``.

Runs that were begun before there was ``private/`` have these files beside the others, and keep them there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmlego.errors import InputError
from mmlego.files import PRIVATE, make_folder, write_atomically
from mmlego.json_files import read_json
from mmlego.sites import is_folder_name

# In the folder of a fit: its description, the state to go on from, the best weights, a row an epoch, logs.
RUN, LAST, BEST, HISTORY, LOGS = "run.json", "last.ckpt", "best.safetensors", "history.csv", "tensorboard"
FEATURES = "features"  # in the folder of a fit until it is finished: what frozen encoders made of patients
MADE, CONFIG = "made.json", "config.json"
_ANEW = "anew"  # in the folder of a fit while a block that is there already is trained anew


@dataclass(frozen=True)
class RunFolder:
    """The places in a run folder; none of them is made by asking for it.

    Parameters
    ----------
    place
        The folder.

    Examples
    --------
    >>> RunFolder(Path("runs/mine")).block("rna").as_posix()
    'runs/mine/blocks/rna'
    """

    place: Path

    @property
    def private(self) -> Path:
        """What tells of single patients: it stays at home."""
        return self.place / PRIVATE

    @property
    def plate(self) -> Path:
        """The baseplate."""
        return self.place / "plate"

    @property
    def blocks(self) -> Path:
        """The folder of all blocks."""
        return self.place / "blocks"

    @property
    def merge(self) -> Path:
        """The merged model."""
        return self.place / "merge"

    @property
    def fuse(self) -> Path:
        """The fused model."""
        return self.place / "fuse"

    @property
    def split(self) -> Path:
        """Who trains, who validates, who is held back."""
        return self._kept("split.json")

    @property
    def settings(self) -> Path:
        """All settings in force."""
        return self.place / "settings.yaml"

    @property
    def modalities(self) -> Path:
        """The modalities of the cohort, in its order: that of the blocks in whatever is made of them."""
        return self.place / "modalities.json"

    @property
    def trained_on(self) -> Path:
        """The way from here to the manifest, and to the folders of its files."""
        return self._kept("trained_on.json")

    @property
    def run(self) -> Path:
        """The fingerprint of the run."""
        return self._kept(RUN)

    @property
    def results(self) -> Path:
        """The results of an experiment."""
        return self._kept("results.json")

    @property
    def cells(self) -> Path:
        """The folder of the runs that an experiment consists of, a file each."""
        return self._kept("cells")

    @property
    def splits(self) -> Path:
        """The folder where earlier versions kept an experiment's splits."""
        return self._kept("splits")

    def block(self, modality: str) -> Path:
        """Return the place of a modality's block."""
        return self.blocks / modality

    def fit(self, name: str) -> Path:
        """Return where the training of a block, or the tuning of a fuse, keeps its history and its state."""
        return self._kept("fits") / name

    def has_blocks(self) -> bool:
        """Return whether this is the folder of a run rather than a checkpoint."""
        return self.blocks.is_dir()

    def made(self, place: Path) -> bool:
        """Return whether what lies in it was made by this run, as far as it has noted that: models may be sent there.

        Parameters
        ----------
        place
            A checkpoint in the folder, or the folder itself.
        """
        whole, own = place.resolve(), self.place.resolve()
        if whole == own:
            return True
        notes = self._notes()
        if notes:  # a checkpoint of a run that is older is told by its place alone
            return whole.is_relative_to(own) and notes.get(whole.relative_to(own).as_posix()) == _hash_told(whole)
        return self.fit(whole.name).is_dir() or (whole.parent == own and self.has_blocks())

    def note(self, place: Path, sha256: str) -> None:
        """Note that a checkpoint was made here: one that is copied to its place since has another hash.

        Parameters
        ----------
        place
            Of the checkpoint, in the folder.
        sha256
            As its configuration has it.
        """
        name = place.resolve().relative_to(self.place.resolve()).as_posix()
        notes = {one: told for one, told in self._notes().items() if (self.place / one).is_dir()}
        make_folder(self.private)
        write_atomically(self.private / MADE, json.dumps(notes | {name: sha256}, indent=2, sort_keys=True) + "\n")

    def _notes(self) -> dict[str, str]:
        """Return by place the hashes of what was made here; none of a run that is older, or whose notes are damaged."""
        try:
            notes = read_json(self.private / MADE)
        except (OSError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}

    def saved_blocks(self) -> list[Path]:
        """Return the blocks that are there, in the order of the cohort; those that it does not know last, by name.

        What an interrupted save left there has a dot before it, and does not count.

        Raises
        ------
        InputError
            If the file of that order is damaged.
        """
        found = sorted(path for path in self.blocks.iterdir() if path.is_dir() and not path.name.startswith("."))
        places = {name: place for place, name in enumerate(self._order())}
        return sorted(found, key=lambda path: places.get(path.name, len(places)))

    def begin(self, modalities: Iterable[str], *, anew: bool = False) -> None:
        """Mark modalities whose blocks are to be trained, or to be trained anew: those that are there are older."""
        for name in modalities:
            make_folder(self.fit(name))
            if anew:
                (self.fit(name) / _ANEW).touch()

    def end(self, modality: str) -> None:
        """Mark a modality whose block was saved."""
        (self.fit(modality) / _ANEW).unlink(missing_ok=True)

    def lacking(self) -> list[str]:
        """Return the modalities whose training was begun and has not ended, in the order of the cohort.

        They have no block, or one of before they were to be trained anew.

        Raises
        ------
        InputError
            If the file of that order is damaged.
        """
        there = {path.name for path in self.saved_blocks()}
        begun = [name for name in self._order() if self.fit(name).is_dir()]
        return [name for name in begun if name not in there or (self.fit(name) / _ANEW).is_file()]

    def _kept(self, name: str) -> Path:
        """Return the place of something private: where it is, in a run that was begun before there was ``private/``."""
        old = self.place / name
        new = self.private / name
        return old if old.exists() and not new.exists() else new

    def _order(self) -> list[str]:
        """Return the modalities in the order of the cohort; none where the run is older than the file of it."""
        if not self.modalities.is_file():
            return []
        try:
            names = read_json(self.modalities)
        except ValueError:
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) and is_folder_name(name) for name in names):
            raise InputError(
                f"{self.modalities} is no list of modalities",
                expected="their names, in the order of the cohort",
                remedy="Delete it: blocks are then taken in the order of their names. mmlego train writes it anew.",
            )
        return names

    def models(self, *, plate: bool = False) -> list[Path]:
        """Return the checkpoints that are there: blocks, merge and fuse; on request the baseplate before them."""
        found = [self.plate] if plate and self.plate.is_dir() else []
        return [*found, *self.saved_blocks(), *(path for path in (self.merge, self.fuse) if path.is_dir())]


def runs_of(places: Iterable[Path]) -> list[RunFolder]:
    """Return the run folders that checkpoints lie in, or that are named themselves: those with a split.

    Parameters
    ----------
    places
        Run folders and checkpoints.

    Examples
    --------
    >>> runs_of([Path("nowhere/merge")])
    []
    """
    found: dict[RunFolder, None] = {}
    for place in places:
        whole = place.resolve()
        for folder in map(RunFolder, (whole, whole.parent, whole.parent.parent)):
            if folder.split.is_file():
                found[folder] = None
                break
    return list(found)


def makers_of(places: Iterable[Path]) -> list[RunFolder]:
    """Return the runs of :func:`runs_of` that made what lies there: of what was copied beside it a split says nothing.

    Parameters
    ----------
    places
        Run folders and checkpoints.

    Examples
    --------
    >>> makers_of([Path("nowhere/merge")])
    []
    """
    return list(dict.fromkeys(run for place in places for run in runs_of([place]) if run.made(place)))


def note_made(place: Path, sha256: str) -> None:
    """Note a checkpoint that was saved in the folder of a run there; nothing elsewhere.

    Parameters
    ----------
    place, sha256
        As :meth:`RunFolder.note` takes them.
    """
    for run in runs_of([place]):
        if run.private.is_dir():  # an older run has none, and makes no notes
            run.note(place, sha256)


def _hash_told(place: Path) -> str | None:
    try:
        told = read_json(place / CONFIG)
    except (OSError, ValueError):
        return None
    return str(told.get("sha256")) if isinstance(told, dict) else None
