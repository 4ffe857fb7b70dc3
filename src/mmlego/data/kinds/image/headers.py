"""What headers of DICOM say of whole cohorts: whose each file is, and in which unit its values are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mmlego.data.kinds.image.image_file import ImageFile
from mmlego.wording import counted, listed


def header_doubts(files: Mapping[str, Sequence[ImageFile]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what is doubtful of the headers of a modality, each with the patients concerned.

    A header that names nobody of the cohort, as where files were pseudonymised otherwise, says nothing.

    Parameters
    ----------
    files
        Those of each patient.

    Examples
    --------
    >>> from pathlib import Path
    >>> scan = {who: [ImageFile(Path("1.dcm"), "dicom", (8, 8), owner="b", unit=unit)] for who, unit in ("aH", "bG")}
    >>> [text for text, _ in header_doubts(scan)][0]
    "1 patient whose file says that it is another's of the cohort (a: 'b')"
    """
    owners = {who: sorted({file.owner for file in own} - {""}) for who, own in files.items()}
    other = {who: names for who, names in owners.items() if len(names) == 1 and names[0] != who and names[0] in files}
    if other:
        some = listed((f"{who}: {names[0]!r}" for who, names in other.items()), 3)
        yield (
            f"{counted(len(other), 'patient')} whose file says that it is another's of the cohort ({some})",
            tuple(other),
        )
    mixed = {who: names for who, names in owners.items() if len(names) > 1}
    if mixed:
        some = listed((f"{who}: {listed(map(repr, names), 3)}" for who, names in mixed.items()), 3)
        yield (
            f"{counted(len(mixed), 'patient')} of whose slices some say that they are another's ({some})",
            tuple(mixed),
        )
    units: dict[str, list[str]] = {}
    for who, own in files.items():
        for unit in sorted({file.unit for file in own} - {""}):
            units.setdefault(unit, []).append(who)
    if len(units) > 1:
        some = listed(f"{unit!r} in {counted(len(whose), 'patient')}" for unit, whose in units.items())
        yield f"values in several units, which count as if they were one ({some}): convert them, or leave some out", ()
