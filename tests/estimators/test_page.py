"""docs/estimators.md: its examples run, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mmlego import estimators

PAGE = (Path(__file__).parents[2] / "docs" / "estimators.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, object] = {"__name__": "__main__"}
    for number, code in enumerate(blocks):
        exec(compile(code, f"estimators.md, example {number}", "exec"), names)
        assert capsys.readouterr().out.count("\n") == code.count("print(")
    assert 0.5 < names["model"].score(names["X"], names["y"]) < 1


def test_the_page_names_every_estimator() -> None:
    for name in estimators.__all__:
        assert name == "StepFunction" or f"`{name}" in PAGE
