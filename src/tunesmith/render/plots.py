"""Plots as SVG, made by hand: curves, bars and piano rolls that a page holds without any library.

Every plot is `WIDTH` units wide and scales with the page; its text is large enough for a
phone. It has a <title> and a <desc>, which screen readers say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from tunesmith.melody import Melody

WIDTH = 420
HEIGHT = 270
COLOURS = ("#1a5fb4", "#b3541e", "#2b7a3d", "#6b3fa0")
"""Told apart by people who see no red or green, and by the dashes that go with them."""
_DASHES = ("", "6 3", "2 3", "8 3 2 3")

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 34, 44
_INK, _GRID = "#1b1b1b", "#d9d9d9"


@dataclass(frozen=True)
class Series:
    """A line of a plot.

    Attributes:
        name: for the legend; '' is left out of it.
        xs, ys: points, in order of x.
        low, high: a band around it, of the same length, or empty.
        dots: whether each point is marked.
        style: place in `COLOURS` and their dashes.
    """

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    dots: bool = False
    style: int = 0


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` and one: steps of 1, 2 or 5 times 10^n."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def curves(
    series: Sequence[Series], *, title: str, x_label: str, y_label: str, description: str
) -> str:
    """Lines over one another with axes, a legend, and bands where a series has them.

    Args:
        series: at least one point in all.
        title: above the plot.
        x_label: with the unit.
        y_label: with the unit.
        description: what is to be seen, for those who cannot see it.
    """
    xs = [x for s in series for x in s.xs]
    ys = [y for s in series for y in (*s.ys, *s.low, *s.high)]
    frame = _Frame(_spread(min(xs), max(xs), 0), _spread(min(ys), max(ys), 0.06))
    parts = [*frame.axes(x_label, y_label)]
    for s in series:
        colour = COLOURS[s.style]
        if s.low:
            edge = [*zip(s.xs, s.high, strict=True), *reversed([*zip(s.xs, s.low, strict=True)])]
            points = " ".join(frame.at(x, y) for x, y in edge)
            parts.append(f'<polygon points="{points}" fill="{colour}" opacity="0.18"/>')
        points = " ".join(frame.at(x, y) for x, y in zip(s.xs, s.ys, strict=True))
        dash = f' stroke-dasharray="{_DASHES[s.style]}"' if _DASHES[s.style] else ""
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        )
        if s.dots:
            parts += [
                f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3" fill="{colour}"/>'
                for x, y in zip(s.xs, s.ys, strict=True)
            ]
    named = [(s.name, s.style) for s in series if s.name]
    parts += _legend(named, swatch="line")
    return _svg(parts, title, description)


def bars(
    labels: Sequence[str],
    groups: Mapping[str, Sequence[float]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    description: str,
) -> str:
    """Bars beside each other: for each label one of each group.

    Args:
        labels: below the bars.
        groups: heights, 0 or more, by name; each as many as labels.
        title: above the plot.
        x_label: with the unit.
        y_label: with the unit.
        description: what is to be seen.
    """
    top = max(v for values in groups.values() for v in values) or 1.0
    frame = _Frame((0.0, float(len(labels))), (0.0, top * 1.08))
    parts = [*frame.axes(x_label, y_label, x_ticks=False)]
    room = 0.82 / len(groups)
    for g, values in enumerate(groups.values()):
        for i, value in enumerate(values):
            x, end = frame.x(i + 0.09 + g * room), frame.x(i + 0.09 + (g + 1) * room)
            y = frame.y(value)
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{end - x - 0.6:.1f}" '
                f'height="{frame.y(0) - y:.1f}" fill="{COLOURS[g]}"/>'
            )
    parts += [
        _text(frame.x(i + 0.5), frame.y(0) + 15, label, "middle") for i, label in enumerate(labels)
    ]
    parts += _legend([(name, g) for g, name in enumerate(groups)], swatch="box")
    return _svg(parts, title, description)


def piano_roll(melody: Melody) -> str:
    """The notes as bars over time, with barlines: x in bars, y in pitch names."""
    low, high = min(melody.pitches) - 2, max(melody.pitches) + 2
    end = melody.bars[-1].end
    frame = _Frame((0.0, float(end)), (low - 0.5, high + 0.5), height=190, top=24)
    parts = [f'<rect width="{WIDTH}" height="190" fill="#fff"/>']
    for pitch in range(low, high + 1):
        if pitch % 12 == 0 or (high - low < 12 and pitch % 12 == 7):
            y = frame.y(pitch)
            parts.append(_line(_LEFT, y, WIDTH - _RIGHT, y, _GRID))
            name = ("C" if pitch % 12 == 0 else "G") + str(pitch // 12 - 1)
            parts.append(_text(_LEFT - 6, y + 4, name, "end"))
    full = [b for b in melody.bars if not b.is_pickup]
    every = max(1, math.ceil(len(full) / 10))
    for number, bar in enumerate(full, 1):
        x = frame.x(bar.start)
        parts.append(_line(x, 24, x, frame.bottom, _GRID))
        if (number - 1) % every == 0:
            parts.append(_text(x + 2, frame.bottom + 15, str(number), "start"))
    parts.append(_text((_LEFT + WIDTH - _RIGHT) / 2, 186, "bar", "middle"))
    tall = max(2.5, frame.y(0) - frame.y(1) - 0.5)
    for n in melody.notes:
        x, width = frame.x(n.onset), frame.x(n.end) - frame.x(n.onset)
        parts.append(
            f'<rect x="{x:.1f}" y="{frame.y(n.pitch) - tall / 2:.1f}" '
            f'width="{max(1.0, width - 0.8):.1f}" height="{tall:.1f}" rx="1" fill="{COLOURS[0]}"/>'
        )
    said = (
        f"Piano roll: {len(melody.notes)} notes in {len(full)} bars, "
        f"MIDI pitches {low + 2} to {high - 2}."
    )
    return _svg(parts, f"Piano roll, {melody.title or 'untitled'}", said, height=190)


class _Frame:
    """Where values stand on the picture."""

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        height: int = HEIGHT,
        top: int = _TOP,
    ) -> None:
        self._x, self._y, self._top = x, y, top
        self.bottom = height - _BOTTOM

    def x(self, value: float) -> float:
        low, high = self._x
        return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self._y
        return self.bottom - (value - low) / (high - low) * (self.bottom - self._top)

    def at(self, x: float, y: float) -> str:
        return f"{self.x(x):.1f},{self.y(y):.1f}"

    def axes(self, x_label: str, y_label: str, *, x_ticks: bool = True) -> list[str]:
        parts = [f'<rect width="{WIDTH}" height="{self.bottom + _BOTTOM}" fill="#fff"/>']
        marks = ticks(*self._y)
        for value in marks:
            y = self.y(value)
            parts.append(_line(_LEFT, y, WIDTH - _RIGHT, y, _GRID))
            parts.append(_text(_LEFT - 6, y + 4, f"{value:.4g}", "end"))
        if x_ticks:
            for value in ticks(*self._x):
                x = self.x(value)
                parts.append(_line(x, self.bottom, x, self.bottom + 4, _INK))
                parts.append(_text(x, self.bottom + 16, f"{value:,.6g}", "middle"))
        parts.append(_line(_LEFT, self.bottom, WIDTH - _RIGHT, self.bottom, _INK))
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts.append(_text(middle, self.bottom + 34, x_label, "middle"))
        centre = (self._top + self.bottom) / 2
        parts.append(
            f'<text transform="translate(13,{centre:.1f}) rotate(-90)" '
            f'text-anchor="middle">{escape(y_label)}</text>'
        )
        return parts


def _spread(low: float, high: float, margin: float) -> tuple[float, float]:
    """A range with a margin; where all values are one, half a unit to each side."""
    if not high > low:
        return low - 0.5, high + 0.5
    return low - margin * (high - low), high + margin * (high - low)


def _legend(named: Sequence[tuple[str, int]], *, swatch: str) -> list[str]:
    parts: list[str] = []
    x = float(_LEFT)
    for name, style in named:
        colour = COLOURS[style]
        if swatch == "line":
            dash = f' stroke-dasharray="{_DASHES[style]}"' if _DASHES[style] else ""
            parts.append(
                f'<line x1="{x:.1f}" y1="14" x2="{x + 22:.1f}" y2="14" stroke="{colour}" '
                f'stroke-width="2.5"{dash}/>'
            )
        else:
            parts.append(f'<rect x="{x + 6:.1f}" y="8" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(x + 26, 18, name, "start"))
        x += 38 + 6.6 * len(name)
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="1"/>'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], title: str, description: str, *, height: int = HEIGHT) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{_INK}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(parts)}</svg>"
    )
