"""The folder of a run: whose it is, what a finished run left there, and how another run is kept out of it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from mmlego.checkpoint import FUSE_OPTIONS
from mmlego.data import PatientData
from mmlego.errors import CheckpointError, InputError
from mmlego.files import make_folder, write_atomically
from mmlego.fingerprint import hash_data, hash_tensors
from mmlego.fuse import LegoFuse
from mmlego.json_files import read_json
from mmlego.run_folder import BEST, FEATURES, HISTORY, LAST, LOGS, RUN
from mmlego.run_lock import alone_in
from mmlego.training.evaluate import Model
from mmlego.wording import listed

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def run_folder(out: str | Path | None) -> Iterator[Path]:
    """Yield the folder of a run; without ``out`` one that is gone afterwards.

    Raises
    ------
    InputError
        If ``out`` is no path, a file, or cannot be made, or another process trains there.
    """
    if out is None:
        with tempfile.TemporaryDirectory(prefix="mmlego-") as folder:
            yield Path(folder)
        return
    if not isinstance(out, (str, os.PathLike)):
        raise InputError("out of fit", expected="a folder", got=repr(out))
    try:
        make_folder(Path(out))
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError("out of fit", expected="a folder", got=f"a file in its place, {out}") from error
    except (OSError, ValueError) as error:
        raise InputError("out of fit", expected="a folder that can be made", got=f"{out!r}: {error}") from error
    with alone_in(Path(out)):
        yield Path(out)


def describe_run(
    model: Model, train: PatientData, valid: PatientData | None, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return what makes two runs the same, as JSON-able values: settings, and hashes of data, model and start.

    The fingerprint (:mod:`mmlego.fingerprint`) of a fit, which knows no cohort: data stands for cohort and split, model
    and start for the method.

    The start counts where another one would make another result of a finished run: what is frozen, and all
    weights of a fused model. A block's own weights do not, so that a script that drew them without a seed resumes.

    Parameters
    ----------
    model
        Before training.
    train, valid
        The two parts of the data.
    settings
        The arguments of ``fit`` that matter to the result.
    """
    fixed = {
        name: value
        for name, value in model.named_parameters()
        if isinstance(model, LegoFuse) or not value.requires_grad
    }
    return {
        "settings": settings,
        "data": hash_data((train, valid)),
        "model": _hash_shape(model),
        "start": hash_tensors(fixed),
    }


def open_run(folder: Path, run: dict[str, Any], *, resume: bool) -> bool:
    """Return whether the run in this folder is finished already; make the folder ready if not.

    Parameters
    ----------
    folder
        Of the run.
    run
        From ``describe_run``.
    resume
        Whether to go on with what stands there; else it is removed.

    Raises
    ------
    InputError
        If the folder holds another run, or files of these names that no fit wrote.
    CheckpointError
        If its description is damaged.
    """
    file = folder / RUN
    _refuse_foreign(folder)
    if resume and file.is_file():
        found = _read_run(file)
        odd = [key for key in run if found.get(key) != run[key]]
        if odd:
            raise InputError(
                f"{folder} holds another run",
                expected=f"the same {', '.join(odd)}",
                got=found.get("settings") if "settings" in odd else "others",
                remedy="Choose another folder, or pass resume=False to replace it.",
            )
        return bool(found.get("finished"))
    if file.is_file():
        shutil.rmtree(folder / LOGS, ignore_errors=True)
    for name in (LAST, BEST, HISTORY):
        (folder / name).unlink(missing_ok=True)
    write_atomically(file, json.dumps(run, indent=2))
    return False


def close_run(folder: Path, run: dict[str, Any]) -> None:
    """Note that a run is finished, and remove what only an interrupted one needs."""
    if (folder / BEST).is_file():  # of several processes the first writes it: the others may be ahead
        hashes = {name: _file_hash(folder / name) for name in (BEST, HISTORY) if (folder / name).is_file()}
        write_atomically(folder / RUN, json.dumps(run | {"finished": True, "sha256": hashes}, indent=2))
        (folder / LAST).unlink(missing_ok=True)
        shutil.rmtree(folder / FEATURES, ignore_errors=True)


