"""Panels of bars and of lines, as SVG that can be read on light and on dark backgrounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

# Each of them stands out from white and from near-black.
TEXT = "#768390"
ACCENT = "#2f81f7"
OTHERS = ("#8b949e", "#c2703d", "#3fa45b", "#a371f7", "#bf8700", "#db61a2")
FONT = "font-family='system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif'"


def label(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", bold: bool = False) -> str:
    """Return a line of text."""
    weight = " font-weight='600'" if bold else ""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' fill='{TEXT}'{weight}>"
        f"{escape(text)}</text>"
    )


def document(width: float, height: float, parts: Sequence[str], *, description: str) -> str:
    """Return a whole picture; ``description`` is for those who can't see it."""
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
        f"width='{width:.0f}' height='{height:.0f}' role='img' {FONT}>"
    )
    return "\n".join([head, f"<title>{escape(description)}</title>", *parts, "</svg>\n"])


def compact(value: float) -> str:
    """Return a number in as few characters as three digits need."""
    for factor, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{suffix}"
    return f"{value:.3g}"


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its length, and whether it's the one to look at."""

    name: str
    value: float
    is_ours: bool


BAR = "height='14' rx='2'"
BAR_STEP = 21.0
PANEL_HEAD = 46.0


def bars_height(count: int) -> float:
    """Return the height of a panel of that many bars."""
    return PANEL_HEAD + BAR_STEP * count + 16


def bars(x: float, y: float, width: float, *, title: str, unit: str, items: Sequence[Bar]) -> list[str]:
    """Return a panel of horizontal bars, from its upper left corner on."""
    names, values = 184.0, 52.0
    most = max((item.value for item in items), default=0.0) or 1.0
    parts = [label(x, y + 15, title, size=13, bold=True), label(x, y + 32, unit, size=11)]
    for row, item in enumerate(items):
        top = y + PANEL_HEAD + row * BAR_STEP
        length = max((width - names - values) * item.value / most, 1.0)
        color = ACCENT if item.is_ours else OTHERS[0]
        parts += [
            label(x + names - 8, top + 11, item.name, anchor="end", bold=item.is_ours),
            f"<rect x='{x + names:.1f}' y='{top:.1f}' width='{length:.1f}' {BAR} fill='{color}'/>",
            label(x + names + length + 6, top + 11, compact(item.value), bold=item.is_ours),
        ]
    return parts


@dataclass(frozen=True)
class Line:
    """Points that belong together.

    Attributes:
        name: For the legend.
        color: Its color.
        points: Pairs of x, above 0, and y.
    """

    name: str
    color: str
    points: Sequence[tuple[float, float]]


def _ticks(most: float) -> list[float]:
    """Return round values from 0 to above ``most``."""
    step: float = 10.0 ** math.floor(math.log10(most or 1.0))
    for factor in (0.2, 0.5, 1.0, 2.0):
        if most / (step * factor) <= 5:
            step *= factor
            break
    return [step * index for index in range(math.ceil(most / step) + 1)]


def lines(
    box: tuple[float, float, float, float],
    *,
    title: str,
    unit: str,
    items: Sequence[Line],
    steps: Sequence[float],
) -> list[str]:
    """Return a panel of lines over a logarithmic x axis; ``box`` is x, y, width and height."""
    x, y, width, height = box
    ticks = _ticks(max((value for item in items for _, value in item.points), default=1.0))
    left, right, top, bottom = x + 48, x + width - 12, y + PANEL_HEAD, y + height - 24
    low, high = math.log(min(steps)), math.log(max(steps))

    def across(value: float) -> float:
        return left + (right - left) * ((math.log(value) - low) / (high - low) if high > low else 0.5)

    def up(value: float) -> float:
        return bottom - (bottom - top) * value / ticks[-1]

    parts = [label(x, y + 15, title, size=13, bold=True), label(x, y + 32, unit, size=11)]
    for tick in ticks:
        rule = f"x1='{left:.1f}' x2='{right:.1f}' y1='{up(tick):.1f}' y2='{up(tick):.1f}'"
        parts.append(f"<line {rule} stroke='{TEXT}' stroke-opacity='0.3'/>")
        parts.append(label(left - 6, up(tick) + 4, compact(tick), size=10, anchor="end"))
    parts += [label(across(step), bottom + 15, compact(step), size=10, anchor="middle") for step in steps]
    for item in items:
        points = " ".join(f"{across(a):.1f},{up(b):.1f}" for a, b in item.points)
        parts.append(f"<polyline points='{points}' fill='none' stroke='{item.color}' stroke-width='2'/>")
        for a, b in item.points:
            parts.append(f"<circle cx='{across(a):.1f}' cy='{up(b):.1f}' r='2.5' fill='{item.color}'/>")
    return parts


def legend(x: float, y: float, items: Sequence[Line]) -> list[str]:
    """Return the names of lines, side by side."""
    parts = []
    for item in items:
        parts.append(f"<rect x='{x:.1f}' y='{y - 9:.1f}' width='12' height='12' rx='2' fill='{item.color}'/>")
        parts.append(label(x + 18, y + 1, item.name))
        x += 34 + 7.2 * len(item.name)
    return parts
