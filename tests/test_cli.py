"""The command line as a whole: help, exit codes, errors as one line; as a process of its own where that matters."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import mmlego
from mmlego import LegoBlock, MismatchError
from mmlego.cli import app
from mmlego.commands.show import _OPTIONS
from mmlego.encoders import SNN
from tests import terminal
from tests.bricks import assert_same, plate, snapshot
from tests.cohorts import write_cohort, write_quick
from tests.terminal import done, refused

VERBS = (
    "demo",
    "example",
    "init",
    "check",
    "plate",
    "schema",
    "tune",
    "train",
    "merge",
    "fuse",
    "run",
    "predict",
    "evaluate",
    "explain",
    "inspect",
    "push",
    "bench",
    "report",
)
CLEAN = {**os.environ, "COLUMNS": "80", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error::UserWarning"}


def invoke(*arguments: str, width: int = 80) -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": str(width)}).invoke(app, list(arguments))
    return result.exit_code, result.output


def process(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mmlego", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=CLEAN, capture_output=True, text=True, timeout=120, check=False)


def test_help_lists_every_verb() -> None:
    code, text = invoke("--help")
    assert code == 0
    assert "Turn unimodal encoders into one multimodal model" in text
    for verb in VERBS:
        assert f"│ {verb} " in text
    assert {command.name or command.callback.__name__ for command in app.registered_commands} == set(VERBS)


def test_without_a_verb_there_is_help() -> None:
    assert "Usage" in invoke()[1]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_of_a_verb_is_whole_at_any_width(verb: str, width: int, flag: str) -> None:
    code, text = invoke(verb, flag, width=width)
    assert code == 0
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "…" not in text
    command = next(c for c in app.registered_commands if (c.name or c.callback.__name__) == verb)
    words = " ".join(text.replace("│", " ").split())
    assert " ".join(command.callback.__doc__.split("\n")[0].split()) in words


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_explained(verb: str) -> None:
    from typer.main import get_command

    for parameter in get_command(app).commands[verb].params:
        assert parameter.help, f"{verb} {parameter.name}"


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_no_value_where_none_is_taken(verb: str) -> None:
    shown = [line for line in invoke(verb, "--help", width=120)[1].splitlines() if "<bool>" in line]
    assert all("--help" in line for line in shown)  # that one is the library's own


def test_the_version() -> None:
    assert invoke("--version") == (0, f"mmlego {mmlego.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["brain"], "No such command 'brain'"),
        (["train"], "Missing option '--data'"),
        (["merge"], "Missing argument 'RUN'"),
        (["merge", "runs", "--rules", "mean"], "No such option: --rules"),
        (["bench", "-d", "x", "-o", "y", "--folds", "some"], "Invalid value for '--folds'"),
        (["train", "-d", "x", "-o", "y", "--test", "much"], "Invalid value for '--test'"),
        (["predict", "m", "-d", "x", "-o", "y", "--part", "half"], "Invalid value for '--part'"),
        (["demo", "--task", "regression"], "Invalid value for '--task'"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    code, text = invoke(*arguments, width=120)
    assert code == 2
    assert message in text


def test_a_dataset_that_nobody_knows_is_refused_with_the_known_ones() -> None:
    assert refused("demo", "--data", "mnist").startswith("no such dataset: expected one of gse7390, synthetic, tcga")


def test_an_error_speaks_of_options(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise MismatchError("no", remedy="Pass allow_mismatch=True, overwrite=True or resume=False [now].")

    monkeypatch.setattr("mmlego.cli.app", refuse)
    assert terminal.refused() == "no. Pass --allow-mismatch, --overwrite or --overwrite [now]."


def test_the_options_that_errors_speak_of_are_there() -> None:
    from typer.main import get_command

    known = {name for verb in get_command(app).commands.values() for option in verb.params for name in option.opts}
    told = {option for text in _OPTIONS.values() for option in re.findall(r"(?<!\S)--?[a-z-]+", text)}
    assert told
    assert told <= known


def test_what_errors_tell_to_pass_is_told_of_the_command_line() -> None:
    """The words that are replaced stand in an error of ours still."""
    root = Path(mmlego.__file__).parent
    code = "".join(path.read_text() for path in sorted(root.rglob("*.py")) if path.name != "show.py")
    words = re.sub(r'"\n\s*f?"', "", code)  # one text over two lines
    words = words.replace("{{", "{").replace("}}", "}")  # in an f-string
    assert [argument for argument in _OPTIONS if argument not in words] == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError(2, "No such file", "x.csv"), "No such file: x.csv"),
        (IsADirectoryError(21, "Is a directory", "tmp", None, "runs"), "Is a directory: runs"),
        (OSError("disk on fire"), "disk on fire"),
    ],
)
def test_an_error_of_the_file_system_is_one_line(monkeypatch: pytest.MonkeyPatch, error: OSError, message: str) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("mmlego.cli.app", fail)
    assert terminal.refused() == message


def test_an_error_of_the_programme_is_no_error_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has an exit code of its own, and says how to see where it arose."""

    def fail() -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("mmlego.cli.app", fail)
    said = terminal.mmlego()
    assert said.code == 3
    assert said.error == (
        "error: a fault of mmlego itself (ZeroDivisionError: by zero). mmlego --debug VERB … shows where it arose."
    )


def test_debug_shows_where_an_error_arose(tmp_path: Path) -> None:
    said = process("--debug", "train", "-d", "none.yaml", "-o", "run", cwd=tmp_path)
    assert said.returncode == 1
    assert "Traceback" in said.stderr
    assert "in read_cohort" in said.stderr
    assert process("train", "-d", "none.yaml", "-o", "run", cwd=tmp_path).stderr.startswith("error: ")