def read_result(model: Model, folder: Path) -> pd.DataFrame:
    """Put the weights that a run left in its folder into the model, and return the history.

    Raises
    ------
    CheckpointError
        If a file is missing, damaged, or not as the run left it.
    """
    try:
        _check_hashes(folder)
        with (folder / HISTORY).open(newline="", encoding="utf-8") as file:
            # float() gives back every digit, which readers of tables need not
            lines = [{name: float(text or "nan") for name, text in line.items()} for line in csv.DictReader(file)]
        history = history_frame(lines)
        model.load_state_dict(load_file(folder / BEST))
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"the result of the run in {folder} cannot be read",
            expected=f"{HISTORY} and {BEST} as the run left them",
            got=str(error).splitlines()[-1].strip(),
            remedy="Pass resume=False to run it again.",
        ) from error
    return history


def history_frame(rows: list[dict[str, float]]) -> pd.DataFrame:
    """Return the history as a table, a row an epoch.

    Examples
    --------
    >>> history_frame([{"epoch": 0.0, "train_loss": 0.5}]).loc[0].to_dict()
    {'epoch': 0.0, 'train_loss': 0.5}
    """
    import pandas as pd

    return pd.DataFrame(rows).astype({"epoch": int})


def history_text(rows: list[dict[str, float]]) -> str:
    """Return the history as the text of a CSV file; what is not a number, or not there, is empty.

    A data frame would say the same, but is slow for what is written after every epoch.

    Examples
    --------
    >>> print(history_text([{"epoch": 0.0, "train_loss": 0.5}, {"epoch": 1.0, "train_loss": float("nan")}]), end="")
    epoch,train_loss
    0,0.5
    1,
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        known = {name: value for name, value in row.items() if not math.isnan(value)}
        writer.writerow(known | {"epoch": int(row["epoch"])})
    return text.getvalue()


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds something under the names of a run's files that no fit wrote: it would be replaced."""
    there = [name for name in (RUN, LAST, BEST, HISTORY, LOGS) if (folder / name).exists()]
    if not there:
        return
    try:
        ours = {"settings", "data", "model"} <= _read_run(folder / RUN).keys() if RUN in there else False
    except CheckpointError:
        ours = True  # damaged, as is told where it is to be gone on with
    if not ours:
        raise InputError(
            f"{folder} holds files that no fit wrote",
            expected="a new or empty folder, or that of a fit",
            got=listed(there),
            remedy="Choose another folder.",
        )


def _check_hashes(folder: Path) -> None:
    """Refuse what is not as a finished run left it; runs made before hashes were kept are taken as they are."""
    known = _read_run(folder / RUN).get("sha256") if (folder / RUN).is_file() else None
    for name, hashed in (known if isinstance(known, dict) else {}).items():
        if name in (BEST, HISTORY) and _file_hash(folder / name) != hashed:
            raise ValueError(f"{name} was changed since")


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_run(file: Path) -> dict[str, Any]:
    try:
        found = read_json(file)
    except ValueError as error:
        raise CheckpointError(
            f"{file} is damaged", expected="JSON", got=error, remedy="Pass resume=False to start anew."
        ) from error
    return found if isinstance(found, dict) else {}


def _hash_shape(model: Model) -> str:
    """Return a hash of what the model is made of, which the weights do not say."""
    options = {name: getattr(model, name) for name in FUSE_OPTIONS} if isinstance(model, LegoFuse) else {}
    parameters = [f"{name}{tuple(p.shape)}{p.requires_grad}" for name, p in model.named_parameters()]
    # An address in memory is another one in the process that resumes.
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(model))
    return hashlib.sha256(json.dumps([text, options, parameters]).encode()).hexdigest()  # as in runs made before
