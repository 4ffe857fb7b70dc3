"""Small cohorts written on the spot, and the real files where they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

SHARED = Path(__file__).parents[3] / "shared"

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def tcga() -> Path:
    folder = SHARED / "data" / "tcga"
    if not folder.is_dir():
        pytest.skip(f"the TCGA tables are not at {folder}")
    return folder


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    """Four patients; b lacks rna, c and d lack clinical."""
    rna = pd.DataFrame({"TP53": [1.0, 3.0, 5.0], "EGFR": [0.0, 0.0, 6.0]}, index=["a", "c", "d"])
    clinical = pd.DataFrame({"sex": ["m", "f"], "age": [40, 60]}, index=["b", "a"])
    return {"rna": rna, "clinical": clinical}


@pytest.fixture
def followed() -> pd.DataFrame:
    return pd.DataFrame({"months": [5.0, 9.0, 2.0, 7.0], "dead": [1, 0, 1, 1]}, index=["a", "b", "c", "d"])
