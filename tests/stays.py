"""Stays of patients as text files, archives and tables, for the tests of series."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mmlego.data.kinds.series.long_tables import LongColumns

Row = tuple[str, str, object]


def text_of(patient: str, rows: Sequence[Row]) -> bytes:
    """Return one stay as the text file of the PhysioNet layout."""
    lines = ["Time,Parameter,Value", f"00:00,RecordID,{patient}", *(f"{t},{name},{value}" for t, name, value in rows)]
    return ("\n".join(lines) + "\n").encode()


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files as a folder or an archive, as the name asks."""
    if path.suffix == "":
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def pack_member(path: Path, member: tarfile.TarInfo) -> Path:
    """Write an archive with one member of any kind beside an ordinary stay."""
    with tarfile.open(path, "w:gz") as archive:
        content = text_of("1", [("00:10", "HR", 80)])
        stay = tarfile.TarInfo("1.txt")
        stay.size = len(content)
        archive.addfile(stay, io.BytesIO(content))
        archive.addfile(member)
    return path


def frame_of(*rows: tuple[str, float, str, float]) -> pd.DataFrame:
    """Return a frame of stays from rows of patient, hours, variable and value."""
    table = pd.DataFrame(list(rows), columns=["patient", "time", "variable", "value"])
    return LongColumns().read(table, "table").frame()


def simulated(n: int, *, seed: int = 0) -> tuple[dict[str, bytes], pd.DataFrame]:
    """Return ``n`` stays with a known signal, and their outcomes.

    Who dies has a pulse that rises, and lactate is measured more often; every seventh stay has no lactate at all.
    """
    rng = np.random.default_rng(seed)
    died = (np.arange(n) % 3 == 0).astype(int)
    files = {}
    for i in range(n):
        patient = str(1000 + i)
        rows: list[Row] = [("00:00", "Age", 50 + i % 40), ("00:00", "Gender", i % 2), ("00:00", "Height", -1)]
        for minute in sorted(rng.integers(0, 48 * 60, size=30).tolist()):
            clock = f"{minute // 60:02d}:{minute % 60:02d}"
            rows.append((clock, "HR", round(80 + died[i] * minute / 60 + rng.normal(), 2)))
            if i % 7 and rng.random() < 0.2 + 0.4 * died[i]:
                rows.append((clock, "Lactate", round(float(rng.lognormal(0.5)), 2)))
        files[f"set/{patient}.txt"] = text_of(patient, rows)
    outcome = pd.DataFrame({"RecordID": [1000 + i for i in range(n)], "died": died})
    return files, outcome
