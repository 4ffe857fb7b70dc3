"""What was left out, read otherwise than it is written, or is doubtful: told with what was read."""

from __future__ import annotations

from dataclasses import dataclass

from mmlego.wording import listed


@dataclass(frozen=True)
class Dropped:
    """What was left out of a cohort, and why.

    Parameters
    ----------
    where
        The modality, or ``"outcome"``.
    what
        How much of what, and why, as a clause.
    patients
        The patients concerned, where they have names.

    Examples
    --------
    >>> str(Dropped("rna", "2 patients without outcome", ("a", "b")))
    'rna: 2 patients without outcome (a, b)'
    """

    where: str
    what: str
    patients: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({listed(self.patients)})" if self.patients else "")


class Noted(Dropped):
    """What was read otherwise than it is written: nothing is lost by it, but it ought to be known.

    Examples
    --------
    >>> str(Noted("clinical", "read as missing: age '> 89' 2×"))
    "clinical: read as missing: age '> 89' 2×"
    """


class Doubtful(Noted):
    """What is rather a mistake in a file than meant so: ``mmlego check`` tells it as doubtful.

    Examples
    --------
    >>> str(Doubtful("slides", "1 patient without a file"))
    'slides: 1 patient without a file'
    """
