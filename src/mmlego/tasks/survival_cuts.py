"""Where to cut time into bins, by what the follow-up of the training patients can tell."""

from __future__ import annotations

import numpy as np

AT_RISK = 0.1  # of the patients, how many the last cut needs
BINS = 15  # more make curves no nearer to Kaplan-Meier on GSE7390, TCGA-BLCA and TCGA-KIRP
EVENTS = 3  # at least, for each bin


def follow_up(times: np.ndarray, share: float = AT_RISK) -> float:
    """Return the latest time at which a share of the patients is still at risk.

    Parameters
    ----------
    times : (n,)
        Times of the event or of censoring.
    share
        Of the patients.

    Returns
    -------
    float
        One of the times.

    Examples
    --------
    >>> follow_up(np.arange(1.0, 101.0))
    91.0
    """
    return float(np.sort(times)[len(times) - max(1, int(np.ceil(share * len(times))))])


def cuts_of_data(events: np.ndarray, times: np.ndarray, bins: int | None) -> list[float]:
    """Return the cuts of time that divide the events evenly, the last where a tenth is still at risk.

    Parameters
    ----------
    events : (n,)
        1 or True where the event was observed; if nowhere, all times are divided evenly.
    times : (n,)
        Time of the event or of censoring.
    bins
        How many bins to make; None: as the events allow, at most 15.

    Returns
    -------
    list of float
        At most ``bins − 1``, increasing, each in float32, the precision of targets; none if the times do not differ.

    Examples
    --------
    >>> cuts_of_data(np.array([1, 1, 1, 1, 0]), np.array([1.0, 2.0, 3.0, 4.0, 9.0]), 3)
    [2.5, 4.0]
    """
    last = follow_up(times)
    different = np.unique(times[times > 0])
    if len(np.unique(times)) < 2 or last == 0:
        return []
    if last == different[-1] and len(different) > 1 and (times == last).sum() < 2:
        last = float(different[-2])  # one patient alone tells nothing of what comes after
    known = times[(events == 1) & (times <= last)] if (events == 1).any() else times[times <= last]
    count = min(BINS, max(2, len(known) // EVENTS + 1)) if bins is None else bins
    inner = np.quantile(known, np.arange(1, count - 1) / (count - 1)) if len(known) else np.empty(0)
    cuts = {float(cut) for cut in inner.astype(np.float32) if 0 < cut < last}
    return sorted({*cuts, float(np.float32(last))})
