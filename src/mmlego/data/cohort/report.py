"""What a check found: what is wrong, what is doubtful, and the cohort as far as it can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from mmlego.data.cohort.cohort import Cohort
from mmlego.errors import LegoError, noting
from mmlego.wording import counted, told_of_patients

T = TypeVar("T")
MOST_FAULTS = 30  # of one modality that are told one by one


@dataclass
class Report:
    """What :func:`check_manifest` found.

    Parameters
    ----------
    cohort
        The cohort as far as it can be read; None if nothing of it can.
    wrong
        What has to be mended.
    doubtful
        What should be known: it may be meant so.
    splits
        For each split that was checked, how many patients of the cohort each part has.
    taken
        By modality and column, what the column was taken for.

    Examples
    --------
    >>> Report(None, wrong=["rna: no file"]).ok
    False
    """

    cohort: Cohort | None = None
    wrong: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    taken: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    def attempt(self, make: Callable[[], T], where: str = "") -> T | None:
        """Return what a function returns, as far as it comes, None if it fails; all that is wrong is noted.

        Parameters
        ----------
        make
            What is tried.
        where
            What stands before the message, if it does not begin so itself.
        """
        made = None
        with noting() as found:
            try:
                made = make()
            except LegoError as error:
                found.append(error)
            except Exception:
                if not found:  # else it follows from what is noted, after which nothing need hold
                    raise
        lines = told_of_patients(map(str, found))
        for line in lines[:MOST_FAULTS]:
            self.note(self.wrong, line, where)
        if len(lines) > MOST_FAULTS:
            more = counted(len(lines) - MOST_FAULTS, "thing")
            self.note(self.wrong, f"{where}: {more} more, as {lines[-1]}")
        return made

    def note(self, to: list[str], text: str, where: str = "") -> None:
        """Add a line, once.

        Parameters
        ----------
        to
            ``wrong`` or ``doubtful``.
        text
            What to say.
        where
            What stands before it, if it does not begin so itself.
        """
        told = not where or text.startswith((f"{where}:", f"{where} ", f"leakage: {where} ", f"modality {where!r}"))
        line = text if told else f"{where}: {text}"
        if line not in to:
            to.append(line)
