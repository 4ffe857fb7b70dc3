from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from mmlego.errors import InputError, UnknownNameError
from mmlego.tasks import Prediction, Regression, Task, register_task, registry, task_from_config, task_names


@pytest.fixture
def scratch_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry._TASKS, "_known", registry._TASKS.registered())


@dataclass(frozen=True)
class Count(Task):
    """A task from outside: counts, by Poisson regression."""

    name: ClassVar[str] = "count"
    primary_metric: ClassVar[str] = "deviance"
    chance: ClassVar[float] = 0.0

    exposure: float = 1.0

    @property
    def outputs(self) -> int:
        return 1

    def check_target(self, target: object, *, shape_only: bool = False) -> Tensor:
        return torch.as_tensor(target)

    def sample_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        return logits[:, 0].exp() - target * logits[:, 0]

    def predict(self, logits: Tensor) -> Prediction:
        return Regression().predict(logits.exp())

    def strata(self, target: object) -> Tensor:
        return torch.zeros(len(self.check_target(target)), dtype=torch.int64)

    def _scores(self, logits: Tensor, target: Tensor, reference: Tensor | None) -> tuple[dict[str, float], list[str]]:
        return {"deviance": -float(self.sample_loss(logits, target).mean())}, []


@pytest.mark.usefixtures("scratch_registry")
def test_a_task_of_ones_own() -> None:
    assert register_task(Count) is Count
    assert "count" in task_names()
    task = task_from_config({"name": "count", "exposure": 2.0})
    assert task == Count(2.0)
    assert task.config() == {"name": "count", "exposure": 2.0}
    assert task.loss(torch.zeros(2, 1), torch.tensor([0.0, 3.0])) == 1.0
    assert task.metrics(torch.zeros(2, 1), torch.tensor([0.0, 3.0])) == {"deviance": -1.0}


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        UnknownNameError,
        match="unknown task 'surival': expected one of classification, competing_risks, multilabel, regression, s",
    ):
        task_from_config({"name": "surival"})


@pytest.mark.parametrize("config", [{}, {"name": 3}, "survival", None])
def test_config_without_a_name(config: object) -> None:
    with pytest.raises(InputError, match="the configuration of a task has no name"):
        task_from_config(config)  # type: ignore[arg-type]


def test_config_without_its_arguments() -> None:
    with pytest.raises(InputError, match=r"expected the arguments cuts, unit, typical_time, got missing \['cuts'\]"):
        task_from_config({"name": "survival"})


@pytest.mark.usefixtures("scratch_registry")
def test_registration_refuses_what_is_not_a_task() -> None:
    class Nameless(Task):
        pass

    for other in (Nameless, int, "survival"):
        with pytest.raises(InputError, match="not a task"):
            register_task(other)  # type: ignore[type-var]


@pytest.mark.usefixtures("scratch_registry")
def test_registration_refuses_a_taken_name() -> None:
    @dataclass(frozen=True)
    class Regression2(Count):
        name: ClassVar[str] = "regression"

    with pytest.raises(InputError, match=r"the task name 'regression' is taken: .* where it is Regression"):
        register_task(Regression2)


@pytest.mark.usefixtures("scratch_registry")
def test_registration_refuses_what_cannot_be_rebuilt() -> None:
    @dataclass(frozen=True, init=False)
    class Forgetful(Count):
        name: ClassVar[str] = "forgetful"

        def __init__(self, names: Sequence[str]) -> None:
            pass

    with pytest.raises(InputError, match="cannot be rebuilt from its configuration: expected fields equal to"):
        register_task(Forgetful)


def test_import_stays_light() -> None:
    """The metric packages, tables and Lightning are imported where they are used."""
    heavy = ["lightning", "pandas", "matplotlib", "torchmetrics", "torchsurv", "sklearn", "scipy", "sksurv"]
    code = f"import sys, mmlego.tasks; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
