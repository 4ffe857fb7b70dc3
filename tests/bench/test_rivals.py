"""Rivals on a split: every one of every task, on the same splits, and those that need pairs see pairs alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmlego import InputError, MissingExtraError, UnknownNameError
from mmlego.baselines import Baseline, Rival, Tables, baseline_class, baseline_names, rivals_for
from mmlego.baselines import registry as registries
from mmlego.baselines.base import Components, Filled
from mmlego.bench import Experiment, Results, read_results, run_experiment
from mmlego.bench import cells as module
from mmlego.bench import rivals as scoring
from mmlego.bench.rivals import rival_answers, score_rivals
from mmlego.data import Cohort, Split, split_patients
from mmlego.job.data import having_all
from mmlego.settings import Settings
from mmlego.tasks import Classification, MultiLabel, Regression, Survival
from tests.cells.jobs import Told
from tests.cohorts import CLASSES, SURVIVAL, write_cohort
from tests.outside import NEAREST

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients

TASKS: dict[str, dict[str, object]] = {
    "survival": SURVIVAL,
    "classification": CLASSES,
    "three classes": {"task": "classification", "label": "grade"},
    "multilabel": {"task": "multilabel", "labels": "tox_*"},
    "regression": {"task": "regression", "target": "il6"},
}
SMALL = {"n_estimators": 10, "iterations": 10}


@pytest.fixture(scope="module", params=TASKS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Cohort, Split]:
    """60 patients of each task; 9 lack clinical, 18 others labs."""
    folder = tmp_path_factory.mktemp("rivals")
    data = write_cohort(folder, ("rna", "clinical", "labs"), outcome=TASKS[request.param])
    cohort = Cohort.from_manifest(data)
    return cohort, split_patients(cohort.patients, cohort.strata(), folds=3, validation=0.25, seed=1)[0]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten trees in place of hundreds: what is tested is not how good they are."""
    for name in baseline_names():
        cls = baseline_class(name)
        made = getattr(cls, "estimator", None)
        if made is None or "estimator" not in vars(cls):
            continue

        def fewer(self: Any, *given: Any, made: Any = made) -> Any:
            model = made(self, *given)
            known = {key: value for key, value in SMALL.items() if key in model.get_params()}
            return model.set_params(**known)

        monkeypatch.setattr(cls, "estimator", fewer)


