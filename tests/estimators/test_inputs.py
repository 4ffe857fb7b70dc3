"""Every form of X says the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.errors import InputError, UnknownNameError
from mmlego.estimators import LegoClassifier
from tests.estimators.made import features, two_levels

ASKED = {"blocks": "logistic", "fuse": False}


@pytest.fixture(scope="module")
def expected() -> tuple[np.ndarray, np.ndarray]:
    x, risk = two_levels()
    y = np.where(risk > 0, "ill", "well")
    return y, LegoClassifier(**ASKED).fit(x, y).predict_proba(x)


def flat() -> pd.DataFrame:
    x, _ = two_levels()
    return x.set_axis(["__".join(name) for name in x.columns], axis=1)


def test_names_with_a_separator(expected: tuple[np.ndarray, np.ndarray]) -> None:
    y, proba = expected
    model = LegoClassifier(modalities="__", **ASKED).fit(flat(), y)
    np.testing.assert_array_equal(model.predict_proba(flat()), proba)
    assert model.modalities_ == ("rna", "clinical")
    assert model.feature_names_in_.tolist()[:2] == ["rna__TP53", "rna__BRCA1"]
    assert model.n_features_in_ == 6


@pytest.mark.parametrize(
    "columns",
    [{"rna": [0, 1, 2, 3], "clinical": [4, 5]}, {"rna": range(4), "clinical": np.array([4, 5])}],
)
def test_positions_of_an_array(columns: dict[str, object], expected: tuple[np.ndarray, np.ndarray]) -> None:
    y, proba = expected
    model = LegoClassifier(modalities=columns, **ASKED).fit(flat().to_numpy(), y)
    np.testing.assert_array_equal(model.predict_proba(flat().to_numpy()), proba)


def test_names_of_columns(expected: tuple[np.ndarray, np.ndarray]) -> None:
    y, proba = expected
    columns = {"rna": [name for name in flat() if name[:3] == "rna"], "clinical": ["clinical__age", "clinical__ldh"]}
    model = LegoClassifier(modalities=columns, **ASKED).fit(flat(), y)
    np.testing.assert_array_equal(model.predict_proba(flat()), proba)


def test_ids_of_a_cohort(expected: tuple[np.ndarray, np.ndarray]) -> None:
    y, proba = expected
    x, _ = two_levels()
    ids = [f"{row:02d}" for row in range(len(x))]
    x.index = pd.Index(ids)
    frames = {name: x[name].dropna(how="all") for name in ("rna", "clinical")}
    died = pd.DataFrame({"y": y}, index=ids)
    cohort = Cohort.from_frames(frames, outcome=died, task={"task": "classification", "label": "y"})
    model = LegoClassifier(cohort=cohort, **ASKED)
    np.testing.assert_array_equal(model.fit(ids, y).predict_proba(ids), proba)
    np.testing.assert_array_equal(model.fit(ids).predict_proba(np.array(ids)[:, None]), proba)  # the cohort says it
    np.testing.assert_array_equal(model.predict_proba(["03", "01", "03"]), proba[[3, 1, 3]])
    assert model.score(ids) == model.score(ids, y)
    other = LegoClassifier(**ASKED).fit(cohort)
    np.testing.assert_array_equal(other.predict_proba(cohort), proba)
    assert other.classes_.tolist() == ["ill", "well"]
    with pytest.raises(UnknownNameError, match="not in cohort"):
        model.predict(["elsewhere"])
    with pytest.raises(InputError, match="because the estimator holds a cohort"):
        model.predict(x)


def test_one_table() -> None:
    rna, _, risk = features()
    y = risk > 0
    model = LegoClassifier(**ASKED).fit(rna, y)
    assert model.modalities_ == ("features",)
    assert model.classes_.tolist() == [False, True]
    assert model.feature_names_in_.tolist() == ["TP53", "BRCA1", "MYC", "KRAS"]
    again = LegoClassifier(**ASKED).fit(rna.to_numpy(), y)
    np.testing.assert_array_equal(model.predict_proba(rna), again.predict_proba(rna.to_numpy()))


def test_words_are_categories() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    sex = np.where(rng.random(40) < 0.8, y, 1 - y)
    x = pd.DataFrame({"age": rng.normal(size=40), "sex": np.where(sex == 1, "f", "m")})
    assert LegoClassifier(**ASKED).fit(x, y).score(x, y) == np.mean(sex == y)


def test_a_dict_is_refused_with_what_to_use() -> None:
    rna, clinical, risk = features()
    with pytest.raises(InputError, match=r"X is a dict.*Pass Modalities\(X\)"):
        LegoClassifier(**ASKED).fit({"rna": rna, "clinical": clinical}, risk > 0)


def test_gaps_may_be_forbidden() -> None:
    x, risk = two_levels()
    strict = LegoClassifier(partial_modalities=False, **ASKED)
    with pytest.raises(InputError, match="patients lack modalities"):
        strict.fit(x, risk > 0)
    whole, _ = two_levels(gaps=False)
    strict.fit(whole, risk > 0)
    with pytest.raises(InputError, match="patients lack modalities"):
        strict.predict(x)


def test_whoever_has_one_modality_is_predicted_for() -> None:
    x, risk = two_levels()
    model = LegoClassifier(**ASKED).fit(x, risk > 0)
    alone = model.predict_proba(x[["rna"]].iloc[20:30])
    gone = x.iloc[20:30].copy()
    gone["clinical"] = np.nan
    np.testing.assert_array_equal(alone, model.predict_proba(gone))
    assert not np.array_equal(alone, model.predict_proba(x.iloc[20:30]))


def test_nobody_is_lost_in_silence() -> None:
    x, risk = two_levels()
    model = LegoClassifier(**ASKED).fit(x, risk > 0)
    x.iloc[20] = np.nan
    with pytest.raises(InputError, match=r"1 row of X without any modality \(20\)"):
        model.predict(x)
    with pytest.raises(InputError, match=r"1 row of X without any modality \(20\)"):
        LegoClassifier(**ASKED).fit(x, risk > 0)


def test_what_was_not_there_in_training_is_refused() -> None:
    x, risk = two_levels()
    model = LegoClassifier(**ASKED).fit(x, risk > 0)
    more = x.copy()
    more["wsi", "f0"] = 1.0
    with pytest.raises(UnknownNameError, match="modality that was not there in training"):
        model.predict(more)
    more = x.copy()
    more["rna", "EGFR"] = 1.0
    with pytest.raises(InputError, match="1 column of 'rna' that were not there"):
        model.predict(more)
    with pytest.raises(InputError, match="missing in the table: KRAS"):
        model.predict(x.drop(columns=[("rna", "KRAS")]))


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"rna": [0, 1, 2]}, "3 columns of X in none"),
        ({"rna": [0, 1], "b": [1, 2, 3, 4, 5]}, "is in two"),
        ({"rna": ["nothing"]}, "no column 'nothing'"),
        ("::", "6 columns of X without '::'"),
    ],
)
def test_modalities_that_do_not_fit(columns: object, told: str) -> None:
    _, risk = two_levels()
    with pytest.raises((InputError, UnknownNameError), match=told):
        LegoClassifier(modalities=columns, **ASKED).fit(flat(), risk > 0)


def test_the_outcome_among_the_features_is_refused() -> None:
    rna, _, risk = features()
    y = pd.Series((risk > 0).astype(int), name="died")
    with pytest.raises(InputError, match="leakage: features holds the outcome 'died'"):
        LegoClassifier(**ASKED).fit(rna.assign(died=y), y)


def test_columns_that_name_patients_are_refused() -> None:
    rna, _, risk = features()
    with pytest.raises(InputError, match="tells patients apart"):
        LegoClassifier(**ASKED).fit(rna.assign(surname=[f"name {i}" for i in range(len(rna))]), risk > 0)


def test_what_looks_like_row_numbers_in_some_rows_alone_is_asked_about() -> None:
    """A feature X of 1, or of ever larger numbers, counts rows in no prediction; a row number of training in none."""
    rng = np.random.default_rng(0)
    x = pd.DataFrame({"X": rng.integers(1, 9, 40), "age": rng.normal(size=40)})
    y = x["X"] + rng.normal(size=40) > 5
    model = LegoClassifier(**ASKED).fit(x, y)
    rising = [int(np.flatnonzero(x["X"] == value)[0]) for value in (1, 3, 4, 6, 8)]
    whole = model.predict_proba(x)[rising]
    np.testing.assert_allclose(model.predict_proba(x.iloc[rising]), whole, rtol=1e-5)
    np.testing.assert_allclose(model.predict_proba(x.iloc[rising[:1]]), whole[:1], rtol=1e-5)

    counted = x.assign(index=range(40))
    model, without = LegoClassifier(**ASKED).fit(counted, y), LegoClassifier(**ASKED).fit(x, y)
    np.testing.assert_allclose(model.predict_proba(counted), without.predict_proba(x), rtol=1e-5)
