"""docs/encoders.md: its table is made from the registry. ``python -m tests.encoders.test_page`` writes it anew."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import yaml

from mmlego.encoders import arguments_of, encoder_names, usual_options
from mmlego.encoders.registry import encoder_class
from mmlego.settings import as_settings

PATH = Path(__file__).parents[2] / "docs" / "encoders.md"
OF_DATA = {
    "in_features",
    "in_channels",
    "dims",
    "vocabulary",
    "sets",
    "edge_features",
    "unit",
}  # the main job tells these


def row(name: str) -> str:
    """Return the line of an encoder: name, class, what it is, options with their defaults."""
    cls = encoder_class(name)
    usual = usual_options(name)
    told = []
    for key, parameter in list(inspect.signature(cls.__init__).parameters.items())[1:]:
        if key in OF_DATA and name != "timm":
            continue
        value = usual.get(key, parameter.default)
        told.append(f"`{key}`" if value is inspect.Parameter.empty else f"`{key}: {_yaml(value)}`")
    what = (cls.__doc__ or "").strip().split("\n")[0].rstrip(".")
    return f"| `{name}` | `{cls.__name__}` | {what} | {', '.join(told)} |"


def _yaml(value: object) -> str:
    value = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n...\n").strip().replace("|", "\\|")


def table() -> str:
    ours = [name for name in encoder_names() if encoder_class(name).__module__.startswith("mmlego.")]
    return "\n".join(["| name | class | what | options |", "|---|---|---|---|", *map(row, ours)]) + "\n"


def shown() -> str:
    found = re.search(r"^\| name \| class.*?\n(?=\n)", PATH.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found
    return found[0]


def test_the_table_is_the_registry() -> None:
    assert shown() == table(), "python -m tests.encoders.test_page writes it"


def test_the_settings_of_the_page_are_settings() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PATH.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 2
    for block in blocks:
        for name, chosen in as_settings(yaml.safe_load(block)).encoders.items():
            arguments_of(chosen.name, {}, chosen.options)
            assert name


if __name__ == "__main__":
    text = PATH.read_text(encoding="utf-8")
    PATH.write_text(text.replace(shown(), table()), encoding="utf-8")
    sys.stdout.write(f"{PATH}\n")
