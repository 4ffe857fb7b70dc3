"""Distributions that are not mmlego, made on the spot: a module, and entry points that offer what it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mmlego.plugins import Registry

OFFERED: list[Registry[type]] = []  # where the modules of a test register

PAGE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
# A kind, an encoder and a merge rule, as the page shows them.
SIGNAL, NEAREST, WAVES, LARGEST = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def write_distribution(folder: Path, module: str, code: str, offers: Mapping[str, Mapping[str, str]]) -> Path:
    """Write a distribution of one module as pip installs it; return the folder, for ``PYTHONPATH``.

    Parameters
    ----------
    folder
        Where, as a ``site-packages``.
    module
        The name of the module; the distribution is named likewise, in version 1.5.
    code
        What the module holds.
    offers
        By group of entry points, what each name stands for.
    """
    (folder / module).mkdir(parents=True)
    (folder / module / "__init__.py").write_text(code)
    info = folder / f"{module}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.5\n")
    lines = []
    for group, entries in offers.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder
