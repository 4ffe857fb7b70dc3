from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmlego.data import TablePreprocessor, preprocessing_from_config, preprocessing_names
from mmlego.data.kinds.tabular.moments import moments
from mmlego.errors import CheckpointError, InputError, LegoWarning, UnknownNameError, VersionError

NAN = float("nan")


def train() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [40.0, 60.0, NAN, 50.0],
            "sex": ["f", "m", "f", None],
            "smoker": [True, False, None, True],
            "site": [1, 1, 1, 1],
            "stage": pd.Categorical([2, 10, 2, 2]),
        },
        index=list("abcd"),
    )


def test_by_hand() -> None:
    table = TablePreprocessor.fit(train())
    assert table.columns == ("age", "smoker", "sex", "stage")
    assert table.features == ("age", "smoker", "sex=f", "sex=m", "stage=10", "stage=2")
    assert table.out_features == 6
    assert table.dropped == {"site": "constant"}
    # age: median 50; imputed 40 60 50 50, mean 50, variance 50. smoker: median 1; 1 0 1 1, mean ¾, variance 3/16.
    assert table.fill == (50.0, 1.0)
    assert table.centre == (50.0, 0.75)
    assert table.scale == pytest.approx((math.sqrt(50), math.sqrt(3 / 16)))
    features = table.transform(train())
    assert features.dtype == torch.float32
    s, t = 10 / math.sqrt(50), 0.25 / math.sqrt(3 / 16)
    expected = [
        [-s, t, 1, 0, 0, 1],
        [s, -3 * t, 0, 1, 1, 0],
        [0, t, 1, 0, 0, 1],
        [0, t, 0, 0, 0, 1],
    ]
    torch.testing.assert_close(features, torch.tensor(expected))


def test_numbers_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 7)) * rng.uniform(0.1, 100, size=7)
    values[rng.random(values.shape) < 0.2] = NAN
    frame, new = pd.DataFrame(values[:30]), pd.DataFrame(values[30:])
    pipeline = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(frame.to_numpy())
    expected = torch.tensor(pipeline.transform(new.to_numpy()), dtype=torch.float32)
    torch.testing.assert_close(TablePreprocessor.fit(frame).transform(new), expected)


def test_the_variance_filter_keeps_the_most_variable_columns_in_order() -> None:
    frame = pd.DataFrame({"a": [0, 1], "b": [0, 9], "c": [0, 5], "d": [0, 9], "e": ["x", "y"]})
    table = TablePreprocessor.fit(frame, keep=2)
    assert table.columns == ("b", "d", "e")
    assert table.dropped == {"a": "small variance", "c": "small variance"}
    assert TablePreprocessor.fit(frame, keep=9).numeric == ("a", "b", "c", "d")


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(-1e6, 1e6, allow_subnormal=False), min_size=2, max_size=12))
def test_training_rows_come_out_standardised(values: list[float | None]) -> None:
    known = [value for value in values if value is not None]
    frame = pd.DataFrame({"x": pd.Series(values, dtype=float), "y": range(len(values))})
    if len(set(known)) < 2 or max(known) - min(known) < 1e-6 * max(map(abs, known)):
        return
    features = TablePreprocessor.fit(frame).transform(frame).double()
    torch.testing.assert_close(features.mean(0), torch.zeros(2).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(features.var(0, correction=0), torch.ones(2).double(), atol=1e-4, rtol=0)


def test_rows_without_any_value_do_not_count() -> None:
    frame = pd.DataFrame({"x": [1.0, 3.0, NAN, NAN], "y": [None, "u", None, "v"]}, index=list("abcd"))
    blank = pd.DataFrame({"x": [NAN] * 5, "y": [None] * 5}, index=list("efghi"))
    table = TablePreprocessor.fit(frame)
    assert TablePreprocessor.fit(pd.concat([frame, blank])) == table
    assert table.observed(frame).tolist() == [True, True, False, True]
    assert table.observed(blank).tolist() == [False] * 5


def test_columns_without_any_value_are_dropped_with_a_warning() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "gone": [NAN, NAN], "lost": [None, None]})
    with pytest.warns(LegoWarning, match=r"2 columns without any value in the training rows dropped: gone, lost"):
        table = TablePreprocessor.fit(frame)
    assert table.columns == ("x",)
    assert table.dropped == {"gone": "no value", "lost": "no value"}


def test_a_category_seen_in_some_rows_is_no_constant() -> None:
    frame = pd.DataFrame({"seen": ["yes", None], "always": ["yes", "yes"], "x": [1, 2]})
    table = TablePreprocessor.fit(frame)
    assert table.features == ("x", "seen=yes")
    assert table.dropped == {"always": "constant"}


def test_unknown_categories_are_zeros_and_told() -> None:
    table = TablePreprocessor.fit(train())
    new = train().iloc[:2].assign(sex=["x", "m"])
    with pytest.warns(LegoWarning, match="Column 'sex' has values not seen in training, taken as missing: x"):
        features = table.transform(new)
    assert features[:, 2:4].tolist() == [[0, 0], [0, 1]]


