"""What the terminal shows of a table of predictions."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from rich.console import Console

from mmlego.commands.tables import brief_table

FRAME = pd.DataFrame(
    {
        "risk": [-9.71, -12.0],
        "risk_percentile": [55.4, 3.99],
        "risk_group": ["intermediate (P33–P67)", "low (≤ P33)"],
        "survival_at_12_months": [0.787, 0.859],
        "survival_at_12_months_low_95": [0.63, np.nan],
        "survival_at_12_months_high_95": [0.82, np.nan],
        "median_months": [35.3, np.nan],
    },
    index=pd.Index(["P002", "P003"], name="patient"),
)


def rendered(width: int) -> list[list[str]]:
    out = io.StringIO()
    Console(file=out, width=width).print(brief_table(FRAME, width))
    return [line.split() for line in out.getvalue().splitlines()]


def test_no_word_is_cut_in_two() -> None:
    lines = rendered(80)
    assert ["P002", "55.4", "intermediate", "0.787", "35.3"] in lines
    assert ["(P33–P67)", "0.63–0.82"] in lines
    assert ["P003", "3.99", "low", "0.859"] in lines
    assert ["(≤", "P33)"] in lines  # without an interval there is no dash


def test_what_has_no_room_is_folded_and_all_there() -> None:
    words = "".join(word for line in rendered(34) for word in line)
    assert "intermediate" not in words
    for piece in ("P002", "55.4", "0.787", "35.3"):
        assert piece in words


def test_a_percentile_stands_for_its_risk() -> None:
    assert not any("-9.71" in line for line in rendered(80))
