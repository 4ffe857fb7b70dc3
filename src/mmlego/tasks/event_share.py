"""Whether the coding of events may be turned round: their share beside that of whoever made the task.

Where one site writes 1 for dead and another 1 for alive, nothing in a file tells: both have events and censored
patients, and what is learnt of one is the opposite of what is learnt of the other. What can be told is that the shares
fit better the other way round. Follow-up of another length changes shares as well: so it is a doubt, no refusal; and
where about half of the patients have the event, both ways look alike, and nothing is said.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mmlego.anonymity import MIN_PATIENTS

FEWEST = 20  # patients of whom a share tells something
FAR, NEAR = 0.3, 0.15  # how far a share is from the other, and how near the one turned round


def share_of_events(events: ArrayLike) -> float | None:
    """Return the share of patients with the event, with two digits; None where it would stand for too few.

    Parameters
    ----------
    events : (n,)
        1 where the event was observed, 0 where the patient was censored.

    Examples
    --------
    >>> share_of_events([1, 0] * 10 + [1]), share_of_events([1] * 20 + [0] * 4)
    (0.52, None)
    """
    observed = np.asarray(events, dtype=np.float64) == 1
    count = int(observed.sum())
    if len(observed) < FEWEST or min(count, len(observed) - count) < MIN_PATIENTS:
        return None
    return round(count / len(observed), 2)


def turned_round(known: float | None, events: ArrayLike) -> str | None:
    """Return what to say where events are coded the other way round than those of whoever made the task, or may be.

    Parameters
    ----------
    known
        The share of theirs, from :func:`share_of_events`; None: not known.
    events : (n,)
        As there.

    Examples
    --------
    >>> turned_round(0.8, [1] * 6 + [0] * 24)
    '20 % of the patients have the event, and 80 % of those of the baseplate; turned round, it would be 80 %'
    >>> turned_round(0.5, [1] * 6 + [0] * 24), turned_round(0.6, [1] * 6 + [0] * 24)
    (None, None)
    """
    mine = share_of_events(events)
    if known is None or mine is None or abs(mine - known) < FAR or abs(1 - mine - known) > NEAR:
        return None
    told = f"{mine:.0%} of the patients have the event, and {known:.0%} of those of the baseplate"
    return f"{told}; turned round, it would be {1 - mine:.0%}".replace("%", " %")
