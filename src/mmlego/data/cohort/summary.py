"""The summary of a cohort as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmlego.data.reading.remarks import Noted
from mmlego.wording import told_together

if TYPE_CHECKING:
    from mmlego.data.cohort.table import CohortTable


def overlap(cohort: CohortTable) -> list[tuple[tuple[str, ...], int]]:
    """Return each combination of modalities that patients have, with how many have it, the most frequent first.

    Parameters
    ----------
    cohort
        The cohort.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego.data import Cohort
    >>> rna = pd.DataFrame({"TP53": [0.1, 0.9]}, index=["a", "b"])
    >>> overlap(Cohort.from_frames({"rna": rna, "cnv": rna[:1]}))
    [(('rna', 'cnv'), 1), (('rna',), 1)]
    """
    has = {name: set(frame.index) for name, frame in cohort.frames.items()}
    patterns = Counter(tuple(name for name, who in has.items() if p in who) for p in cohort.patients)
    return sorted(patterns.items(), key=lambda item: (-item[1], -len(item[0]), item[0]))


def summarise(cohort: CohortTable) -> str:
    """Return the summary of a cohort: modalities, their overlap, the outcome, what was dropped and why.

    Parameters
    ----------
    cohort
        The cohort.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego.data import Cohort
    >>> rna = pd.DataFrame({"TP53": [0.1, 0.9]}, index=["a", "b"])
    >>> print(summarise(Cohort.from_frames({"rna": rna, "cnv": rna[:1]}, name="demo")))
    demo: 2 patients
    <BLANKLINE>
    modality  kind   patients  columns
    rna       table         2        1
    cnv       table         1        1
    <BLANKLINE>
    columns of rna: 1 number
    columns of cnv: 1 number
    <BLANKLINE>
    rna  cnv  patients
     x    x          1
     x               1
    <BLANKLINE>
    no outcome
    nothing dropped
    """
    names = list(cohort.frames)
    rows = [["modality", "kind", "patients", "columns"]]
    for name, frame in cohort.frames.items():
        rows.append([name, cohort.sources[name].kind, str(len(frame)), str(cohort.sources[name].width(frame))])
    lines = [f"{cohort.name}: {len(cohort)} patients", "", *_table(rows, "<<>>"), ""]
    short = {name: cohort.sources[name].in_short(frame) for name, frame in cohort.frames.items()}
    if any(short.values()):
        lines += [*(f"columns of {name}: {text}" for name, text in short.items() if text), ""]
    patterns = [[*names, "patients"]]
    for have, count in overlap(cohort):
        patterns.append([*("x" if name in have else "" for name in names), str(count)])
    lines += [*_table(patterns, "^" * len(names) + ">"), ""]
    if cohort.outcome is None or cohort.outcome_spec is None:
        lines.append("no outcome")
    else:
        lines.append(cohort.outcome_spec.describe(cohort.outcome))
    if cohort.groups is not None:
        lines.append(f"split {cohort.groups.describe(cohort.patients)}")
    sections = ["outcome", *cohort.sources]
    lost = told_together([str(note) for note in cohort.dropped if not isinstance(note, Noted)], sections)
    notes = told_together([str(note) for note in cohort.dropped if isinstance(note, Noted)], sections)
    lines += [f"dropped: {text}" for text in lost] or ["nothing dropped"]
    lines += [f"note: {text}" for text in notes]
    return "\n".join(lines)


def _table(rows: Sequence[Sequence[str]], align: str) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(align))]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True)).rstrip()
        for row in rows
    ]
