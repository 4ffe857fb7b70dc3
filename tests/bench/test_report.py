"""Reports: the rows of the table, the same from Markdown and terminal, and pictures that show something."""

from __future__ import annotations

import dataclasses
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

from mmlego import InputError
from mmlego.bench import Results, read_results, report
from mmlego.bench.report import draw_kaplan_meier, draw_roc, markdown, rows, table, title, write_report

ENSEMBLE = "logit ensemble"


def made(scores: dict[str, list[float | None]], metric: str = "c_index", **more: Any) -> Results:
    """Return results of a few splits with given scores; ``more`` goes into each split."""
    count = len(next(iter(scores.values())))
    splits = [
        {"scores": {name: {metric: values[i]} for name, values in scores.items()}, "repeat": 0, **more}
        for i in range(count)
    ]
    told = {"cohort": "trial", "patients": 4, "folds": count, "repeats": 1, "disjoint": True}
    return Results(told, metric, splits, {})


def shown(results: Results, width: int) -> list[str]:
    text = StringIO()
    Console(file=text, width=width).print(table(results))
    return text.getvalue().splitlines()


def test_rows_by_hand() -> None:
    found = rows(made({"block a": [0.5, 0.6, 0.7], ENSEMBLE: [0.4, 0.5, 0.6], "LegoMerge": [0.4, 0.6, 0.6]}))
    # Against the ensemble: always 0.1 better; 0, 0.1, 0: mean 0.0333, variance 1/300, and with three folds
    # (1/3 + 1/2) 1/300 = 0.00278 of the mean, t = 4.3027.
    assert found == [
        ("block a", "0.600 ± 0.100", "+0.100 [+0.100, +0.100]", "better"),
        (ENSEMBLE, "0.500 ± 0.100", "", ""),
        ("LegoMerge", "0.533 ± 0.115", "+0.033 [-0.193, +0.260]", "level"),
    ]


def test_rows_where_scores_are_undefined() -> None:
    found = rows(
        made(
            {
                "block a": [None, None, None],
                "block b": [None, 0.6, None],
                "block c": [0.7, 0.6, None],
                ENSEMBLE: [0.4, 0.5, 0.6],
            }
        )
    )
    assert found[0] == ("block a", "not defined", "", "")
    assert found[1] == ("block b", "0.600 (1 of 3 splits)", "", "")
    assert found[2][:2] == ("block c", "0.650 ± 0.071 (2 of 3 splits)")
    assert found[2][2].startswith("+0.200 [")


def test_rows_without_an_ensemble_have_no_difference() -> None:
    assert rows(made({"LegoMerge": [0.5, 0.6]})) == [("LegoMerge", "0.550 ± 0.071", "", "")]


