"""Trees as arrays against the libraries that grew them, and survival trees against scikit-survival."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestRegressor
from sksurv.ensemble import GradientBoostingSurvivalAnalysis, RandomSurvivalForest
from sksurv.util import Surv

from mmlego.errors import InputError
from mmlego.learners import Boosting, Forest, SurvivalBoosting, SurvivalForest, Trees
from mmlego.learners.cox import events_and_times
from mmlego.learners.sklearn_trees import of_decision_tree, of_hist_boosting
from mmlego.learners.survival_trees import null_hazards
from mmlego.learners.trees import Tree
from mmlego.tasks import Classification, MultiLabel, Survival
from tests.learners.cases import Data, data, score


def holes(x: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(x.shape) < 0.15, np.nan, x)


@pytest.mark.parametrize("missing", [False, True])
def test_decision_trees_answer_as_in_scikit_learn(missing: bool) -> None:
    known = data("regression", n=200)
    x, y = holes(known.x) if missing else known.x, known.target.numpy()
    forest = RandomForestRegressor(30, random_state=0).fit(x, y)
    trees = [of_decision_tree(tree, tree.tree_.value[:, :, 0] / 30) for tree in forest.estimators_]
    ours = Trees.grown(6, 2, trees, [0] * 30, base=[0.0, 0.0])
    unseen = holes(data("regression", n=500, seed=5).x, 1)  # gaps that nobody in training had go where it says
    if not missing:
        unseen = np.nan_to_num(unseen, nan=0.3)
    np.testing.assert_allclose(ours(torch.from_numpy(unseen)), forest.predict(unseen), atol=1e-9)
    at = forest.estimators_[0].tree_.threshold[0]  # on a threshold, and next to it
    edge = np.tile(unseen[:1], (3, 1))
    edge[:, forest.estimators_[0].tree_.feature[0]] = [at, np.nextafter(at, 9), np.nextafter(at, -9)]
    np.testing.assert_allclose(ours(torch.from_numpy(edge)), forest.predict(edge), atol=1e-9)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_histogram_boosting_answers_as_in_scikit_learn(classes: int) -> None:
    known = data({1: "regression", 2: "classification", 3: "classes"}[classes], n=300)
    x, unseen = holes(known.x), holes(data("classes", n=200, seed=3).x)
    if classes == 1:
        other = HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(x, known.target[:, 0])
        expected = other.predict(unseen)[:, None]
    else:
        other = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(x, known.target)
        expected = other.decision_function(unseen).reshape(200, -1)
    trees, columns, base = of_hist_boosting(other)
    ours = Trees.grown(6, len(base), trees, columns, base=base, single=False)
    np.testing.assert_allclose(ours(torch.from_numpy(unseen)), expected, atol=1e-9)


def test_splits_by_categories_are_refused() -> None:
    x = np.random.default_rng(0).integers(0, 5, (200, 1)).astype(float)
    grown = HistGradientBoostingRegressor(max_iter=2, categorical_features=[0]).fit(x, (x[:, 0] % 2) * 3)
    with pytest.raises(InputError, match="split by categories"):
        of_hist_boosting(grown)


def test_a_batch_in_parts_is_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    known = data("classification")
    forest = Forest.fit(known.x, known.target, known.task, seed=0, trees=10)
    whole = forest(torch.from_numpy(known.x))
    monkeypatch.setattr("mmlego.learners.trees._AT_ONCE", 70)
    torch.testing.assert_close(forest(torch.from_numpy(known.x)), whole, rtol=0, atol=1e-12)


def test_without_trees_there_is_the_base() -> None:
    empty = Trees.grown(3, 2, [], [], base=[0.25, 0.5], link="log_odds")
    torch.testing.assert_close(empty(torch.zeros(1, 3))[0], torch.tensor([-np.log(3), 0.0]))


def test_links_and_widths_that_nobody_knows() -> None:
    with pytest.raises(InputError, match="a link of"):
        Trees(2, 1, 1, 1, 1, link="probit")
    with pytest.raises(InputError, match="width 1 or 3"):
        Trees(2, 3, 1, 1, 1, width=2)


def test_leaves_of_a_forest_are_drawn_towards_all_patients() -> None:
    """A single tree on all patients, one split: shares (n_k + π_k) / (n + 1)."""
    x = np.r_[np.zeros(12), np.ones(4)][:, None]
    target = torch.tensor([0] * 12 + [1] * 4)
    forest = Forest.fit(x, target, Classification(2), seed=0, trees=1, extra=True)
    prior = 4.5 / 17
    raw = forest(torch.tensor([[0.0], [1.0]])).exp()
    torch.testing.assert_close(raw[:, 1], torch.tensor([prior / 13, (4 + prior) / 5], dtype=torch.float64))
    torch.testing.assert_close(raw.sum(1), torch.ones(2, dtype=torch.float64))


def test_probabilities_of_forests_and_boosting_are_about_right() -> None:
    known, held = data("classification", n=1000), data("classification", n=3000, seed=1)
    for cls, options in ((Forest, {"trees": 50}), (Boosting, {"rounds": 50})):
        raw = cls.fit(known.x, known.target, known.task, seed=0, **options)(torch.from_numpy(held.x))
        assert Classification(2).metrics(raw, held.target)["ece"] < 0.12


@pytest.mark.parametrize(("cls", "few"), [(Forest, {"trees": 50}), (Boosting, {})])
def test_a_class_that_nobody_has_is_rare_and_a_label_of_one_class_is_constant(
    cls: type[Trees], few: dict[str, int]
) -> None:
    known = data("classification")
    raw = cls.fit(known.x, known.target * 2, Classification(3), seed=0, **few)(torch.from_numpy(known.x))
    two = cls.fit(known.x, known.target, Classification(2), seed=0, **few)(torch.from_numpy(known.x))
    assert float(raw.softmax(1)[:, 1].max()) < 0.05
    torch.testing.assert_close(raw[:, 2] - raw[:, 0], two[:, 1] - two[:, 0], rtol=0, atol=0.02)
    labels = torch.stack([torch.zeros(160), known.target.float()], 1)
    labels[:10, 1] = float("nan")
    raw = cls.fit(known.x, labels, MultiLabel(2), seed=0, **few)(torch.from_numpy(known.x))
    assert score(raw[:, 1:], Data(known.x, labels[:, 1:], MultiLabel(1))) > 0.8
    torch.testing.assert_close(raw[:, 0], torch.full((160,), np.log(0.5 / 160.5), dtype=torch.float64))


def test_survival_boosting_is_that_of_scikit_survival() -> None:
    """Without chance (all patients, all columns) tree by tree; with it, alike on patients held out."""
    known, held = data("survival", n=120), data("survival", n=500, seed=1)
    event, time = events_and_times(known.target)
    y = Surv.from_arrays(event == 1, time)
    usual = {"learning_rate": 0.05, "min_leaf": 5}
    options = {"rounds": 20, "depth": 2, "subsample": 1.0, "columns": None, **usual}
    ours = SurvivalBoosting.fit(known.x, known.target, known.task, seed=0, **options)
    other = GradientBoostingSurvivalAnalysis(
        n_estimators=20, learning_rate=0.05, max_depth=2, min_samples_leaf=5, random_state=0
    )
    np.testing.assert_allclose(ours(torch.from_numpy(held.x))[:, 0], other.fit(known.x, y).predict(held.x), atol=1e-6)
    ours = SurvivalBoosting.fit(known.x, known.target, known.task, seed=0, rounds=300, **usual)
    answers = ours(torch.from_numpy(held.x))
    other = GradientBoostingSurvivalAnalysis(
        n_estimators=300, learning_rate=0.05, subsample=0.5, max_features="sqrt", min_samples_leaf=5, random_state=0
    )
    theirs = torch.from_numpy(other.fit(known.x, y).predict(held.x))[:, None]
    assert abs(score(answers, held) - score(theirs, held)) < 0.02


def test_null_hazards_are_those_of_nelson_and_aalen() -> None:
    event, time = np.array([1, 1, 0, 1.0]), np.array([2, 2, 1, 5.0])
    found = null_hazards(event, time, np.ones(4))
    np.testing.assert_allclose(found, [2 / 3, 2 / 3, 0, 2 / 3 + 1])


def test_a_leaf_of_the_survival_forest_answers_events_over_those_expected() -> None:
    """All patients in one leaf: as many events as expected; each tree drew others, so that it is about 1."""
    known = data("survival", n=60)
    forest = SurvivalForest.fit(known.x, known.target, known.task, seed=0, min_leaf=60, trees=200)
    assert float(forest(torch.zeros(1, 6))) == pytest.approx(0.0, abs=0.05)
    x = np.r_[np.zeros(30), np.ones(30)][:, None]
    target = Survival.target(np.ones(60), np.r_[np.arange(30) + 31, np.arange(30) + 1])
    two = SurvivalForest.fit(x, target, Survival([9.0]), seed=0, min_leaf=10)(torch.tensor([[0.0], [1.0]]))
    expected = null_hazards(np.ones(60), target[:, 1].double().numpy(), np.ones(60))
    by_hand = np.log([31 / (expected[:30].sum() + 1), 31 / (expected[30:].sum() + 1)])
    np.testing.assert_allclose(two[:, 0], by_hand, atol=0.06)


def test_the_survival_forest_is_on_a_par_with_that_of_scikit_survival() -> None:
    differences = []
    for seed in range(3):
        known, held = data("survival", n=150, seed=seed), data("survival", n=500, seed=100 + seed)
        event, time = events_and_times(known.target)
        ours = SurvivalForest.fit(known.x, known.target, known.task, seed=seed)(torch.from_numpy(held.x))
        other = RandomSurvivalForest(200, min_samples_leaf=5, max_features="sqrt", random_state=0)
        theirs = other.fit(known.x, Surv.from_arrays(event == 1, time)).predict(held.x)
        differences.append(score(ours, held) - score(torch.from_numpy(theirs)[:, None], held))
    assert np.mean(differences) > -0.01


def test_a_tree_is_numbered_level_by_level() -> None:
    """0 → (3, 1); 3 → (2, 4): children stand side by side whatever their numbers were."""
    left, right = np.array([3, -1, -1, 2, -1]), np.array([1, -1, -1, 4, -1])
    tree = Tree.of(
        np.array([1, 0, 0, 0, 0]), np.array([0.5, 0, 0, 2.5, 0]), np.array([1, 0, 0, 0, 0]), (left, right), np.eye(5)
    )
    assert (tree.depth, tree.feature.tolist(), tree.left.tolist()) == (2, [1, 0, -1, -1, -1], [1, 3, 0, 0, 0])
    ours = Trees.grown(2, 5, [tree], [0], base=np.zeros(5))
    x = torch.tensor([[2.0, 0.5], [2.6, 0.5], [0.0, 0.6], [0.0, float("nan")]])
    assert ours(x).argmax(1).tolist() == [2, 4, 1, 2]