def seen_by(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return which baseline is fitted to how many patients, as it goes."""
    seen: list[tuple[str, int]] = []
    fit = Baseline.fit

    def told(self: Baseline, x: np.ndarray, *given: Any, **more: Any) -> Baseline:
        seen.append((self.name, len(x)))
        return fit(self, x, *given, **more)

    monkeypatch.setattr(Baseline, "fit", told)
    return seen


def test_every_rival_of_every_task(case: tuple[Cohort, Split]) -> None:
    cohort, split = case
    who = split.named(cohort.patients)
    found = score_rivals(cohort, split, Settings(), disjoint=True, seed=0, neural=False)
    task = cohort.outcome_spec.fit_task(cohort.outcome.loc[list(who["train"])])  # type: ignore[union-attr]
    rivals = rivals_for(task)
    assert {rival.name for rival in rivals} <= found["scores"].keys() == found["cpu"].keys() == found["needs"].keys()
    assert {rival.pairs for rival in rivals} == {True, False}
    for name, scores in found["scores"].items():
        assert np.isfinite(scores[task.primary_metric]), name
        assert found["cpu"][name] >= 0
    for rival in rivals:
        assert found["needs"][rival.name] == ("with pairs" if rival.pairs else "without pairs")
    # Risk shows in every table, so that whoever learns is above chance on the mean.
    assert np.mean([one[task.primary_metric] for one in found["scores"].values()]) > task.chance + 0.05
    again = score_rivals(cohort, split, Settings(), disjoint=True, seed=0, neural=False)
    assert again["scores"] == found["scores"]


def test_those_that_need_pairs_see_pairs_alone(case: tuple[Cohort, Split], monkeypatch: pytest.MonkeyPatch) -> None:
    cohort, split = case
    who = split.named(cohort.patients)
    task = cohort.outcome_spec.fit_task(cohort.outcome.loc[list(who["train"])])  # type: ignore[union-attr]
    pairs = having_all(cohort, cohort.modalities, who["train"])[:12]
    learnt: list[Sequence[str]] = []
    prepare = Cohort.prepare

    def told(self: Cohort, patients: Sequence[str], **more: Any) -> Any:
        learnt.append(patients)
        return prepare(self, patients, **more)

    monkeypatch.setattr(Cohort, "prepare", told)
    seen = seen_by(monkeypatch)
    answers, _ = rival_answers(cohort, task, who["test"], parts=None, paired=pairs, seed=0)
    assert answers.keys() == {rival.name for rival in rivals_for(task) if rival.pairs}
    assert {count for _, count in seen} == {12}
    assert all(set(ids) <= set(pairs) for ids in learnt)  # nor does their preprocessing know anybody else
    for name, one in answers.items():
        assert np.isfinite(one.values).all(), name


def test_dull_ones_see_the_patients_of_blocks_and_nobody_held_back(
    case: tuple[Cohort, Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort, split = case
    who = split.named(cohort.patients)
    asked: list[tuple[dict[str, list[str]], list[str], list[str]]] = []
    monkeypatch.setattr(
        scoring,
        "rival_answers",
        lambda cohort, task, ids, *, parts, paired, seed: asked.append((parts, paired, ids)) or ({}, 0.0),
    )
    for disjoint in (True, False):
        score_rivals(cohort, split, Settings(), disjoint=disjoint, seed=0, neural=False)
    (apart, everyone, test), (shared, _, _) = asked
    assert set(everyone) == {*who["train"], *who["validation"]}
    assert set(test) == set(who["test"])
    assert len({patient for ids in apart.values() for patient in ids}) == sum(map(len, apart.values())) == len(everyone)
    assert all(set(ids) == set(everyone) for ids in shared.values())


def test_a_mean_over_modalities_is_that_of_those_who_answer(case: tuple[Cohort, Split]) -> None:
    cohort, split = case
    who = split.named(cohort.patients)
    task = cohort.outcome_spec.fit_task(cohort.outcome.loc[list(who["train"])])  # type: ignore[union-attr]
    parts = dict.fromkeys(cohort.modalities, (*who["train"], *who["validation"]))
    answers, _ = rival_answers(cohort, task, who["test"], parts=parts, paired=parts["rna"], seed=0)
    rival = next(rival for rival in rivals_for(task) if not rival.pairs)
    if rival.mean == "ranks":
        return  # below, by hand
    each = np.stack([answers[f"{rival.members[0]} {name}"].values for name in cohort.modalities])
    assert np.isnan(each).any()  # some lack a modality
    assert np.allclose(answers[rival.name].values, np.nanmean(each, axis=0))


def test_means_of_ranks_by_hand() -> None:
    first, second = np.array([[3.0], [1.0], [2.0]]), np.array([[5.0], [np.nan], [9.0]])
    rival = Rival("both", ("survival",), ("a", "b"), "each", "ranks")
    mean = scoring._mean(rival, [scoring.Answers(first, 1.0), scoring.Answers(second, 1.0)])
    assert mean[:, 0] == pytest.approx([(5 / 6 + 1 / 4) / 2, 1 / 6, (1 / 2 + 3 / 4) / 2])


@pytest.mark.parametrize("name", baseline_names())
def test_few_patients_and_one_outcome_are_no_reason_to_stop(name: str) -> None:
    cls = baseline_class(name)
    if not getattr(cls, "there", lambda: True)():
        pytest.skip("its package is not installed")
    x = np.random.default_rng(0).normal(size=(8, 3))
    targets = {
        "classification": (Classification(2), [torch.tensor([1] * 8), torch.tensor([1] + [0] * 7)]),
        "multilabel": (MultiLabel(2), [torch.tensor([[1.0, torch.nan]] * 8)]),
        "survival": (Survival([1.0]), [torch.tensor([[float(i < n), i + 1.0] for i in range(8)]) for n in (0, 1, 3)]),
        "regression": (Regression(), [torch.arange(8.0)[:, None]]),
    }
    for task in cls.tasks:
        for target in targets[task][1]:
            made = cls().fit(x, target, targets[task][0], seed=0).scores(x[:2])
            assert np.isfinite(made).all()
    other = next(task for task in targets if task not in cls.tasks)
    with pytest.raises(InputError, match=f"got {other}"):
        cls().fit(x, targets[other][1][0], targets[other][0], seed=0)


def test_gaps_are_means_with_a_column_that_says_so() -> None:
    x = np.array([[1.0, 7.0, np.nan, np.nan], [3.0, 7.0, 2.0, 5.0], [5.0, 7.0, 4.0, 9.0]])
    rows = Filled(x)(x)
    assert rows.shape == (3, 4)  # a constant column is left out, two that are missing together are told by one
    assert rows[:, :3].mean(axis=0) == pytest.approx(np.zeros(3))
    assert rows[0, 1:3] == pytest.approx(np.zeros(2))  # means
    assert rows[:, 3] == pytest.approx(np.array([2.0, -1.0, -1.0]) / np.sqrt(2))
    assert Components(x, 32)(x).shape == (3, 3)


def test_tables_know_who_has_what() -> None:
    nan = np.nan
    tables = Tables(
        ("a", "b", "c"), {"x": np.array([[1.0], [nan], [nan]]), "y": np.array([[1.0, nan], [2.0, 3.0], [nan, nan]])}
    )
    assert tables.has().tolist() == [True, True, False]
    assert tables.has("x").tolist() == [True, False, False]
    assert tables.beside().shape == (3, 3)


def test_a_missing_package_is_told_before_anything_is_trained(
    cohort: Cohort, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sksurv", None)
    with pytest.raises(MissingExtraError, match=r"the rival 'Cox net' needs sksurv.*mmlego\[rivals\]"):
        run_experiment(cohort, experiment.model_copy(update={"rivals": True}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_tabicl_would_answer_is_a_row_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.linear_model import LogisticRegression

    class TabICLClassifier(LogisticRegression):
        pass

    fake = type(sys)("tabicl")
    fake.TabICLClassifier = TabICLClassifier  # type: ignore[attr-defined]
    assert ("PCA, TabICL, all" in [rival.name for rival in rivals_for(Classification(2))]) == (
        baseline_class("PCA, TabICL").there()  # type: ignore[attr-defined]
    )
    monkeypatch.setitem(sys.modules, "tabicl", fake)
    monkeypatch.setattr(baseline_class("PCA, TabICL"), "there", staticmethod(lambda: True))
    assert "PCA, TabICL, all" in [rival.name for rival in rivals_for(Classification(2))]
    x = np.random.default_rng(0).normal(size=(30, 3))
    made = baseline_class("PCA, TabICL")().fit(x, torch.from_numpy(x[:, 0] > 0).long(), Classification(2), seed=0)
    assert (made.scores(x).argmax(1) == (x[:, 0] > 0)).mean() > 0.8


def test_a_name_that_is_taken_is_refused() -> None:
    rival = rivals_for(Classification(2))[0]
    with pytest.raises(InputError, match=f"the rival '{rival.name}' is taken"):
        registries.register_rival(Rival(rival.name, ("survival",), ("Cox net",), "all"))
    with pytest.raises(UnknownNameError, match="unknown baseline"):
        baseline_class("magic")


def test_the_rival_of_the_page_races(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries._BASELINES, "_known", registries._BASELINES.registered())
    monkeypatch.setattr(registries, "_RIVALS", dict(registries._RIVALS))
    exec(compile(NEAREST, "architecture.md", "exec", dont_inherit=True), {})
    assert "nearest, all" in [rival.name for rival in rivals_for(Classification(2))]
    x = np.array([[0.0], [1.0], [8.0], [9.0]]).repeat(10, 0)
    for task, target in ((Classification(2), torch.from_numpy(x[:, 0] > 5).long()), (Regression(), torch.tensor(x))):
        made = baseline_class("nearest")().fit(x, target, task, seed=0).scores(np.array([[0.5], [np.nan], [8.5]]))
        assert made[2, -1] > made[0, -1]


def test_rivals_stand_beside_ours_on_the_same_splits(
    cohort: Cohort, experiment: Experiment, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = experiment.model_copy(update={"repeats": 1, "rivals": True})
    told = Told()
    found = run_experiment(cohort, short, tmp_path, watch=told)
    labels = ["split 1 of 2", "split 1 of 2, rivals", "split 2 of 2", "split 2 of 2, rivals"]
    assert told.ended == [f"{label}: None" for label in labels]
    ours = results.methods
    assert found.methods[: len(ours)] == ours
    for name in ours:
        assert found.scores(name).tolist() == results.scores(name)[:2].tolist()
    for needs in ("without pairs", "with pairs", "end to end"):
        assert found.hardest(needs) in found.rivals(needs)
        assert all(np.isfinite(found.scores(name)).all() for name in found.rivals(needs))
    assert found.rivals("end to end") == ["concatenation", "sequential"]
    assert all(np.isfinite(found.cost(name)) for name in found.methods)
    assert found.cost("LegoFuse") >= found.cost("LegoMerge") >= found.cost("block rna")
    assert len(list((tmp_path / "private/cells").iterdir())) == 4
    # Neither is measured again, and either goes on alone.
    monkeypatch.setattr(module, "train", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr(module, "score_rivals", lambda *_, **__: pytest.fail("fitted again"))
    assert run_experiment(cohort, short, tmp_path).config() == found.config()
    without = run_experiment(cohort, short.model_copy(update={"rivals": False}), tmp_path)
    assert without.methods == ours
    json.loads((tmp_path / "private/results.json").read_text(), parse_constant=pytest.fail)
    assert read_results(tmp_path).rivals("with pairs") == []
