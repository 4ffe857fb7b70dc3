"""docs/learners.md: its examples run, its table names every learner with its tasks."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from mmlego.learners import learner_names
from mmlego.learners.registry import learner_class
from mmlego.tasks import task_names

PAGE = (Path(__file__).parents[2] / "docs" / "learners.md").read_text(encoding="utf-8")


def test_the_examples_run_one_after_the_other() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "learners.md", "exec", dont_inherit=True), names)
    rows, net, again, fitted, learner = (names[name] for name in ("x", "net", "again", "fitted", "learner"))
    assert torch.equal(again(torch.from_numpy(rows)), net(torch.from_numpy(rows)))
    shares = torch.from_numpy(fitted.predict_proba(rows))
    torch.testing.assert_close(learner(torch.from_numpy(rows)).softmax(1), shares)
    merged, genes, died, clinical = (names[name] for name in ("merged", "genes", "died", "clinical"))
    found = merged.task.metrics(merged({"genes": genes, "clinical": clinical}), died)
    assert found["c_index"] > 0.9


def test_the_table_names_every_learner_with_its_tasks() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE, re.MULTILINE)
    told = {name: set(task_names()) if tasks == "all" else set(tasks.split(", ")) for name, tasks in rows}
    assert told == {name: set(learner_class(name).tasks) for name in learner_names()}
