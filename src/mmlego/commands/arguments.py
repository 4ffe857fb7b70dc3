"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option("--data", "-d", help="The cohort's manifest, a YAML file (docs/manifest.md).")]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="Settings, a YAML file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", "-s", help="A setting, e.g. -s fit.epochs=30 (repeat for more).")
]
Shared = Annotated[
    bool, typer.Option("--shared-patients", help="Train all blocks on the same patients, instead of disjoint parts.")
]
Progress = Annotated[bool, typer.Option("--progress/--no-progress", help="Show a progress bar.")]
