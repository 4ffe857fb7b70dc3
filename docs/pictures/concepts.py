"""Draws ``concepts.svg``: patients apart, encoder, block, merge, fuse. ``python docs/pictures/concepts.py``."""

from __future__ import annotations

import math
from pathlib import Path

WIDTH, HEIGHT = 560, 896
# Okabe and Ito's colours, which all eyes tell apart; each has a shape of its own besides.
COLUMNS = (
    ("Hospital A", "slides", "a", 96),
    ("Hospital B", "genes", "b", 280),
    ("Public study C", "clinical data", "c", 464),
)
STYLE = """
  svg { color-scheme: light dark; }
  text { font: 16px system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: #1d2733; text-anchor: middle; }
  .head { font-weight: 650; } .small { font-size: 14px; fill: #4a5765; }
  .card { fill: #f3f6f9; stroke: #8c99a6; stroke-width: 1.2; } .flow { fill: none; stroke: #8c99a6; stroke-width: 2; }
  .plate { fill: none; stroke: #5b6875; stroke-width: 1.6; stroke-dasharray: 6 5; } .tip { fill: #8c99a6; }
  .a { fill: #0072b2; } .b { fill: #d55e00; } .c { fill: #009e73; }
  .curve { fill: none; stroke: #1d2733; stroke-width: 2.4; }
  .la { stroke: #0072b2; } .lb { stroke: #d55e00; } .lc { stroke: #009e73; } .line { fill: none; stroke-width: 2.2; }
  .axis { fill: none; stroke: #8c99a6; stroke-width: 1.4; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6ebf0; } .small { fill: #b4bfca; } .card { fill: #2a313b; stroke: #78858f; }
    .flow { stroke: #8995a1; }
    .plate { stroke: #a3afba; } .tip { fill: #8995a1; } .curve { stroke: #e6ebf0; } .axis { stroke: #8995a1; }
    .a { fill: #56b4e9; } .b { fill: #f08a3c; } .c { fill: #2fc79b; }
    .la { stroke: #56b4e9; } .lb { stroke: #f08a3c; } .lc { stroke: #2fc79b; }
  }
"""


def text(x: float, y: float, said: str, kind: str = "plain") -> str:
    """Return a line of text."""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{said}</text>'


def card(x: float, y: float, width: float, height: float, kind: str = "card") -> str:
    """Return a box with round corners, by its middle above."""
    return f'<rect class="{kind}" x="{x - width / 2:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="10"/>'


def down(x: float, y: float, to: float, end: float | None = None) -> str:
    """Return an arrow downward, bent where it ends beside where it begins."""
    end = x if end is None else end
    middle = (y + to) / 2
    way = f"M{x:g} {y:g} C{x:g} {middle:g} {end:g} {middle:g} {end:g} {to - 7:g}"
    tip = f"M{end - 5:g} {to - 8:g} L{end + 5:g} {to - 8:g} L{end:g} {to:g} Z"
    return f'<path class="flow" d="{way}"/><path class="tip" d="{tip}"/>'


def mark(x: float, y: float, kind: str, size: float = 6) -> str:
    """Return what stands for a patient of a column: a disc, a square or a triangle."""
    if kind == "a":
        return f'<circle class="a" cx="{x:g}" cy="{y:g}" r="{size:g}"/>'
    if kind == "b":
        half = 0.88 * size
        return f'<rect class="b" x="{x - half:g}" y="{y - half:g}" width="{2 * half:g}" height="{2 * half:g}"/>'
    points = f"{x:g},{y - 1.15 * size:g} {x - 1.1 * size:g},{y + 0.85 * size:g} {x + 1.1 * size:g},{y + 0.85 * size:g}"
    return f'<polygon class="c" points="{points}"/>'


def spectrum(x: float, y: float, heights: list[float], kinds: str) -> str:
    """Return bars: how strong each frequency of the latent is."""
    parts = [f'<path class="axis" d="M{x - 52:g} {y:g} H{x + 52:g}"/>']
    for place, height in enumerate(heights):
        left = x - 48 + 12.4 * place
        kind = kinds[place % len(kinds)]
        parts.append(f'<rect class="{kind}" x="{left:g}" y="{y - height:g}" width="9" height="{height:g}" rx="1.5"/>')
    return "".join(parts)


def wave(x: float, y: float, heights: list[float], kind: str) -> str:
    """Return the latent that such a spectrum is of."""
    points = []
    for step in range(61):
        t = step / 60
        value = (
            1.5
            * sum(h * math.cos(2 * math.pi * (k + 1) * t + len(kind) + ord(kind) * k) for k, h in enumerate(heights))
            / sum(heights)
        )
        points.append(f"{x - 50 + 100 * t:.1f} {y - 13 * value:.1f}")
    return f'<path class="line l{kind}" d="M{" L".join(points)}"/>'


def figure() -> str:
    """Return the picture."""
    strong = {"a": [9, 30, 14, 22, 7, 12, 5, 8], "b": [24, 10, 28, 8, 15, 6, 11, 4], "c": [14, 20, 6, 26, 10, 17, 4, 7]}
    parts = [text(280, 24, "Patients apart", "head")]
    for place, what, kind, x in COLUMNS:
        parts += [card(x, 38, 168, 92), text(x, 62, place, "head"), text(x, 82, what, "small")]
        parts += [mark(x - 45 + 18 * i, 108, kind) for i in range(6)]
        parts += [down(x, 130, 158), card(x, 158, 120, 38), text(x, 182, "encoder"), down(x, 196, 222)]
        parts += [mark(x - 36 + 18 * i, 232, kind, 4) for i in range(5)]
        parts += [down(x, 242, 276), card(x, 276, 148, 150), text(x, 300, "block", "head")]
        parts += [
            wave(x, 325, strong[kind], kind),
            text(x, 362, "Fourier ↓", "small"),
            spectrum(x, 412, strong[kind], kind),
        ]
        parts += [down(x, 466, 516, 280 + (x - 280) * 0.45)]
    parts += [card(280, 264, 548, 200, "plate")]
    parts += [text(188, 237, "tokens", "small")]
    parts += [card(280, 516, 300, 118), text(280, 540, "merge", "head")]
    mean = [sum(strong[kind][i] for kind in "abc") / 3 for i in range(8)]
    parts += [spectrum(280, 588, mean, "abc")]
    parts += [text(280, 622, "no training, no shared patient", "small")]
    parts += [down(280, 634, 678), card(280, 678, 300, 82), text(280, 702, "fuse", "head")]
    for i in range(3):
        x = 220 + 60 * i
        parts += [mark(x - 15, 723, "a", 5), mark(x, 723, "b", 5), mark(x + 15, 723, "c", 5)]
    parts += [text(280, 746, "brief tuning on the few who have all", "small"), down(280, 760, 794)]
    parts += ['<path class="axis" d="M206 798 V860 H354"/>']
    parts += ['<path class="curve" d="M206 800 H224 V808 H246 V818 H270 V830 H300 V840 H330 V846 H352"/>']
    parts += [text(280, 884, "a prediction for whoever has any of them", "small")]
    parts += [text(280, 451, "one baseplate: the same task, the same start", "small")]
    body = "\n".join(part for part in parts if part)
    said = "Three groups of patients, each with a modality and a block of its own; the blocks are merged, then fused."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">\n'
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(figure(), encoding="utf-8")
