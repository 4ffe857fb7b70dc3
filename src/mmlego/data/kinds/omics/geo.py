"""What a series matrix of GEO says of its samples above them: of what tissue they are, and which are of one patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import BinaryIO

from mmlego.data.kinds.omics.text_matrix import Header, lines_of
from mmlego.data.reading.dialect import cells
from mmlego.data.reading.normal_tissue import tissue_of
from mmlego.data.reading.remarks import Doubtful
from mmlego.wording import counted, listed

SAMPLE = "!Sample_"
_PATIENT = re.compile(r"(?:patient|subject|donor|individual|case|participant)(?:[ _]?(?:id|no|nr|number|identifier))?")
MOST_NAMED = 200  # samples that a remedy names one by one


def doubts_of_samples(
    content: BinaryIO, header: Header, samples: Sequence[str], name: str, where: str
) -> list[Doubtful]:
    r"""Return the doubts that samples of normal tissue stand beside tumours, and that a patient has several.

    Parameters
    ----------
    content
        The text.
    header
        Where its columns are named.
    samples
        The samples that are read.
    name
        The file, for messages.
    where
        The modality.

    Examples
    --------
    >>> import io
    >>> from mmlego.data.kinds.omics.text_matrix import find_header
    >>> text = b'!Sample_source_name_ch1\t"tumor"\t"normal"\n"ID_REF"\t"GSM1"\t"GSM2"\n"7A5"\t2.5\t1\n'
    >>> file = io.BytesIO(text)
    >>> print(*doubts_of_samples(file, find_header(file, "a.txt"), ["GSM1", "GSM2"], "a.txt", "rna"))
    rna: 1 sample of normal tissue (GSM2), as !Sample_source_name_ch1 says, beside tumours: samples: [GSM1] takes ...
    """
    content.seek(0)
    found: list[Doubtful] = []
    tissue = several = False
    chosen = set(samples)
    for text in lines_of(content, name):
        if content.tell() >= header.start or (tissue and several):
            break
        if not text.startswith(SAMPLE):
            continue
        key, *said = [cell.strip() for cell in cells(text, "\t")]
        if len(said) != len(header.names) - 1:
            continue
        words = {sample: word for sample, word in zip(header.names[1:], said, strict=True) if sample in chosen}
        parts = {sample: word.partition(": ") for sample, word in words.items()}
        kinds = {sample: tissue_of(part[2] or part[0]) for sample, part in parts.items()}
        normal = [sample for sample, kind in kinds.items() if kind == "normal"]
        tumours = [sample for sample, kind in kinds.items() if kind == "tumour"]
        if normal and tumours and not tissue:
            tissue = True
            way = "samples: takes the tumours alone, by name"
            if len(tumours) <= MOST_NAMED:
                way = f"samples: [{', '.join(tumours)}] takes the tumours alone"
            told = f"{counted(len(normal), 'sample')} of normal tissue ({listed(normal, 3)}), as {key} says"
            found.append(Doubtful(where, f"{told}, beside tumours: {way}"))
        if not several and all(_PATIENT.fullmatch(part[0].strip().casefold()) and part[1] for part in parts.values()):
            owners: dict[str, list[str]] = {}
            for sample, part in parts.items():
                owners.setdefault(part[2], []).append(sample)
            again = [f"{owner}: {', '.join(mine[:3])}" for owner, mine in owners.items() if len(mine) > 1]
            if again:
                several = True
                told = f"{counted(len(again), 'patient')} with several samples ({listed(again, 3)}), as {key} says"
                found.append(Doubtful(where, f"{told}: each counts as a patient of its own, unless samples: names one"))
    return found
