"""How numbers are written in a report."""

from __future__ import annotations

import math

from mmlego.reporting.statistics.resampling import Estimate

MINUS = "\u2212"


def plain(value: float, digits: int = 2) -> str:
    """Return a number with some decimals, with a true minus.

    Examples
    --------
    >>> plain(-0.123), plain(float("nan"))
    ('−0.12', 'not defined')
    """
    if not math.isfinite(value):
        return "not defined"
    text = f"{value:.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text.replace("-", "")


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign.

    Examples
    --------
    >>> signed(0.123), signed(0.0)
    ('+0.12', '0.00')
    """
    text = plain(value, digits)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def significant(value: float, digits: int = 3) -> str:
    """Return a number with some significant digits, without an exponent where that is readable.

    Examples
    --------
    >>> significant(1234.5), significant(0.01234), significant(12.0)
    ('1234', '0.0123', '12')
    """
    if not math.isfinite(value):
        return "not known"
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    decimals = 0 if not value else max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", MINUS)


def with_interval(found: Estimate, digits: int = 2, *, sign: bool = False) -> str:
    """Return a number with its interval in brackets.

    Examples
    --------
    >>> with_interval(Estimate(0.7, 0.61, 0.8))
    '0.70 (0.61 to 0.80)'
    """
    write = signed if sign else plain
    if not math.isfinite(found.value):
        return "not defined"
    if not found.known:
        return f"{write(found.value, digits)} (no interval)"
    return f"{write(found.value, digits)} ({write(found.low, digits)} to {write(found.high, digits)})"


def share(part: int, whole: int) -> str:
    """Return a count with its percentage.

    Examples
    --------
    >>> share(1, 4), share(0, 0)
    ('1 (25 %)', '0')
    """
    return f"{part} ({100 * part / whole:.0f} %)" if whole else str(part)


def p_value(p: float) -> str:
    """Return a p-value as people write it.

    Examples
    --------
    >>> p_value(0.0421), p_value(1e-9)
    ('p = 0.042', 'p < 0.001')
    """
    if not math.isfinite(p):
        return "p not defined"
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
