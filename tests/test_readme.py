"""What README and docs say holds: their Python runs, their commands parse, their links lead somewhere."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from typer.main import get_command

import mmlego
from mmlego.cli import app
from tests.terminal import done, inside

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "AGENTS.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES += [*sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|<(?:img|a)\b[^>]*?(?:src|href)=\"([^\"]+)\"")
EXAMPLE = ROOT / "docs" / "command-line.md"


def blocks(page: Path, *languages: str) -> list[tuple[int, str]]:
    """Return the fenced blocks of some languages, each with its line number."""
    text = page.read_text(encoding="utf-8")
    found = [(text[: match.start(2)].count("\n") + 1, match[1], match[2]) for match in FENCE.finditer(text)]
    return [(line, code) for line, language, code in found if language in languages]


def commands(page: Path) -> list[tuple[int, list[str]]]:
    """Return what is typed in the shell blocks of a page, word by word."""
    found = []
    for start, code in blocks(page, "sh", "bash", "shell", "console"):
        prompted = any(line.startswith("$ ") for line in code.splitlines())
        typed = ""
        for number, line in enumerate(code.splitlines()):
            if prompted and not typed and not line.startswith("$ "):
                continue  # output
            typed += line.removeprefix("$ ") if not typed else " " + line.strip()
            if typed.endswith("\\"):
                typed = typed[:-1]
                continue
            if words := shlex.split(typed, comments=True):
                found.append((start + number, words))
            typed = ""
    return found


def named(things: list[tuple[Path, int, Any]]) -> list[Any]:
    return [pytest.param(*thing, id=f"{thing[0].relative_to(ROOT)}:{thing[1]}") for thing in things]


def run(code: str, where: str) -> None:
    """Run a block in a namespace of its own; one with prompts has to print what it shows."""
    if ">>> " not in code:
        exec(compile(code, where, "exec"), {"__name__": "__main__"})
        return
    test = doctest.DocTestParser().get_doctest(code, {}, where, where, 0)
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0


@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
@pytest.mark.parametrize(("page", "line", "code"), named([(README, *block) for block in blocks(README, "python")]))
def test_python_of_the_readme_runs(
    page: Path, line: int, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with inside(tmp_path):
        run(code, f"{page.name}:{line}")
    printed = capsys.readouterr().out
    assert bool(printed) == ("print(" in code)
    assert ("c_index" in printed) == ("mmlego.evaluate" in code or ".scores(" in code)


@pytest.mark.parametrize(
    ("page", "line", "words"),
    named([(page, *command) for page in PAGES for command in commands(page) if command[1][0].endswith("mmlego")]),
)
def test_commands_parse(page: Path, line: int, words: list[str]) -> None:
    group = get_command(app)
    verb, *arguments = words[1:] or ["--help"]
    if verb.startswith("-"):
        assert verb in {option for parameter in group.params for option in parameter.opts} | {"-h", "--help"}
        return
    assert verb in group.commands, f"{page.name}:{line}: no verb {verb}"
    if not {"-h", "--help"} & {*arguments}:
        group.commands[verb].make_context(verb, list(arguments))


def _files_of_the_readme() -> None:
    """Write what the commands of README name: tables, slides, the outcome, and new patients."""
    rng = np.random.default_rng(0)
    ids = pd.Index([f"P{number:02d}" for number in range(60)], name="patient")
    ill = rng.random(60) < 0.5
    pd.DataFrame({"age": (60 + 8 * ill + 6 * rng.normal(size=60)).astype(int)}, index=ids).to_csv("clinical.csv")
    genes = pd.DataFrame(rng.normal(size=(60, 6)) + ill[:, None], index=ids, columns=[f"G{i}" for i in range(6)])
    genes.round(3).to_csv("rna.csv")
    pd.DataFrame({"relapse": np.where(ill, "yes", "no")}, index=ids).to_csv("outcome.csv")
    Path("slides").mkdir()
    for patient, row in zip(ids, rng.normal(size=(60, 12, 4)) + 0.5 * ill[:, None, None], strict=True):
        torch.save(torch.from_numpy(row).float(), f"slides/{patient}.pt")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
def test_commands_of_the_readme_run_one_after_the_other(tmp_path: Path) -> None:
    typed = [words for _, words in commands(README) if words[0] == "mmlego"]
    assert [words[1] for words in typed] == "init check train merge fuse evaluate predict explain report".split()
    with inside(tmp_path):
        _files_of_the_readme()
        for words in typed:
            done(*words[1:], *(("-s", "fit.epochs=3") if words[1] == "train" else ()))
            if words[1] == "init":
                drafted = yaml.safe_load(Path("cohort.yaml").read_text(encoding="utf-8"))
                assert drafted["modalities"].keys() == {"clinical", "rna", "slides"}
                Path("new-patients.yaml").write_text(yaml.safe_dump(drafted), encoding="utf-8")
                outcome = {
                    "task": "classification",
                    "file": "outcome.csv",
                    "label": "relapse",
                    "classes": ["no", "yes"],
                }
                whole = {**drafted, "outcome": outcome}
                Path("cohort.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
        assert len(pd.read_csv("predictions.csv")) == 60
        assert "LegoFuse" in Path("report.html").read_text(encoding="utf-8")
        assert (tmp_path / "explained" / "modalities.csv").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_of_make_exist(page: Path) -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    said = set(re.findall(r"(?:^\s*(?:\$ )?|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert said <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    for match in LINK.finditer(text):
        target, _, anchor = (match[1] or match[2]).partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), f"{page.name}: {target}"
        assert ROOT in (place, *place.parents), f"{page.name}: {target} lies outside"
        if anchor and place.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{page.name}: {target}#{anchor}"


def public(module: str) -> list[str]:
    """Return the public names of a module: those it lists, or else those it defines."""
    found = importlib.import_module(module)
    if hasattr(found, "__all__"):
        return list(found.__all__)
    return [n for n, thing in vars(found).items() if getattr(thing, "__module__", "") == module and n[0] != "_"]


MODULES = (
    "",
    ".tasks",
    ".encoders",
    ".learners",
    ".baselines",
    ".data",
    ".datasets",
    ".estimators",
    ".explaining",
    ".interop",
    ".reporting",
)


@pytest.mark.parametrize("module", [f"mmlego{name}" for name in MODULES])
def test_the_reference_names_everything(module: str) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {re.escape(module)}$\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"docs/api.md has no section {module}"
    told = set(re.findall(r"^- (?:`[^`]+`, )*`[^`]+`", section[1], re.MULTILINE))
    names = {name.partition("(")[0] for entry in told for name in re.findall(r"`([^`]+)`", entry)}
    assert names == set(public(module))


def test_every_public_name_has_a_docstring() -> None:
    for name in public("mmlego"):
        assert name == "__version__" or getattr(mmlego, name).__doc__


NUMBER = re.compile(r"\[?(-?\d+(?:\.\d+)?)[\],]*")


def numbers(words: list[str]) -> list[float]:
    return [float(match[1]) for word in words if (match := NUMBER.fullmatch(word))]


def texts(words: list[str]) -> list[str]:
    return [word for word in words if not NUMBER.fullmatch(word)]


@pytest.mark.slow
@pytest.mark.usefixtures("all_trees")
@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
def test_the_worked_example_prints_what_the_page_shows(tmp_path: Path) -> None:
    start = EXAMPLE.read_text(encoding="utf-8").split("## Two hospitals")[0].count("\n")
    printed: list[list[str]] = []
    with inside(tmp_path):
        for line, code in blocks(EXAMPLE, "python"):
            run(code, f"{EXAMPLE.name}:{line}")
        for line, words in commands(EXAMPLE):
            if line > start:
                printed += [text.split() for text in done(*words[1:], width=120).out.splitlines()]
    shown = [text.split() for line, block in blocks(EXAMPLE, "text") if line > start for text in block.splitlines()]
    assert shown
    for words in shown:
        alike = [said for said in printed if texts(said) == texts(words) and len(said) == len(words)]
        assert alike, words
        # Another processor may round otherwise, and training goes on from there.
        assert any(numbers(said) == pytest.approx(numbers(words), abs=0.02) for said in alike), (words, alike)
