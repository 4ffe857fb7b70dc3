"""``mmlego run`` and ``schema``: one model as a YAML file says, and the schemas of all such files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mmlego.commands.arguments import AsJson, NoProgress
from mmlego.commands.show import answer, console, metrics_table, plain_warnings, say, short

if TYPE_CHECKING:
    from mmlego.recipes import Made


def run(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML (docs/how-to/recipes.md).")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="For the model and the recipe.")],
    no_progress: NoProgress = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", metavar="", help="Replace what another recipe has made there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make one model as a recipe says: blocks loaded or trained, merged, calibrated, fused.

    Run it again after an interruption to go on where it stopped. Paths in the recipe count from its folder.
    """
    from mmlego.held_out import of_few
    from mmlego.recipes import run_recipe

    with plain_warnings():
        made = run_recipe(recipe, out, overwrite=overwrite, progress=not no_progress and not as_json)
    shares = zip(made.merge.modalities, made.merge.weights.tolist(), strict=True)
    calibrated = "" if made.scale is None else f", calibrated by a factor of {made.scale:.2f}"
    for name, place in made.places.items():
        say(f"{name}: {short(place)}")
    say(f"Merged {', '.join(f'{name} {w:.2f}' for name, w in shares)}{calibrated}. Saved in {short(out / 'merge')}.")
    if made.fuse is not None:
        show = console()
        scores = {"LegoFuse": made.fuse.card.patients | made.fuse.card.validation}
        title = "Patients tuned and validated on, and scores on the latter"
        show.print(metrics_table(title, "model", scores, show.width))
        if few := of_few({"LegoFuse": made.fuse.card}):
            say(few)
        say(f"Fused. Saved in {short(out / 'fuse')}.")
    answer(_plain(made, out), wanted=as_json)


def _plain(made: Made, out: Path) -> dict[str, Any]:
    weights = dict(zip(made.merge.modalities, made.merge.weights.tolist(), strict=True))
    merge = {"path": out / "merge", "weights": weights, "calibration": made.scale}
    if made.fuse is None:
        return {"blocks": made.places, "merge": merge, "fuse": None}
    card = made.fuse.card
    fuse = {"path": out / "fuse", "patients": card.patients, "validation": card.validation}
    return {"blocks": made.places, "merge": merge, "fuse": fuse}


def schema(
    which: Annotated[
        Literal["recipe", "cohort", "settings"], typer.Argument(help="Of a recipe, a manifest or settings.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to write it; default: the screen.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the JSON Schema of a YAML file that mmlego reads, for editors that check it while it is written."""
    from mmlego.files import write_atomically
    from mmlego.recipes import json_schema

    text = json.dumps(json_schema(which), indent=2, ensure_ascii=False)
    if out is None:
        typer.echo(text)
    else:
        write_atomically(out, text + "\n")
        say(f"Written: {short(out)}.")
        answer({"file": out}, wanted=as_json)
