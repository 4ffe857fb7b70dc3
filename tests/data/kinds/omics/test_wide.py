from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mmlego.data import OmicsPreprocessor
from mmlego.data.reading.fingerprints import row_fingerprints
from mmlego.errors import InputError
from mmlego.wording import meant

WIDE = pd.DataFrame(
    np.random.default_rng(0).random((6, 10_000)), index=list("abcdef"), columns=[f"cg{i:08}" for i in range(10_000)]
)


def test_columns_in_parts_are_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = WIDE.iloc[:, :50].copy()
    frame.iloc[1, 3], frame.iloc[:, 7], frame.iloc[:, 9] = np.nan, np.nan, 0.5
    whole = OmicsPreprocessor.fit(frame[:4], keep=20, log1p=True)
    monkeypatch.setattr("mmlego.data.kinds.omics.preprocess.PART", 7)
    parts = OmicsPreprocessor.fit(frame[:4], keep=20, log1p=True)
    assert parts == whole
    assert parts.transform(frame).equal(whole.transform(frame))
    logs = np.log1p(frame[list(whole.columns)])
    expected = ((logs - logs[:4].mean()) / logs[:4].std(ddof=0)).fillna(0)
    np.testing.assert_allclose(whole.transform(frame), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "Int64"])
def test_equal_rows_are_found_whatever_their_type(kind: str) -> None:
    frame = (WIDE.iloc[:, :300] * 1000).round().astype(kind)
    frame.iloc[4] = frame.iloc[1]
    marks = row_fingerprints(frame)
    assert marks[4] == marks[1]
    assert len(set(marks)) == 5
    assert marks == row_fingerprints(frame.astype("float64"))


def test_zeros_and_gaps_are_equal_however_they_are_stored() -> None:
    frame = WIDE.iloc[:, :300].copy()
    frame.iloc[4] = frame.iloc[1]
    frame.iloc[1, :2], frame.iloc[4, :2] = [0.0, np.nan], [-0.0, -np.float64("nan")]
    frame["site"] = ["x", "y", "x", "y", "y", "x"]
    marks = row_fingerprints(frame)
    assert marks[4] == marks[1]
    frame.loc["b", "site"] = "x"
    assert row_fingerprints(frame)[1] != marks[4]


def test_a_name_among_very_many() -> None:
    assert meant("cg0000999", list(WIDE.columns)).startswith("Did you mean 'cg0000")
    assert meant("xx", list(WIDE.columns)).startswith("Known: cg00000000, cg00000001")
    with pytest.raises(InputError, match=r"10000 columns missing: cg00000000, .*Did you mean 'cg_0000000'"):
        OmicsPreprocessor.fit(WIDE).transform(pd.DataFrame({"cg_0000000": [1.0]}))
