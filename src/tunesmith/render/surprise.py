"""The surprise of each note, as bars over the engraved score."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from tunesmith.formats import musicxml
from tunesmith.melody import Melody
from tunesmith.render.lettering import Lettering
from tunesmith.render.svg import draw, rasterised

# Units as inside verovio's pages: 180 between two lines of the staff.
_BIT = 100
_LEAST_BITS, _MOST_BITS = 5, 20  # that a system has room for
_GRID_BITS = 5
_BAR = 200  # width, about that of a notehead
_GAP = 150  # between the music and the bars, and above them
_LEGEND = 700
_LABEL, _LEGEND_TEXT = 230, 300  # font sizes
# Dark and light, so that they differ in grey too.
_PITCH, _TIMING, _MARK, _GRID = "#1a4f94", "#f3cf9d", "#b3261e", "#b8b8b8"
_PAIR = re.compile(r"(-?[\d.]+)[ ,](-?[\d.]+)")


def surprise_svg(
    melody: Melody, pitch: Sequence[float], timing: Sequence[float], marked: Sequence[bool]
) -> str:
    """The score with a bar over each note: the bits of its pitch, and on them those of its time.

    One bit is as high everywhere, so that pictures compare; a bar of more than 20 bits ends
    there and has its bits written over it. A note that is tied on has
    its bar where it begins.

    Args:
        melody: what to engrave.
        pitch: bits of each note, 0 or more; the probability of an event is
            one half to the power of its bits.
        timing: as pitch.
        marked: which notes get a triangle and a red head.
    """
    return ET.tostring(_drawn(melody, pitch, timing, marked)[0], encoding="unicode")


def surprise_png(
    melody: Melody,
    pitch: Sequence[float],
    timing: Sequence[float],
    marked: Sequence[bool],
    scale: float = 2.0,
) -> bytes:
    """The picture of `surprise_svg` as PNG; `scale` as in `to_png`."""
    return rasterised(*_drawn(melody, pitch, timing, marked), scale)


def _drawn(
    melody: Melody, pitch: Sequence[float], timing: Sequence[float], marked: Sequence[bool]
) -> tuple[ET.Element, float]:
    heads = _heads(melody)
    assert max(heads) + 1 == len(pitch) == len(timing) == len(marked)
    drawn = 0

    def over(page: ET.Element, height: float) -> float:
        nonlocal drawn
        shift = 0
        if not drawn:
            page.append(_legend())
            shift = _LEGEND
        for system in (g for g in page.iter("g") if g.get("class") == "system"):
            notes = [g for g in system.iter("g") if g.get("class") == "note"]
            here = heads[drawn : drawn + len(notes)]
            most = max((pitch[i] + timing[i] for i in here), default=0)
            most = min(max(most, _LEAST_BITS), _MOST_BITS)
            top_bits = math.ceil(most / _GRID_BITS) * _GRID_BITS
            floor = _top(system) - _GAP
            bars = ET.Element("g", {"class": "surprise", "stroke": "none"})
            bars.extend(_grid(system, floor, top_bits))
            for note, i in zip(notes, here, strict=True):
                if marked[i]:
                    note.attrib.update(fill=_MARK, stroke=_MARK, color=_MARK)
                if not drawn or heads[drawn - 1] != i:  # not tied on
                    bars.extend(_bar(_left(note), floor, pitch[i], timing[i], marked[i]))
                drawn += 1
            system.append(bars)
            shift += top_bits * _BIT + 4 * _GAP
            system.set("transform", f"translate(0,{shift:g})")
        return height + shift

    picture = draw([melody], over)
    assert drawn == len(heads), "verovio drew another number of notes"
    return picture


def _heads(melody: Melody) -> list[int]:
    """The note, from 0, that each head in the score belongs to; tied ones to the same."""
    score = ET.fromstring(musicxml.dumps([melody]))
    heads: list[int] = []
    for note in score.iter("note"):
        if note.find("rest") is None:
            tied_on = any(t.get("type") == "stop" for t in note.findall("tie"))
            heads.append((heads[-1] if heads else -1) + (not tied_on))
    return heads


def _bar(x: float, floor: float, pitch: float, timing: float, marked: bool) -> list[ET.Element]:
    middle = floor - _BIT * min(pitch, _MOST_BITS)
    top = floor - _BIT * min(pitch + timing, _MOST_BITS)
    parts = [_box(x, top, middle - top, _TIMING), _box(x, middle, floor - middle, _PITCH)]
    if marked:
        parts.append(_triangle(x + _BAR / 2, top - 40))
    if pitch + timing > _MOST_BITS:
        label = Lettering(bold=True)
        label.add(f"{pitch + timing:.0f}", _LABEL)
        parts.append(label.element(x + _BAR / 2, top - (210 if marked else 60), "middle"))
    return parts


def _box(x: float, y: float, height: float, colour: str) -> ET.Element:
    place = {"x": f"{x:g}", "y": f"{y:.0f}", "width": str(_BAR), "height": f"{height:.0f}"}
    line = {"stroke": _PITCH, "stroke-width": "12"}
    return ET.Element("rect", {**place, "fill": colour, **line})


def _triangle(x: float, y: float) -> ET.Element:
    points = f"{x - 80:g},{y - 130:g} {x + 80:g},{y - 130:g} {x:g},{y:g}"
    return ET.Element("polygon", {"points": points, "fill": _MARK})


def _grid(system: ET.Element, floor: float, top_bits: int) -> list[ET.Element]:
    """Lines at every five bits, the unit beside the highest."""
    right = max(float(x) for path in system.iter("path") for x, _ in _pairs(path)[:2])
    parts = []
    for bits in range(0, top_bits + 1, _GRID_BITS):
        y = floor - _BIT * bits
        line = {"d": f"M0 {y:g} L{right:g} {y:g}", "stroke": _GRID, "stroke-width": "12"}
        parts.append(ET.Element("path", line))
        label = Lettering()
        label.add(str(bits), _LABEL)
        parts.append(label.element(-60, y + 0.35 * _LABEL, "end"))
    return parts


def _legend() -> ET.Element:
    legend = ET.Element("g", {"class": "legend"})
    x, y = 444.0, 260.0
    for what, text in (
        ("", "Surprise of each note in bits:"),
        (_PITCH, "pitch"),
        (_TIMING, "timing"),
        ("mark", "the most surprising notes; a number: bits of a bar cut off"),
    ):
        if what == "mark":
            legend.append(_triangle(x + 100, y - 40))
        elif what:
            legend.append(_box(x, y - 200, 200, what))
        line = Lettering()
        line.add(text, _LEGEND_TEXT)
        x += 280 if what else 0
        legend.append(line.element(x, y))
        x += line.width + 400
    return legend


def _left(note: ET.Element) -> float:
    """Where a note's head begins."""
    head = next(g for g in note.iter("g") if "notehead" in g.get("class", "").split())
    use = next(head.iter("use"))
    return float(_pairs_of(use.get("transform", ""))[0][0])


def _top(element: ET.Element) -> float:
    """The least y of what is drawn below an element, with room for signs and letters."""
    if transform := element.get("transform"):
        return float(_pairs_of(transform)[0][1]) - (450 if element.tag == "g" else 270)
    own = [float(y) for _, y in _pairs(element)]
    if element.get("cy"):
        own.append(float(element.get("cy", 0)))
    if element.get("y"):
        own.append(float(element.get("y", 0)) - (450 if element.tag == "text" else 0))
    if element.get("class") == "clef":
        own.append(min((_top(child) for child in element), default=math.inf) - 300)
    return min([*own, *(_top(child) for child in element)], default=math.inf)


def _pairs(element: ET.Element) -> list[tuple[str, str]]:
    return _pairs_of(element.get("d", "") + element.get("points", ""))


def _pairs_of(text: str) -> list[tuple[str, str]]:
    return _PAIR.findall(text.replace(", ", ","))
