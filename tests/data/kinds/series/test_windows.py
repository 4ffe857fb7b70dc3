"""What was measured before the start of a stay, or after a window: kept, or left out by declaration, and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mmlego.data import Cohort, Prepared, preprocessing_from_config
from mmlego.data.kinds.series.windows import hours_of
from mmlego.errors import InputError

ROWS = [("a", -300, 1.0), ("a", -45, 2.0), ("a", 30, 4.0), ("a", 150, 8.0), ("b", 30, 6.0), ("b", 90, 10.0)]


def cohort(folder: Path, **section: Any) -> Cohort:
    lines = "".join(f"{patient},{minutes},sodium,{value}\n" for patient, minutes, value in ROWS)
    (folder / "labs.csv").write_text("id,offset,variable,value\n" + lines)
    labs = {"kind": "series", "file": "labs.csv", "time": "offset", "unit": "minutes", "cache": False}
    content = {"key": "id", "modalities": {"labs": labs | {"quantiles": [0, 1], "log": []} | section}}
    (folder / "cohort.yaml").write_text(yaml.safe_dump(content))
    return Cohort.from_manifest(folder / "cohort.yaml")


def test_before_the_start_is_refused_and_the_remedies_are_accepted(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"labs: 2 measurements before the start, of 1 patient \(a\).* -5 hours"
    ) as error:
        cohort(tmp_path)
    for window in ("[-5, null]", "[0, null]"):
        assert f"window: {window}" in str(error.value)
        assert cohort(tmp_path, window=yaml.safe_load(window)).patients == ("a", "b")


@pytest.mark.parametrize(
    ("section", "times", "notes"),
    [
        ({"window": [0, None]}, [0.5, 2.5], ["2 measurements before the window (0 h) left out"]),
        ({"on_error": "skip"}, [0.5, 2.5], ["2 measurements before the start left out"]),
        ({"window": ["-1h", None]}, [-0.75, 0.5, 2.5], ["1 measurement before the window (-1 h) left out"]),
        ({"window": ["-1d", "90min"]}, [-5, -0.75, 0.5], ["1 measurement after the window (1.5 h) left out"]),
        ({"window": [-5, 2.5]}, [-5, -0.75, 0.5, 2.5], []),
    ],
)
def test_what_is_outside_is_counted(
    section: dict[str, Any], times: list[float], notes: list[str], tmp_path: Path
) -> None:
    read = cohort(tmp_path, **section)
    assert read.frames["labs"]["stay"]["a"].time.tolist() == times
    assert [str(note) for note in read.dropped] == [f"labs: {note}, of 1 patient" for note in notes]


def test_bins_before_the_start_have_their_own_place(tmp_path: Path) -> None:
    """By hand: bins of an hour from −1 to 2; values 2 | 4 | – of a and – | 6 | 10 of b, mean 5.5, deviation 2.958."""
    read = cohort(tmp_path, window=[-1, 2])
    prepared = read.prepare(["a", "b"])
    steps = prepared.data(["a", "b"]).batch().inputs["labs"]
    assert steps[..., 0].tolist() == [[-1, 0, 1], [-1, 0, 1]]
    expected = (np.array([[2, 4, np.nan], [np.nan, 6, 10]]) - 5.5) / np.std([2, 4, 6, 10])
    np.testing.assert_allclose(steps[..., 1].numpy(), expected, rtol=1e-6)
    fitted = prepared.preprocessing["labs"]
    assert fitted.config()["start"] == -1
    again = preprocessing_from_config(fitted.config())
    assert again == fitted
    # A block keeps to its own window, whatever more the new patients have.
    wider = (
        Prepared(cohort(tmp_path, window=[-24, None]), {"labs": again}, None).data(["a", "b"]).batch().inputs["labs"]
    )
    np.testing.assert_array_equal(wider.numpy(), steps.numpy())


def test_without_an_end_each_stay_goes_to_its_last_measurement(tmp_path: Path) -> None:
    data = cohort(tmp_path, window=[-1, None], bin_hours=2).prepare(["a", "b"]).data(["a", "b"])
    assert [part[:, 0].tolist() for part in data.batch().inputs["labs"].unbind()] == [[-1, 1], [-1, 1]]


def test_old_configs_begin_at_the_start(tmp_path: Path) -> None:
    config = cohort(tmp_path, window=[0, 48]).prepare(["a", "b"]).preprocessing["labs"].config()
    assert "start" not in config
    assert preprocessing_from_config(config).start == 0


def test_static_values_of_a_window(tmp_path: Path) -> None:
    def read(**section: Any) -> Cohort:
        read = {"kind": "static", "file": "labs.csv", "time": "offset", "unit": "minutes", "cache": False}
        content = {"key": "id", "modalities": {"labs": read | {"variables": "sodium"} | section}}
        (tmp_path / "cohort.yaml").write_text(yaml.safe_dump(content))
        return Cohort.from_manifest(tmp_path / "cohort.yaml")

    cohort(tmp_path, window=[0, None])
    assert read(window=[-1, 0]).frames["labs"]["sodium"].to_dict() == {"a": 2.0}
    assert read(window=[0, None], until=24).frames["labs"]["sodium"].to_dict() == {"a": 4.0, "b": 6.0}
    with pytest.raises(InputError, match="leave one out"):
        read(window=[-1, 0], until=24)


@pytest.mark.parametrize(("text", "hours"), [("-24h", -24), ("90 min", 1.5), ("2d", 48), ("1800s", 0.5), ("+3h", 3)])
def test_times_with_a_unit(text: str, hours: float) -> None:
    assert hours_of(text) == hours
