"""Names of blocks: ``clinical@a`` is the block of site ``a``, and reads the modality ``clinical``.

Where two hospitals have trained a block of one modality each, both read it, each by its own preprocessing; in a merge
they count as one modality, for they have one kind of evidence.
"""

from __future__ import annotations

from collections.abc import Iterable

AT = "@"
MOST_LETTERS = 100  # of the name of a modality


def modality_of(name: str) -> str:
    """Return the modality that a block of some name reads.

    Parameters
    ----------
    name
        Of a block.

    Examples
    --------
    >>> modality_of("clinical@a"), modality_of("rna")
    ('clinical', 'rna')
    """
    return name.partition(AT)[0]


def by_modality(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return by modality the blocks that read it, both in order.

    Parameters
    ----------
    names
        Of blocks.

    Examples
    --------
    >>> by_modality(["clinical@a", "rna", "clinical@b"])
    {'clinical': ('clinical@a', 'clinical@b'), 'rna': ('rna',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        modality = modality_of(name)
        found[modality] = (*found.get(modality, ()), name)
    return found


def is_name(name: str) -> bool:
    """Return whether a name says at most one site, and that both have letters.

    Parameters
    ----------
    name
        Of a block.

    Examples
    --------
    >>> [is_name(name) for name in ("rna", "rna@a", "rna@", "@a", "rna@a@b")]
    [True, True, False, False, False]
    """
    parts = name.split(AT)
    return len(parts) <= 2 and all(part.strip() == part != "" for part in parts)


def is_folder_name(name: str) -> bool:
    r"""Return whether a name can be that of a folder beside others: a block and its logs are kept under it.

    Parameters
    ----------
    name
        Of a block or a modality.

    Examples
    --------
    >>> [is_folder_name(name) for name in ("rna", "clinical@a", "..", "a/b", " rna", "a\0", "x" * 300)]
    [True, True, False, False, False, False, False]
    """
    odd = any(char in "/\\" or not char.isprintable() for char in name)
    return not odd and name == name.strip() != "" and not name.startswith(".") and len(name) <= 2 * MOST_LETTERS + 1
