from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.data.reading.scales import beyond_life, has_scales, two_scales
from tests.data.reading.test_units import doubts


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("Temp", (35.1, 40.2), (95, 104)),
        ("Body temperature (C)", (36, 38), (97, 101)),
        ("temperature_max", (36, 38), (97, 101)),
        ("FiO2", (0.21, 1.0), (21, 100)),
        ("SpO2", (0.9, 1.0), (88, 100)),
        ("Hematocrit", (0.3, 0.5), (30, 50)),
        ("Height", (1.5, 1.9), (150, 190)),
        ("Haemoglobin", (8, 17), (80, 170)),
        ("pH", (7.0, 7.6), (700, 760)),
        ("Serum creatinine", (0.5, 9), (45, 800)),
        ("glucose_mean", (3, 20), (60, 400)),
        ("Albumin", (1.5, 5), (15, 50)),
        ("WBC", (0.5, 90), (2000, 60000)),
        ("Platelets", (10, 900), (20000, 600000)),
        ("Creatinine_mg_dl_mean", (0.5, 9), (45, 800)),
        ("crea: creatinine [µmol/L]", (0.5, 9), (45, 800)),
        ("height_cm", (1.5, 1.9), (150, 190)),
        ("HbA1c", (4.5, 13), (26, 119)),
        ("calcium", (1.9, 2.8), (7.6, 11.2)),
        ("age_at_diagnosis", (30, 88), (11000, 32000)),
    ],
)
def test_two_units_by_their_ranges(name: str, low: tuple[float, float], high: tuple[float, float]) -> None:
    one, other = np.linspace(*low, 50), np.linspace(*high, 20)
    assert "50 values" in str(two_scales(name, [*one, *other, np.nan]))
    assert two_scales(name, one) is None
    assert two_scales(name, other) is None
    assert two_scales(name, [*one, other[0]]) is None, "a slip of a finger"
    assert two_scales(name, [*one, *other, *[-5.0] * 30]) is None, "it is something else"


@pytest.mark.parametrize(
    ("name", "values", "odd", "told"),
    [
        ("pH", np.linspace(6.9, 7.6, 200), [94.0, 735.0], "pH holds 94 1×, 735 1×, which nobody has: mend them"),
        ("Height", np.linspace(145, 200, 200), [13.7], "Height holds 13.7 1×, which nobody has: mend it"),
        ("height_m", np.linspace(1.45, 2, 200), [17.5], "height_m holds 17.5 1×, which nobody has: mend it"),
        ("age", np.linspace(18, 88, 200), [300.0] * 9, "age holds 300 9×, which nobody has: mend it"),  # MIMIC-III
        ("age_months", np.linspace(1, 110, 200), [150.0, 180.0], None),
        ("gestational_age", np.linspace(24, 42, 200), [280.0], None),
        ("Temp", np.linspace(35, 41, 200), [-17.8, 0.0], "Temp holds -17.8 1×, which nobody has: mend it"),
        ("SpO2", np.linspace(80, 100, 200), [970.0], "SpO2 holds 970 1×"),
        ("Glucose", np.linspace(50, 400, 200), [9000.0], None),  # nobody knows where that ends
        ("pH", np.linspace(6.9, 7.6, 200), [*np.linspace(20, 90, 60)], None),  # something else
    ],
)
def test_values_that_nobody_has(name: str, values: np.ndarray, odd: list[float], told: str | None) -> None:
    found = beyond_life(name, [*values, *odd, np.nan])
    assert found is None if told is None else str(found).startswith(told)
    assert beyond_life(name, values) is None


def test_urine_and_ratios_are_of_other_ranges() -> None:
    assert not any(
        map(has_scales, ("Urine creatinine", "albumin_creatinine_ratio", "CSF glucose", "log_wbc", "temp_change"))
    )


def test_names_of_other_things() -> None:
    names = (
        "Heightened risk",
        "attempt",
        "stage",
        "dosage",
        "calcium score",
        "contemporary",
        "TempoRate",
        "height z score",
        "GENE",
        "SATB2",
        "Hb",
    )
    assert [name for name in names if has_scales(name)] == []


def test_it_is_told_of_tables_and_series(tmp_path: Path) -> None:
    temperatures = [36.5, 37, 38.1, 36.9, 98.6, 99.1, 100.4, 97.9]
    said = "Temp is in two ranges: 4 values from 36.5 to 38.1, as of °C, beside 4 from 97.9 to 100.4, as of °F"
    rows = "".join(f"p{i},{value},{i}\n" for i, value in enumerate(temperatures))
    assert doubts(tmp_path, {"kind": "table"}, f"id,Temp,age\n{rows}") == [f"m: {said}"]
    assert doubts(tmp_path, {"kind": "table", "columns": ["age"]}, f"id,Temp,age\n{rows}") == []
    frame = pd.DataFrame({"Temp": temperatures}, [f"p{i}" for i in range(8)])
    assert f"m: {said}" in [str(note) for note in Cohort.from_frames({"m": frame}).dropped]
    series = "id,time,variable,value\n" + "".join(
        f"p{i},1,Temp,{v}\np{i},1,HR,{v}\n" for i, v in enumerate(temperatures)
    )
    section = {"kind": "series", "cache": False}
    assert doubts(tmp_path, section, series) == [f"m: {said}"]
    assert doubts(tmp_path, {**section, "variables": "HR"}, series) == []
    static = {"kind": "static", "cache": False, "variables": ["Temp"], "until": 2}
    assert doubts(tmp_path, static, series) == [f"m: {said}"]
