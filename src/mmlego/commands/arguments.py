"""Options that several verbs share; each has a short name for its value, so that help fits 80 columns.

The name is empty where an option takes none: without it, help would show a type, as if a value were to follow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Data = Annotated[
    Path, typer.Option("--data", "-d", metavar="FILE", help="The cohort's manifest, YAML (docs/manifest.md).")
]
DataDir = Annotated[
    list[Path] | None,
    typer.Option(
        "--data-dir", metavar="FOLDER", help="Where the manifest's files lie, if not beside it (repeat for more)."
    ),
]
Links = Annotated[bool, typer.Option("--links", metavar="", help="Let links lead out of the folders of the files.")]
Config = Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings, YAML.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="A setting, e.g. -s fit.epochs=30 (repeat for more)."),
]
Shared = Annotated[
    bool,
    typer.Option("--shared-patients", metavar="", help="Train all blocks on the same patients, not on disjoint parts."),
]
SameFeatures = Annotated[
    Literal["error", "together", "allow"],
    typer.Option(
        "--duplicates", metavar="RULE", help="Equal features under two ids: error, together (one side) or allow."
    ),
]
NoProgress = Annotated[bool, typer.Option("--no-progress", metavar="", help="Show no progress bar.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", metavar="", help="Replace an earlier model there.")]
