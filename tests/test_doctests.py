"""Every example in a docstring runs.

A module whose examples need an optional package says so in ``__doctest_requires__``, names of objects → packages (the
convention of pytest-doctestplus); where a package is absent, these examples are left out and the test says so.
"""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import mmlego

NAMES = ["mmlego", *(module.name for module in pkgutil.walk_packages(mmlego.__path__, "mmlego."))]


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # an example may write a file
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    absent = []
    for test in doctest.DocTestFinder().find(module):
        packages = needed(module, test.name) if test.examples else []
        needs = [package for package in packages if importlib.util.find_spec(package) is None]
        absent += [f"{test.name} needs {package}" for package in needs]
        if not needs:
            assert runner.run(test).failed == 0, test.name
    if absent:
        pytest.skip("the other examples run; " + ", ".join(absent))


def needed(module: ModuleType, name: str) -> list[str]:
    """Return the optional packages that the examples of an object and of its methods need."""
    requires: dict[str, list[str]] = getattr(module, "__doctest_requires__", {})
    inside = name.removeprefix(module.__name__).removeprefix(".").split(".")
    return requires.get(inside[0], [])


def test_there_are_examples_to_run() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    counts = [len(test.examples) for name in NAMES for test in finder.find(importlib.import_module(name))]
    assert sum(counts) > 50
