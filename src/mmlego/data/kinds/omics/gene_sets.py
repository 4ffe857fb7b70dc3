"""Gene sets (pathways) in GMT files, a set a line: name, description, genes, with tabs between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from mmlego.data.reading.files import read_lines
from mmlego.errors import InputError
from mmlego.wording import counted, listed

GeneSets: TypeAlias = Mapping[str, tuple[str, ...]]


def read_gmt(path: Path) -> dict[str, tuple[str, ...]]:
    r"""Read a GMT file, as MSigDB, Reactome and Enrichr give it out.

    Parameters
    ----------
    path
        The file, plain or ``.gz``.

    Returns
    -------
    dict
        For each set its genes, each once, in order.

    Raises
    ------
    InputError
        If the file cannot be read, a line is no set, or two sets have one name.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "hallmark.gmt"
    ...     _ = path.write_text("HYPOXIA\thttp://x\tVEGFA\tCA9\nP53\t\tCDKN1A\n")
    ...     read_gmt(path)
    {'HYPOXIA': ('VEGFA', 'CA9'), 'P53': ('CDKN1A',)}
    """
    sets: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        name, *rest = (word.strip() for word in line.split("\t"))
        genes = tuple(dict.fromkeys(gene for gene in rest[1:] if gene))
        if not name and not genes:
            continue
        if not name or not genes:
            expected = "name, description and genes, with tabs between"
            raise InputError(f"line {number} of {path.name!r} is no gene set", expected=expected, got=repr(line[:40]))
        if name in sets:
            raise InputError(f"{path.name!r} has two gene sets {name!r}", expected="each name once")
        sets[name] = genes
    if not sets:
        raise InputError(f"{path.name!r} has no gene sets", expected="a GMT file, a set a line")
    return sets


def sets_of_columns(sets: GeneSets, columns: Sequence[str], smallest: int) -> tuple[dict[str, list[int]], list[str]]:
    """Return for each set the numbers of its columns, and the sets that have too few.

    Parameters
    ----------
    sets
        Genes by set.
    columns
        The genes there are.
    smallest
        How many genes of a set must be there.

    Raises
    ------
    InputError
        If no set has so many.

    Examples
    --------
    >>> sets_of_columns({"P53": ("CDKN1A", "MDM2"), "EMT": ("VIM",)}, ["MDM2", "TP53", "CDKN1A"], 2)
    ({'P53': [2, 0]}, ['EMT'])
    """
    place = {name: number for number, name in enumerate(columns)}
    found = {name: [place[gene] for gene in genes if gene in place] for name, genes in sets.items()}
    kept = {name: numbers for name, numbers in found.items() if len(numbers) >= smallest}
    if not kept:
        genes = list(dict.fromkeys(gene for members in sets.values() for gene in members))
        raise InputError(
            f"no gene set has {counted(smallest, 'gene')} in the data",
            expected=f"names as {listed(genes, 3)}",
            got=listed(columns, 3),
            remedy="Bring columns and gene sets to one kind of name (symbols, Ensembl), or lower smallest.",
        )
    return kept, [name for name in sets if name not in kept]