def test_the_type_of_a_category_does_not_matter() -> None:
    table = TablePreprocessor.fit(train())
    new = train().assign(stage=[2.0, 10.0, NAN, 2.0])
    assert table.transform(new)[:, 4:].tolist() == [[0, 1], [1, 0], [0, 0], [0, 1]]


def test_order_and_further_columns_do_not_matter() -> None:
    table = TablePreprocessor.fit(train())
    new = train().assign(more=1)[["more", "stage", "sex", "age", "smoker"]]
    assert torch.equal(table.transform(new), table.transform(train()))
    assert table.transform(train().iloc[:0]).shape == (0, 6)


def test_nullable_columns_and_numbers_as_text() -> None:
    frame = pd.DataFrame(
        {"x": pd.array([1, None, 3], dtype="Int64"), "y": pd.array([True, None, False], dtype="boolean")}
    )
    table = TablePreprocessor.fit(frame)
    assert table.fill == (2.0, 0.5)
    same = pd.DataFrame({"x": ["1", None, "3"], "y": [1, None, 0]})
    assert torch.equal(table.transform(same), table.transform(frame))


def test_a_table_of_categories_alone() -> None:
    table = TablePreprocessor.fit(pd.DataFrame({"sex": ["f", "m"]}))
    assert table.transform(pd.DataFrame({"sex": ["m"]})).tolist() == [[0, 1]]


def test_columns_may_have_numbers_for_names() -> None:
    table = TablePreprocessor.fit(pd.DataFrame({0: [1.0, 2.0]}))
    assert table.transform(pd.DataFrame({"0": [1.5]})).tolist() == [[0.0]]


def test_state_goes_through_json() -> None:
    table = TablePreprocessor.fit(train())
    again = preprocessing_from_config(json.loads(json.dumps(table.config())))
    assert again == table
    assert isinstance(again, TablePreprocessor)
    assert torch.equal(again.transform(train()), table.transform(train()))
    assert "table" in preprocessing_names()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"x": [1.0, float("inf")], "y": [1, 2]}), "values are infinite in x"),
        (pd.DataFrame({"when": pd.to_datetime(["2020-01-01", "2020-01-02"])}), "column 'when' is of a type"),
        (pd.DataFrame({"x": [1j, 2j]}), "column 'x' is of a type"),
        (pd.DataFrame({"id": [f"p{i}" for i in range(65)]}), "column 'id' has 65 different texts.*identifier"),
        (pd.DataFrame({"x": [NAN, NAN]}), "no training row has a value"),
        (pd.DataFrame({"x": []}), "no training row has a value"),
        (
            pd.DataFrame({"x": [1, 1], "y": ["a", "a"]}),
            "no column tells training rows apart: got y: constant, x: constant",
        ),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), r"columns of the same name \(x\)"),
        (pd.DataFrame({"x": [1e200, -1e200]}), "too large to scale in x"),
    ],
)
def test_bad_training_tables(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TablePreprocessor.fit(frame)


def test_keep_must_be_positive() -> None:
    with pytest.raises(InputError, match="keep is not positive"):
        TablePreprocessor.fit(train(), keep=0)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (train().drop(columns="age"), "1 column missing in the table: age"),
        (train().rename(columns={"smoker": "smokers"}), "smoker.*Did you mean 'smokers'"),
        (train().assign(age=["old", "60", None, "50"]), "column 'age' holds something else than numbers.*got 'old'"),
        (train().assign(age=[1, 2, 3, float("-inf")]), "values are infinite in age"),
        (train().assign(age=[1, 2, 3, 1e300]), "too far from the training values in age"),
        (train().assign(age=[1, 2, 3, [4]]), r"column 'age' holds something else than numbers.*got \[4\]"),
        (train().assign(age=pd.to_datetime(["2020-01-01"] * 4)), "dates or complex numbers in age"),
        (
            train().assign(age=pd.period_range("2020-01", periods=4, freq="M")),
            "something else than numbers|not numbers",
        ),
    ],
)
def test_bad_tables_at_prediction(frame: pd.DataFrame, message: str) -> None:
    table = TablePreprocessor.fit(train())
    with pytest.raises(InputError, match=message):
        table.transform(frame)


def changed(**changes: object) -> dict[str, object]:
    return {**TablePreprocessor.fit(train()).config(), **changes}


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (changed(fill=[1.0]), CheckpointError, "one number per numeric column"),
        (changed(scale=[0.0, 1.0]), CheckpointError, "scale is not positive"),
        (changed(fill=[NAN, 1.0]), CheckpointError, r"damaged at fill\.0"),
        (changed(numeric=["sex", "smoker"]), CheckpointError, "named twice"),
        (changed(more=1), CheckpointError, "damaged at more"),
        (changed(version=6), VersionError, "newer format"),
        (changed(name="tables"), UnknownNameError, "Did you mean 'table'"),
        ({}, InputError, "without a name"),
    ],
)
def test_bad_state(config: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        preprocessing_from_config(config)


def test_a_matrix_that_may_not_be_written_to_is_read() -> None:
    values = np.array([[1.0], [np.nan], [4.0]])
    values.setflags(write=False)  # as pandas 3 hands it out
    assert moments(values, ["x"]).centre.tolist() == [2.5]
