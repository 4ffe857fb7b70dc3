"""Words as the lines of a first manifest have them."""

from __future__ import annotations

import yaml


def scalar(text: str) -> str:
    """Return a text as YAML writes it in one line.

    Parameters
    ----------
    text
        The text.

    Examples
    --------
    >>> scalar("age"), scalar("yes")
    ('age', "'yes'")
    """
    return (
        yaml.safe_dump(text, default_flow_style=True, width=10**6, allow_unicode=True).removesuffix("\n...\n").strip()
    )