def test_the_title_says_what_was_measured() -> None:
    results = made({"LegoMerge": [0.5, 0.6]}, "auroc")
    assert title(results) == (
        "trial: 4 patients, 2 folds × 1, each block on patients of its own; AUROC on held-out patients"
    )
    shared = dataclasses.replace(results, metric="mae", experiment=results.experiment | {"disjoint": False})
    assert title(shared).endswith("all blocks on the same patients; mae on held-out patients")


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_every_row_whole(results: Results, width: int) -> None:
    lines = shown(results, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    for row in rows(results):
        assert any(all(cell in line for cell in row) for line in lines), row


def test_markdown_has_the_same_rows(results: Results) -> None:
    text = markdown(results)
    assert text.startswith(f"{title(results)}.\n\n| method | c-index, mean ± sd |")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    paid = [f"{results.cost(method):.1f}" for method in results.methods]
    assert lines[2:] == [f"| {' | '.join(row)} | {cost} |" for row, cost in zip(rows(results), paid, strict=True)]
    assert [line.split("|")[1].strip() for line in lines[2:]] == results.methods
    seconds = np.mean([split["seconds"] for split in results.splits])
    assert text.rstrip().endswith(f"{seconds:.1f} s a split.")


RIVALS = {"LR a": "without pairs", "LR, all": "with pairs", "forest, all": "with pairs", "sequential": "end to end"}


def raced() -> Results:
    """Return results in which rivals stand beside ours."""
    scores = {
        "LR a": [0.5, 0.6, 0.7],
        "LR, all": [0.6, 0.7, 0.8],
        "forest, all": [0.6, 0.75, 0.85],
        "sequential": [0.5, 0.5, 0.5],
        "LegoMerge": [0.6, 0.7, 0.8],
        "LegoFuse": [0.6, 0.75, 0.75],
    }
    cpu = {name: 10.0 + place for place, name in enumerate(scores)}
    return made(scores, needs=RIVALS, cpu=cpu)


def test_the_hardest_rival_of_a_kind_is_the_best_on_these_very_patients() -> None:
    results = raced()
    assert results.rivals("with pairs") == ["LR, all", "forest, all"]
    assert [results.hardest(kind) for kind in ("without pairs", "with pairs", "end to end")] == [
        "LR a",
        "forest, all",
        "sequential",
    ]
    assert results.hardest("none") is None


def test_ours_against_the_hardest_rivals_with_intervals_and_cost() -> None:
    results = raced()
    lines = report.against_rivals(results)
    assert lines[0] == ("LegoMerge − best dull without pairs: LR a", "+0.100 [+0.100, +0.100]", "better")
    # 0, 0 and −0.1: mean −0.0333, variance 1/300, and with three folds (1/3 + 1/2) / 300, t = 4.3027
    assert lines[1] == ("LegoFuse − best dull with pairs: forest, all", "-0.033 [-0.260, +0.193]", "level")
    assert lines[2][0] == "LegoFuse − best end-to-end: sequential"
    assert report.costs(results) == ["10.0", "11.0", "12.0", "13.0", "14.0", "15.0"]
    text = markdown(results)
    for line in lines:
        assert f"| {' | '.join(line)} |" in text
    wide = "\n".join(shown(results, 160))
    for name, difference, _ in lines:
        assert any(name in line and difference in line for line in wide.splitlines())
    assert "12.0" in wide


def test_results_without_costs_or_rivals_are_drawn_as_well() -> None:
    results = made({"LegoMerge": [0.5, 0.6]})
    assert (report.costs(results), report.against_rivals(results)) == ([""], [])


def test_the_report_is_drawn_again_from_the_file(results: Results, place: Path, tmp_path: Path) -> None:
    first = write_report(results, tmp_path / "one")
    again = write_report(read_results(place), tmp_path / "two")
    assert [file.name for file in first] == [file.name for file in again] == ["table.md", "kaplan_meier.png"]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()


def assert_picture(file: Path, width: float, height: float) -> None:
    """Check that a file is a PNG of a size in inches, that it opens, and that there is something on it."""
    assert file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = imread(file)
    assert pixels.shape[:2] == (round(150 * height), round(150 * width))
    colours = pixels[..., :3].reshape(-1, 3)
    for hexadecimal in (report._BLUE, report._RED):
        colour = np.array([int(hexadecimal[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        assert (np.abs(colours - colour).max(axis=1) < 0.02).sum() > 200, hexadecimal
    assert (colours.min(axis=1) > 0.99).mean() < 0.98


def test_kaplan_meier_curves(results: Results, tmp_path: Path) -> None:
    assert_picture(draw_kaplan_meier(results, tmp_path / "km.png"), 2 * 5.2, 4.6)


def test_the_groups_are_cut_where_the_training_patients_were(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[dict[str, list[list[float]]]] = []
    monkeypatch.setattr(report, "_draw_groups", lambda axis, groups, steps: drawn.append(groups))
    monkeypatch.setattr(report, "_save", lambda figure, file: file)
    draw_kaplan_meier(results, Path("km.png"))
    assert len(drawn) == 2
    first = [split for split in results.splits if split["repeat"] == 0]
    high = [
        results.outcome[patient]
        for split in first
        for patient, risk in zip(split["patients"], split["risk"]["LegoMerge"], strict=True)
        if risk > split["cut"]["LegoMerge"]
    ]
    assert drawn[0]["higher risk"] == high
    assert sum(map(len, drawn[0].values())) == len(results.outcome)


def followed(outcome: dict[str, list[float]], risk: dict[str, float], cut: float = 0.0) -> Results:
    results = made({"LegoMerge": [0.5, None]})
    half = len(outcome) // 2
    for split, patients in zip(results.splits, (list(outcome)[:half], list(outcome)[half:]), strict=True):
        split |= {
            "patients": patients,
            "risk": {"LegoMerge": [risk[patient] for patient in patients]},
            "cut": {"LegoMerge": cut},
        }
    told = results.experiment | {"outcome": {"time": "days"}}
    return dataclasses.replace(results, outcome=outcome, experiment=told)


def test_groups_without_events_or_patients_are_drawn_too(tmp_path: Path) -> None:
    outcome = {"a": [0.0, 3.0], "b": [0.0, 5.0], "c": [0.0, 1.0], "d": [0.0, 9.0]}
    nobody_high = followed(outcome, dict.fromkeys(outcome, -1.0))
    assert draw_kaplan_meier(nobody_high, tmp_path / "low.png").is_file()
    nobody_dead = followed(outcome, {"a": 1.0, "b": -1.0, "c": 1.0, "d": -1.0})
    assert_picture(draw_kaplan_meier(nobody_dead, tmp_path / "alive.png"), 5.2, 4.6)


def test_numbers_at_risk_stand_below_the_axis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Any] = []
    monkeypatch.setattr(report, "_save", lambda figure, file: figures.append(figure) or file)
    outcome = {str(i): [float(i % 2), float(i)] for i in range(1, 43)}
    draw_kaplan_meier(followed(outcome, {p: float(int(p) % 3) - 0.5 for p in outcome}), tmp_path / "km.png")
    axis = figures[0].axes[0]
    low, high = axis.get_xlim()
    places = [text.get_position()[0] for text in axis.texts]
    assert all(low <= place <= high for place in places)
    numbers = [int(text.get_text()) for text in axis.texts if text.get_text().isdigit()]
    assert numbers[0] == 14  # at time 0 the whole group of lower risk is at risk
    assert axis.get_xlabel() == "days"
    assert "14 patients" in axis.get_legend().get_texts()[0].get_text()


def test_a_model_that_a_split_lacks_is_not_drawn(results: Results, tmp_path: Path) -> None:
    splits = [dict(split) for split in results.splits]
    splits[1]["risk"] = {"LegoMerge": splits[1]["risk"]["LegoMerge"]}
    assert_picture(draw_kaplan_meier(dataclasses.replace(results, splits=splits), tmp_path / "km.png"), 5.2, 4.6)


def classified(classes: int) -> Results:
    rng = np.random.default_rng(0)
    results = made({"LegoMerge": [0.5, 0.6], "LegoFuse": [0.7, 0.8]}, "auroc")
    outcome = {str(i): [float(i % classes)] for i in range(40)}
    for split, patients in zip(results.splits, (list(outcome)[:20], list(outcome)[20:]), strict=True):
        predicted = {name: rng.random(20).tolist() for name in ("LegoMerge", "LegoFuse")}
        split |= {"patients": patients, "probability": predicted}
    return dataclasses.replace(results, outcome=outcome)


def test_roc_curves_of_two_classes(tmp_path: Path) -> None:
    files = write_report(classified(2), tmp_path)
    assert [file.name for file in files] == ["table.md", "roc.png"]
    assert_picture(files[1], 5.2, 4.8)


def test_more_classes_have_a_table_alone(tmp_path: Path) -> None:
    assert [file.name for file in write_report(classified(3), tmp_path)] == ["table.md"]
    with pytest.raises(InputError, match="a ROC curve is drawn for two classes: expected 2, got 3"):
        draw_roc(classified(3), tmp_path / "roc.png")


def test_numbers_have_a_table_alone(tmp_path: Path) -> None:
    files = write_report(made({"LegoMerge": [0.5, 0.6]}, "r2"), tmp_path / "new" / "folder")
    assert [file.name for file in files] == ["table.md"]
    assert "| method | R², mean ± sd |" in files[0].read_text()
