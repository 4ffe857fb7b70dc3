"""Recipes as YAML: what is wrong is told all at once, each with the line where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmlego.errors import InputError
from mmlego.recipes import check_recipe, read_recipe


def read(folder: Path, text: str) -> str:
    """Return what is said of a recipe that is wrong."""
    path = folder / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        read_recipe(path)
    return str(raised.value)


def test_a_folder_alone_is_a_block_with_a_path(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("blocks: {rna: a/rna, clinical@b: {path: b/clinical}}\nweights: {rna: 1, clinical: 1e-1}\n")
    recipe = read_recipe(path)
    assert {name: part.path for name, part in recipe.blocks.items()} == {"rna": "a/rna", "clinical@b": "b/clinical"}
    assert recipe.weights == {"rna": 1.0, "clinical": 0.1}
    assert (recipe.rule, recipe.heads, recipe.fuse) == ("residual", "common", None)


def test_all_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    text = """\
blocks:
  rna: {pth: b}
  clinical@@: x
  slides:
    train: {data: c.yaml, settings: {fit: {epochs: 0}, encoder: {name: nobody}}, tests: 2}
rule: meen
weights: 3
weights: 4
fuse: {mode: stak}
"""
    lines = read(tmp_path, text).splitlines()
    assert lines[0] == "recipe.yaml: 10 things are wrong:"
    assert lines[1] == "  line 2: unknown key 'pth' in 'blocks.rna'. Did you mean 'path'?"
    assert lines[2].startswith("  line 3: blocks.clinical@@: 'clinical@@' is no name of a block") or (
        lines[2].startswith("  line 3: 'blocks.clinical@@' is wrong ('clinical@@' is no name of a block")
    )
    assert [line.split(":")[0] for line in lines[3:6]] == ["  line 5"] * 3
    assert any("epochs' is wrong (Input should be greater than or equal to 1), got 0" in line for line in lines[3:6])
    assert any("unknown encoder: expected one of auto" in line for line in lines[3:6])
    assert "  line 5: unknown key 'tests' in 'blocks.slides.train'. Did you mean 'test'?" in lines
    assert any(line.startswith("  line 6: 'rule' is wrong (unknown merge rule") for line in lines)
    assert "  line 8: key 'weights' is given twice" in lines
    assert any(line.startswith("  line 8: 'weights' is wrong (") and line.endswith("got 4") for line in lines)
    assert any(line.startswith("  line 9: 'fuse.mode' is wrong") for line in lines)
    assert "  line 9: 'data' is missing in 'fuse'" in lines


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("blocks: {}", "line 1: blocks: Dictionary should have at least 1 item"),
        ("rule: mean", "line 1: 'blocks' is missing"),
        ("- a", "recipe.yaml is no recipe: expected keys with values, blocks: first, got list"),
        ("blocks: {a: b", "the recipe recipe.yaml is not YAML ("),
        ("blocks:\n  a: b\n  c: {path: d, train: {data: e}}", "line 3: blocks.c: a block has a path:, a repository"),
        ("blocks:\n  a: {sha256: abc, path: d}", "line 2: 'blocks.a.sha256' is wrong (String should match"),
        ("blocks: {a: b}\ncalibrate: true", "calibrate needs held_out:, patients whom no block was trained on"),
        ("blocks: {a: b}\nweights: stacked", "weights needs held_out:"),
        ("blocks: {a: b}\nrul: 1\ncalibrate: true", "line 3: calibrate needs held_out:"),
        ("blocks: {../a: b}", "'../a' is no name of a block"),
        ("blocks: {a/b: c}", "'a/b' is no name of a block"),
        ("blocks: {a: b, c: d}\nweights: {a: 1, x: 1}", "weights name no block: x; there are a, c"),
        (
            "blocks: {a: {train: {data: m.yaml, modality: b}}}",
            "block a would read a, and is trained on b: call it b",
        ),
        ("blocks: &a {rna: *a}", "is not YAML (an alias holds itself"),
        ("blocks: {a: b}\nweights: stacked\nrule: mean\nheld_out: {data: c}", "weights 'stacked' need rule residual"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, told: str) -> None:
    assert told in read(tmp_path, text)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the recipe .*No such file"):
        read_recipe(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("blocks: {é: b}".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.yaml is no text"):
        read_recipe(tmp_path / "latin.yaml")


def test_in_memory_there_are_no_lines() -> None:
    with pytest.raises(InputError, match=r"^recipe: unknown key 'rul'\. Did you mean 'rule'\?"):
        check_recipe({"blocks": {"a": "b"}, "rul": "mean"})
