"""Classes, labels and numbers: curves against scikit-learn, tables against what patients had."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import precision_recall_curve, roc_auc_score
from sklearn.metrics import roc_curve as reference_roc

from mmlego.reporting.answers import Answers, Heard
from mmlego.reporting.numeric import numeric_sections
from mmlego.reporting.page import inline_svg
from mmlego.reporting.parts import Section, Table
from mmlego.reporting.ranked import precision_curve, questions, ranked_sections, roc_curve
from mmlego.reporting.subject import Subject
from tests.reporting import answered


def told(answers: Answers) -> list[Section]:
    n = len(answers)
    heard = Heard({answers.label: answers}, np.ones((n, 1), dtype=bool), ("rna",), answers.patients, None)
    subject = Subject({answers.label: None}, {}, None, {}, answers.patients)  # type: ignore[dict-item]
    make = numeric_sections if answers.task.name == "regression" else ranked_sections
    return make(subject, heard)


def table_of(sections: list[Section], caption: str) -> Table:
    (found,) = (
        item for one in sections for item in one.items if isinstance(item, Table) and item.caption.startswith(caption)
    )
    return found


@pytest.mark.parametrize("decimals", [1, 6])
def test_curves_are_those_of_scikit_learn(decimals: int) -> None:
    (one,) = questions(answered.classes(150))
    value = one.log_odds.round(decimals)
    x, y = roc_curve(value, one.truth)
    for ours, theirs in zip((x, y), reference_roc(one.truth, value, drop_intermediate=False)[:2], strict=True):
        assert_allclose(ours, theirs)
    recall, precision = precision_curve(value, one.truth)
    theirs_p, theirs_r, _ = precision_recall_curve(one.truth, value)
    assert_allclose(recall, theirs_r[:-1][::-1])
    assert_allclose(precision, theirs_p[:-1][::-1])


def test_two_classes_are_one_question() -> None:
    answers = answered.classes(300)
    sections = told(answers)
    assert [one.name for one in sections] == ["ranking", "calibration", "decision"]
    row = table_of(sections, "Areas").rows[0]
    (one,) = questions(answers)
    assert one.name == "relapse = yes"
    assert row[1] == f"{one.truth.sum()} of 300"
    assert float(row[2].split()[0]) == pytest.approx(roc_auc_score(one.truth, one.chance), abs=0.006)
    means = table_of(sections, "Calibration").rows[0]
    assert means[1:3] == (f"{100 * one.chance.mean():.0f} %", f"{100 * one.truth.mean():.0f} %")


def test_several_classes_and_labels_are_a_question_each() -> None:
    rows = table_of(told(answered.classes(300, k=3)), "Areas").rows
    assert [row[0] for row in rows] == ["grade 0", "grade 1", "grade 2"]
    answers = answered.labels(200)
    rows = table_of(told(answers), "Areas").rows
    known = answers.target[:, 1][~answers.target[:, 1].isnan()]
    assert [row[0] for row in rows] == ["liver", "skin"]
    assert rows[1][1] == f"{int(known.sum())} of {len(known)}" == f"{int(known.sum())} of 160"


def test_one_answer_only_is_no_question() -> None:
    answers = answered.classes(50)
    alike = Answers(answers.label, answers.task, answers.patients, answers.logits, answers.target * 0)
    assert told(alike) == []


def test_numbers_tell_their_bias() -> None:
    answers = answered.numbers(400)
    shifted = Answers("LegoMerge", answers.task, answers.patients, answers.logits, answers.target + 3)
    row = table_of(told(shifted), "Observed").rows[0]
    left = (answers.target + 3 - answers.prediction.values[:, 0]).numpy()
    assert row[0] == "il6"
    assert float(row[1]) == pytest.approx(left.mean(), rel=0.01)
    assert float(row[2]) == pytest.approx(left.std(ddof=1), rel=0.01)


@pytest.mark.parametrize("answers", [answered.classes(10_000), answered.numbers(10_000)], ids=["classes", "numbers"])
def test_ten_thousand_patients_are_not_ten_thousand_marks(answers: Answers) -> None:
    for one in told(answers):
        for picture in one.pictures:
            assert len(inline_svg(picture)) < 400_000