def test_colours_are_left_out_where_nobody_wants_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mmlego", "merge", "nowhere", "-o", "x"]
    said = {}
    for more in ({}, {"NO_COLOR": "1"}):
        env = {**CLEAN, "FORCE_COLOR": "1", **more}
        said[len(more)] = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert "\x1b[1;31m" in said[0].stderr
    assert "\x1b[31m" not in said[1].stderr
    assert "\x1b[1;31m" not in said[1].stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_can_answer_in_json(verb: str) -> None:
    """It is a flag, and takes nothing, in all of them."""
    command = get_command(app).commands[verb]
    (option,) = [one for one in command.params if "--json" in one.opts]
    assert option.is_flag


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_verbs_and_options(shell: str) -> None:
    env = {"bash": {"COMP_WORDS": "mmlego pre", "COMP_CWORD": "1"}}.get(shell, {"_TYPER_COMPLETE_ARGS": "mmlego pre"})
    more = {"_TYPER_COMPLETE_FISH_ACTION": "get-args"} if shell == "fish" else {}
    result = CliRunner(env={**env, **more, "_MMLEGO_COMPLETE": f"complete_{shell}"}).invoke(app, [], prog_name="mmlego")
    assert "predict" in result.output
    assert "train" not in result.output


def test_a_refusal_is_a_line_on_stderr_without_a_traceback(tmp_path: Path) -> None:
    said = process("train", "-d", "none.yaml", "-o", "run", cwd=tmp_path)
    assert said.returncode == 1
    assert said.stdout == ""
    assert said.stderr == "error: cannot read the manifest none.yaml (No such file or directory)\n"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_cohort(tmp_path)
    write_quick(tmp_path)
    return tmp_path


def test_a_run_as_a_process_warns_of_nothing(site: Path) -> None:
    more = ("-c", "quick.yaml", "--no-progress", "-s", "fit.epochs=1", "-m", "rna", "-m", "clinical")
    said = process("train", "-d", "cohort.yaml", "-o", "run", *more, cwd=site)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.endswith("Blocks in run/blocks, their baseplate in run/plate.\n")


def hears_interrupts() -> None:
    """As in a terminal: what a shell starts in the background is deaf to Ctrl-C, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def begun(site: Path, epochs: int, at: int) -> tuple[subprocess.Popen[str], list[object]]:
    """Start training in a process of its own; return once some epochs are done."""
    more = ["-c", "quick.yaml", "--no-progress", "-s", f"fit.epochs={epochs}", "-s", "fit.patience=null", "-m", "rna"]
    arguments: list[object] = ["train", "-d", "cohort.yaml", "-o", "run", *more]
    command = [sys.executable, "-m", "mmlego", *map(str, arguments)]
    running = subprocess.Popen(
        command,
        cwd=site,
        env=CLEAN,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hears_interrupts,
    )
    history = site / "run" / "private/fits" / "rna" / "history.csv"
    for _ in range(1200):
        if history.is_file() and len(history.read_text().splitlines()) > at:
            return running, arguments
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.05)
    running.kill()
    pytest.fail("training did not begin")


#: Where each verb does its work.
WORKS = {
    "train": "mmlego.job.train_blocks",
    "fuse": "mmlego.job.tune_fuse",
    "bench": "mmlego.bench.run_experiment",
    "run": "mmlego.recipes.run_recipe",
}


@pytest.mark.parametrize("verb", WORKS)
def test_a_scheduler_that_ends_a_verb_is_told_that_it_can_go_on(
    verb: str, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # an impatient one: the first is being heeded
        pytest.fail("it went on")

    data = ("-d", site / "cohort.yaml")
    if verb == "fuse":
        for name in ("rna", "clinical"):
            mmlego.save(LegoBlock(SNN(3), plate(), name), tmp_path / "run" / "blocks" / name)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("blocks: {rna: b}\n")
    arguments = {
        "train": (*data, "-o", tmp_path / "run"),
        "fuse": (tmp_path / "run", *data),
        "bench": (*data, "-o", tmp_path / "bench"),
        "run": (recipe, "-o", tmp_path / "made"),
    }[verb]
    monkeypatch.setattr(WORKS[verb], ended)
    before = signal.getsignal(signal.SIGTERM)
    said = terminal.mmlego(verb, *arguments)
    assert (said.code, said.error) == (143, "terminated; train, tune, fuse, run, bench and demo go on when run again")
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_process_goes_on_to_the_same_result(site: Path, how: signal.Signals) -> None:
    running, arguments = begun(site, epochs=40, at=3)
    running.send_signal(how)
    try:
        _, errors = running.communicate(timeout=60)
    finally:
        running.kill()
        running.wait()
    if how is signal.SIGINT:
        assert running.returncode == 130
        assert errors == "interrupted; train, tune, fuse, run, bench and demo go on when run again\n"
    if how is signal.SIGTERM:
        assert running.returncode == 143
        assert errors == "terminated; train, tune, fuse, run, bench and demo go on when run again\n"
    assert not (site / "run" / "blocks").exists()
    with terminal.inside(site):
        done(*arguments)
        whole = [str(argument).replace("run", "whole") for argument in arguments]
        done(*whole)
    one, other = (mmlego.load(site / run / "blocks" / "rna") for run in ("run", "whole"))
    assert_same(snapshot(one), snapshot(other))
    assert one.card == other.card
