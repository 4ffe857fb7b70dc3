"""Alphabets of sequences: what characters may be in them, and what belongs together."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from mmlego.data.reading.files import read_lines
from mmlego.errors import InputError
from mmlego.wording import listed

AlphabetName: TypeAlias = Literal["dna", "rna", "protein", "smiles", "any"]

# Characters of SMILES that name one thing together: elements, atoms of two letters, %12 for a ring.
_SMILES = re.compile(r"Cl|Br|@@|%\d\d|.", re.DOTALL)


@dataclass(frozen=True)
class Alphabet:
    """How a sequence is cut into characters, and which may be in it.

    Parameters
    ----------
    characters
        Those that may be in it; empty for any.
    upper
        Whether small letters count as capitals.

    Examples
    --------
    >>> ALPHABETS["dna"].cut("acgtn"), ALPHABETS["smiles"].cut("CCl")
    (['A', 'C', 'G', 'T', 'N'], ['C', 'Cl'])
    >>> ALPHABETS["dna"].complaint("ACXGT")
    "unknown character 'X'"
    """

    characters: frozenset[str]
    upper: bool = True
    split: Callable[[str], list[str]] = list

    def cut(self, text: str) -> list[str]:
        """Return the characters of a sequence.

        Parameters
        ----------
        text
            The sequence.
        """
        return self.split(text.upper() if self.upper else text)

    def complaint(self, text: str) -> str | None:
        """Return what is wrong with a sequence, or None.

        Parameters
        ----------
        text
            The sequence.
        """
        if not self.characters:
            return None
        odd = sorted(set(text.upper() if self.upper else text) - self.characters)
        if not odd:
            return None
        return f"unknown character{'s' if len(odd) > 1 else ''} {listed(map(repr, odd), 3)}"


_IUPAC = "RYSWKMBDHVN-."  # what may be one base or another, or a gap
ALPHABETS: dict[AlphabetName, Alphabet] = {
    "dna": Alphabet(frozenset("ACGT" + _IUPAC)),
    "rna": Alphabet(frozenset("ACGU" + _IUPAC)),
    "protein": Alphabet(frozenset("ACDEFGHIKLMNPQRSTVWYBJOUXZ*-.")),
    "smiles": Alphabet(
        frozenset("ABCDEFGHIKLMNOPRSTUVWXYZabcdefghiklmnoprstuy0123456789()[]=#$:/\\.+-@%*"), False, _SMILES.findall
    ),
    "any": Alphabet(frozenset(), False),
}


def read_fasta(path: Path) -> list[tuple[str, str]]:
    r"""Read a FASTA file.

    Parameters
    ----------
    path
        The file, plain, ``.gz`` or ``.zip``.

    Returns
    -------
    list of tuple
        For each record its id, the first word behind ``>``, and its sequence.

    Raises
    ------
    InputError
        If the file is damaged, or no FASTA; the message names it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "seqs.fasta"
    ...     _ = path.write_text(">p1 BRCA1\nACGT\nAC\n>p2\nGG\n")
    ...     read_fasta(path)
    [('p1', 'ACGTAC'), ('p2', 'GG')]
    """
    records: list[tuple[str, list[str]]] = []
    for number, line in enumerate(read_lines(path), start=1):
        if line.startswith(">"):
            words = line[1:].split()
            if not words:
                raise InputError(f"line {number} of {path.name!r} names no patient", expected="an id behind >")
            records.append((words[0], []))
        elif line.strip() and not line.startswith(";"):
            if not records:
                expected = "lines >id, then the sequence"
                raise InputError(f"{path.name!r} is no FASTA file", expected=expected, got=repr(line[:20]))
            records[-1][1].append("".join(line.split()))
    if not records:
        raise InputError(f"{path.name!r} holds no sequences", expected="lines >id, then the sequence")
    return [(name, "".join(parts)) for name, parts in records]
