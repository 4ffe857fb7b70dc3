"""Estimators are the main job: the same models, to the last digit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmlego
from mmlego.data import Cohort
from mmlego.errors import InputError, UnknownNameError
from mmlego.estimators import LegoClassifier, LegoRegressor, LegoSurvival
from mmlego.estimators.wishes import settings_of
from tests.estimators.made import QUICK, survival, two_levels


def cohort_of(x: pd.DataFrame, outcome: pd.DataFrame, task: dict[str, object]) -> Cohort:
    ids = [f"{row:02d}" for row in range(len(x))]
    frames = {name: x[name].set_axis(ids, axis=0).dropna(how="all") for name in ("rna", "clinical")}
    return Cohort.from_frames(frames, outcome=outcome.set_axis(ids, axis=0), task=task)


def trained(cohort: Cohort, encoder: str, seed: int) -> mmlego.Bricks:
    settings = {
        "encoder": {"name": encoder},
        "fit": {"epochs": 2},
        "fuse": {"across": None, "fit": {"epochs": 1}},
    }
    return mmlego.train(cohort, settings, test=0.0, validation=0.2, disjoint=False, seed=seed, progress=False)


def test_a_classifier_is_the_job() -> None:
    x, risk = two_levels()
    y = np.where(risk > 0, "b", "a")
    cohort = cohort_of(x, pd.DataFrame({"y": y}), {"task": "classification", "label": "y"})
    for encoder in ("logistic", "neural"):
        made = trained(cohort, encoder, 3)
        model = LegoClassifier(encoder, settings=QUICK, random_state=3).fit(x, y)
        for ours, theirs in ((model.model_, made.fuse), (model.merge_, made.merge)):
            assert ours is not None
            assert theirs is not None
            probabilities = mmlego.predict(theirs, mmlego.data_of(theirs, cohort)).probabilities.numpy()
            own = mmlego.predict(ours, mmlego.data_of(ours, cohort)).probabilities.numpy()
            np.testing.assert_array_equal(own, probabilities)
        found = mmlego.predict(made.fuse, mmlego.data_of(made.fuse, cohort)).probabilities.numpy()
        np.testing.assert_allclose(model.predict_proba(x), found, atol=1e-6)
        assert (model.predict(x) == np.array(["a", "b"])[found.argmax(1)]).all()


def test_a_regressor_is_the_job() -> None:
    x, risk = two_levels()
    y = 40 + 3 * risk
    cohort = cohort_of(x, pd.DataFrame({"y": y}), {"task": "regression", "target": "y"})
    made = trained(cohort, "ridge", 0)
    model = LegoRegressor("ridge", settings=QUICK).fit(x, y)
    values = mmlego.predict(made.fuse, mmlego.data_of(made.fuse, cohort)).values.numpy()[:, 0]
    np.testing.assert_allclose(model.predict(x), values, rtol=1e-6)


def test_survival_is_the_job() -> None:
    x, risk = two_levels()
    y = survival(risk)
    outcome = pd.DataFrame({"e": y["event"].astype(int), "t": y["time"]})
    cohort = cohort_of(x, outcome, {"task": "survival", "time": "t", "event": "e", "event_when": 1})
    made = trained(cohort, "coxnet", 0)
    model = LegoSurvival("coxnet", settings=QUICK).fit(x, y)
    prediction = mmlego.predict(made.fuse, mmlego.data_of(made.fuse, cohort))
    np.testing.assert_allclose(model.predict(x), prediction.risk.numpy(), rtol=1e-5)
    times = model.unique_times_.tolist()
    np.testing.assert_allclose(
        model.predict_survival_function(x, return_array=True), prediction.survival_at(times).numpy(), atol=1e-6
    )


def test_without_fuse_the_merged_model_answers() -> None:
    x, risk = two_levels()
    fused = LegoClassifier("logistic", settings=QUICK).fit(x, risk > 0)
    merged = LegoClassifier("logistic", fuse=False).fit(x, risk > 0)
    assert isinstance(fused.model_, mmlego.LegoFuse)
    assert isinstance(merged.model_, mmlego.LegoMerge)
    assert merged.fuse_ is None
    cohort = cohort_of(x, pd.DataFrame({"y": risk > 0}), {"task": "classification", "label": "y"})
    theirs = mmlego.predict(fused.merge_, mmlego.data_of(fused.merge_, cohort)).probabilities.numpy()
    np.testing.assert_allclose(merged.predict_proba(x), theirs, atol=1e-6)


def test_one_modality_has_nothing_to_fuse() -> None:
    x, risk = two_levels(gaps=False)
    model = LegoClassifier("logistic").fit(x["rna"], risk > 0)
    assert model.fuse_ is None
    assert model.model_.modalities == ("features",)


def test_calibrated_as_by_hand() -> None:
    x, risk = two_levels()
    y = risk > 0
    plain = LegoClassifier("logistic", fuse=False).fit(x, y)
    scaled = LegoClassifier("logistic", fuse=False, calibrate=True).fit(x, y)
    cohort = cohort_of(x, pd.DataFrame({"y": y}), {"task": "classification", "label": "y"})
    made = mmlego.train_blocks(
        cohort, {"encoder": {"name": "logistic"}}, test=0.0, validation=0.2, disjoint=False, progress=False
    )
    by_hand = mmlego.LegoMerge(list(made.blocks.values()))
    scale = mmlego.calibrate(by_hand, mmlego.data_of(by_hand, cohort, made.validation))
    assert scale != 1.0
    assert scaled.model_.card.recipe["calibration"]["scale"] == pytest.approx(scale, rel=1e-4)
    assert not np.allclose(plain.predict_proba(x), scaled.predict_proba(x))
    with pytest.raises(InputError, match="calibrate needs patients who validate"):
        LegoClassifier("logistic", calibrate=True, validation=0.0).fit(x, y)


def test_the_model_is_saved_and_loaded(tmp_path: Path) -> None:
    x, risk = two_levels()
    model = LegoClassifier("logistic", settings=QUICK).fit(x, risk > 0)
    loaded = mmlego.load(mmlego.save(model.model_, tmp_path / "model"))
    cohort = cohort_of(x, pd.DataFrame({"y": risk > 0}), {"task": "classification", "label": "y"})
    theirs = mmlego.predict(loaded, mmlego.data_of(loaded, cohort)).probabilities.numpy()
    np.testing.assert_allclose(theirs, model.predict_proba(x), atol=1e-6)


def test_the_seed_decides() -> None:
    x, risk = two_levels()
    one, two, other = (
        LegoClassifier("neural", fuse=False, settings={"fit.epochs": 1}, random_state=seed).fit(x, risk > 0)
        for seed in (1, np.random.RandomState(1), 2)
    )
    again = LegoClassifier("neural", fuse=False, settings={"fit.epochs": 1}, random_state=1).fit(x, risk > 0)
    np.testing.assert_array_equal(one.predict_proba(x), again.predict_proba(x))
    assert not np.array_equal(one.predict_proba(x), other.predict_proba(x))
    assert not np.array_equal(one.predict_proba(x), two.predict_proba(x))


def test_few_patients_validate_nobody() -> None:
    x, risk = two_levels(gaps=False)
    with pytest.warns(mmlego.LegoWarning, match="9 patients are too few for a share of 0.1: nobody validates"):
        LegoRegressor("ridge", fuse=False, validation=0.1).fit(x.iloc[:9], risk[:9])


def test_overrides_win_and_may_be_of_any_form() -> None:
    forms = ({"fit.epochs": 7}, {"fit": {"epochs": 7}}, ["fit.epochs=7"], "fit.epochs=7")
    for form in forms:
        assert settings_of("auto", "auto", form, 0, ["a"]).fit.epochs == 7
    chosen = settings_of({"a": "ridge"}, {"a": 2.0}, {"encoder.name": "coxnet", "seed": 9}, 0, ["a", "b"])
    assert chosen.encoders["a"].name == "ridge"
    assert chosen.encoder.name == "coxnet"
    assert chosen.merge.weights == {"a": 2.0}
    assert chosen.seed == 9
    with pytest.raises(InputError, match=r"unknown setting 'fit\.epoch'"):
        settings_of("auto", "auto", {"fit.epoch": 7}, 0, ["a"])
    with pytest.raises(UnknownNameError, match="blocks: unknown modality"):
        settings_of({"c": "ridge"}, "auto", None, 0, ["a", "b"])
    with pytest.raises(UnknownNameError, match="unknown encoder"):
        settings_of("rigde", "auto", None, 0, ["a"])
    with pytest.raises(InputError, match="'fit' to be a section"):
        settings_of("auto", "auto", {"fit": 3, "fit.epochs": 7}, 0, ["a"])
