"""What is tried: by default of the signatures; from users all that is wrong in one error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mmlego import InputError
from mmlego.bounds import bounds_of
from mmlego.data import Cohort
from mmlego.encoders import encoder_names
from mmlego.learners import learner_names
from mmlego.search import methods_for, usual_space
from mmlego.search.asking import Asking
from mmlego.search.checks import applied, check_space, read_space
from mmlego.sections import Range
from mmlego.settings import AUTO, EncoderSettings, FitSettings, Settings, as_settings
from mmlego.tasks import Classification, Survival

FIT = FitSettings()


@pytest.fixture(scope="module")
def fitted() -> Any:
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 5.0]}, index=list("abcd"))
    return Cohort.from_frames({"rna": frame}).prepare(list("abcd")).preprocessing["rna"]


@pytest.mark.parametrize("method", [*learner_names(), *encoder_names()])
def test_the_usual_space_of_every_method_is_within_its_bounds(method: str) -> None:
    base = EncoderSettings(name=method)
    for name, tried in usual_space(method, FIT).items():
        for value in (tried.low, tried.high) if isinstance(tried, Range) else tried:
            section, key = name.split(".")
            made = applied(base, {name: value})
            assert (made.options[key] if section == "options" else getattr(made.fit, key)) == value
            bounds = bounds_of(FitSettings, key) if section == "fit" else None
            assert bounds is None or bounds.hold(value)


def test_the_usual_space_of_an_encoder() -> None:
    found = usual_space("snn", FitSettings(lr=1e-2, weight_decay=0.0, epochs=1))
    assert found["fit.lr"] == Range(low=1e-3, high=1e-1, log=True)
    assert found["fit.epochs"] == Range(low=1, high=2)
    assert 0.0 in found["fit.weight_decay"]
    assert {"options.hidden", "options.dropout", "options.input_dropout"} < found.keys()


def test_methods_are_those_of_auto_or_what_is_named(fitted: Any) -> None:
    two, times = Classification(2), Survival([1.0, 2.0])
    assert methods_for(fitted, two, "rna", Settings()) == (AUTO, "logistic", "boosting")
    assert methods_for(fitted, times, "rna", Settings()) == (AUTO, "coxnet", "survival_boosting")
    assert methods_for(fitted, two, "rna", as_settings({"encoder": {"name": "neural"}})) == ("snn",)
    assert methods_for(fitted, two, "rna", as_settings({"encoders": {"rna": {"name": "forest"}}})) == ("forest",)


def test_all_faults_of_a_space_are_told_at_once(fitted: Any) -> None:
    wide = Range(low=0.5, high=1.5)
    space: Any = {
        "proteins": {"snn": {}},
        "rna": {
            "snn": {"options.dropout": wide, "fit.lr": [0.1], "lr": [1], "options.depth": [2]},
            "coxnet": {"options.l1_ratios": [[0.5]]},
            "boosting": {"options.l2": [-1.0], "fit.lr": [0.1]},
            "neural": {"fit.epochs": Range(low=1.0, high=3.0), "fit.lr": Range(low=0.1, high=0.5)},
            "brain": {},
        },
    }
    with pytest.raises(InputError) as told:
        check_space(space, ["rna"], {"rna": fitted}, lambda _, name: EncoderSettings(name=name), Classification(2))
    for part in (
        "unknown modality 'proteins', of rna",
        "rna.snn.options.dropout: 1.5: dropout of encoder 'snn': expected less than or equal to 1",
        "rna.snn.lr: 1: 'lr' cannot be tried: expected fit.NAME or options.NAME",
        "rna.snn.options.depth: 2: ",
        "rna.coxnet: a learner of survival, not of classification",
        "rna.boosting.options.l2: -1.0: ",
        "rna.boosting.fit.lr: 0.1: fit is of neural encoders",
        "fit.epochs: Input should be a valid integer, got a number with a fractional part",
        "rna.brain: unknown method",
    ):
        assert part in str(told.value)
    assert "rna.snn.fit.lr" not in str(told.value)
    assert "rna.neural.fit.lr" not in str(told.value)


def test_a_file_of_a_space_is_read_and_all_that_is_wrong_told(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    for text in (
        "rna: {snn: {fit.lr: {low: 1e-4, high: 1e-2, log: true}}}",
        "space: {rna: {snn: {fit.lr: {low: 1e-4, high: 1e-2, log: true}}}}",
    ):
        file.write_text(text)
        assert read_space(file) == {"rna": {"snn": {"fit.lr": Range(low=1e-4, high=1e-2, log=True)}}}
    file.write_text("rna: {snn: {fit.lr: {low: 2, high: 1}, fit.epochs: [], options.hidden: 3}}")
    with pytest.raises(InputError) as told:
        read_space(file)
    for part in ("rna.snn.fit.lr: low must be below high", "rna.snn.fit.epochs: ", "rna.snn.options.hidden: "):
        assert part in str(told.value)
    file.write_text("rna: {snn: {fit.lr: {low: 0, high: 1, log: true}}}")
    with pytest.raises(InputError, match="by its logarithm a range must begin above 0"):
        read_space(file)
    file.write_text("")
    with pytest.raises(InputError, match=r"space\.yaml: the whole: Input should be a valid dictionary"):
        read_space(file)
    with pytest.raises(InputError, match=r"^cannot read the space .*none\.yaml"):
        read_space(tmp_path / "none.yaml")


def test_what_is_asked_lies_within_and_good_answers_draw_it_near() -> None:
    space: Any = {"x": Range(low=-5.0, high=5.0), "n": Range(low=1, high=9), "c": [[1], [2, 3]]}

    def course(told: bool) -> list[dict[str, Any]]:
        asking, seen = Asking(space, seed=1), []
        for _ in range(15):
            some = [asking.ask() for _ in range(4)]
            asking.tell([-((one["x"] - 3.0) ** 2) if told else None for one in some])
            seen += some
        return seen

    first = course(told=True)
    assert first == course(told=True)
    assert all(-5 <= one["x"] <= 5 and one["n"] in range(1, 10) and one["c"] in ([1], [2, 3]) for one in first)
    late, early = ([abs(one["x"] - 3.0) for one in some] for some in (first[-12:], first[:12]))
    assert sum(late) < sum(early) / 2
    assert first != course(told=False)


def test_the_training_of_one_modality_may_be_its_own() -> None:
    made = as_settings({"encoders": {"rna": {"name": "snn", "fit": {"lr": 0.5}}}})
    assert made.encoders["rna"].fit.model_dump() == {"lr": 0.5}
    assert "fit" not in EncoderSettings(name="snn").model_dump()  # runs that were begun before go on
    with pytest.raises(InputError, match="fit is of neural encoders; 'logistic' may be a learner"):
        as_settings({"encoder": {"name": "logistic", "fit": {"lr": 0.5}}})
    assert "space" not in as_settings({"space": {}}).model_dump()
