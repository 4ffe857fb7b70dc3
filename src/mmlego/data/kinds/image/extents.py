"""How large volumes are in millimetres: where they are stretched to one size, what is as large need not look so."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmlego.data.kinds.image.stacks import Grid
from mmlego.data.reading.remarks import Doubtful, Noted

OTHER_SIZE = 1.5  # times as large voxels are told
STRETCHED = 2  # times as large volumes are doubted: what fills one of them is half as wide in the other


def notes_of_extents(volumes: Mapping[str, tuple[Grid, tuple[int, ...]]], modality: str) -> list[Noted]:
    """Return that volumes which are stretched to one size have voxels, or are, of several sizes.

    Parameters
    ----------
    volumes
        By patient where the voxels lie, and how many there are along each axis; such as do not say how large they are
        are passed over.
    modality
        Its name.

    Examples
    --------
    >>> volumes = {who: (Grid(np.diag([step] * 3 + [1.0])), (9, 9, 9)) for who, step in (("a", 1.0), ("b", 5.0))}
    >>> for note in notes_of_extents(volumes, "ct"):
    ...     print(note)
    ct: volumes of several sizes (a: 9 × 9 × 9 mm, b: 45 × 45 × 45 mm) are stretched to one: spacing: keeps them apart
    """
    steps, sizes = {}, {}
    for who, (grid, shape) in volumes.items():
        if grid.scaled:
            along = np.abs(grid.affine[:3, :3]).argmax(axis=0)  # which of right, front and head each axis is nearest to
            step = np.linalg.norm(grid.affine[:3, :3], axis=0)
            steps[who], sizes[who] = np.zeros(3), np.zeros(3)
            steps[who][along], sizes[who][along] = step, step * np.array(shape)
    for found, what, most, kind in (
        (sizes, "volumes", STRETCHED, Doubtful),
        (steps, "voxels", OTHER_SIZE, Noted),
    ):
        if len(found) < 2:
            continue
        table = np.stack(list(found.values()))
        axis = int((table.max(axis=0) / table.min(axis=0).clip(1e-9)).argmax())
        low, high = (list(found)[place] for place in (table[:, axis].argmin(), table[:, axis].argmax()))
        if found[high][axis] > most * found[low][axis]:
            said = ", ".join(f"{who}: {' × '.join(f'{n:.3g}' for n in found[who])} mm" for who in (low, high))
            text = f"{what} of several sizes ({said}) are stretched to one: spacing: keeps them apart"
            return [kind(modality, text)]
    return []
