"""A cell: one run among many, as data; its name is a hash of all that makes its result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch

from mmlego.fingerprint import VERSION, hash_plain
from mmlego.version import __version__

_ASIDE = ("label", "place")  # what makes no other result
# What a reader of a message calls the fields; all others are of how it was measured.
_NAMES = {"cohort": "cohort", "cohort_sha256": "cohort", "split": "split", "settings": "settings"}


@dataclass(frozen=True)
class Cell:
    """One run among many: JSON-able values, from which anybody with the cohort can make the result.

    Parameters
    ----------
    job
        What is done, by name.
    cohort, cohort_sha256
        The name of the cohort, and the hash of all that it holds.
    split
        Who trains, validates and is held back, as row numbers.
    method
        How it is done, beyond the settings.
    settings
        All settings in force.
    scenario
        Which of many: repeat and fold, a modality, a share of pairs.
    seed
        Of weights and training.
    versions
        Of the packages that make another result.
    label
        How messages call it; no part of the key.
    place
        Where the cohort lies, as :func:`mmlego.cells.in_manifest` says; None: in this process alone. No part of the
        key.

    Examples
    --------
    >>> made = [Cell("bricks", "mine", "ab", {}, {}, {}, {"fold": 1}, 0, {}, label=text) for text in ("a", "b")]
    >>> made[0].key == made[1].key, len(made[0].key)
    (True, 32)
    """

    job: str
    cohort: str
    cohort_sha256: str
    split: Mapping[str, Any]
    method: Mapping[str, Any]
    settings: Mapping[str, Any]
    scenario: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]
    label: str = ""
    place: Mapping[str, Any] | None = None

    @cached_property
    def key(self) -> str:
        """The name of its files: a hash of all that makes the result."""
        return hash_plain(self.config())[:32]

    def config(self) -> dict[str, Any]:
        """Return all that makes the result, by name, with the version of hashing."""
        kept = {part.name: getattr(self, part.name) for part in fields(self) if part.name not in _ASIDE}
        return {"version": VERSION, **kept}

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Return in what another cell differs: cohort, split, settings, method or version of mmlego.

        Parameters
        ----------
        other
            What :meth:`config` returned, maybe in another version of mmlego.
        """
        if other.get("version") != VERSION or other.get("versions") != self.versions:
            return ["version of mmlego"]
        own = plain(self.config())
        odd = [name for name in own if own[name] != other.get(name)]
        return list(dict.fromkeys(_NAMES.get(name, "method") for name in odd))


def versions() -> dict[str, str]:
    """Return the versions of what computes: mmlego and torch."""
    return {"mmlego": __version__, "torch": str(torch.__version__).split("+")[0]}


def plain(value: Any) -> Any:
    """Return JSON-able values; what is not finite is null, as JSON has no word for it.

    Parameters
    ----------
    value
        Mappings, lists, tuples and what JSON knows.

    Examples
    --------
    >>> plain({"a": (1, float("nan"))})
    {'a': [1, None]}
    """
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
