"""The engraved score, as SVG and as PNG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import resvg_py
import verovio

from tunesmith.errors import InputError, UsageError
from tunesmith.formats import musicxml
from tunesmith.melody import Chord, Melody
from tunesmith.render.lettering import FAMILIES, Lettering, letter_texts, width_of

WIDTH = 945
"""Pixels that a score is wide, at scale 1."""

_ZOOM = 45  # of verovio: staves 32 pixels high
_INNER = _ZOOM / 1000  # pixels to verovio's inner unit
_TALLEST_PAGE = 60_000  # all that verovio allows; longer tunes go on a page of their own
_MARGIN = 20.0  # pixels
_GAP = 36.0  # between tunes
_TITLE_SIZE = 23.0
_SMALLEST_TITLE = 14.0
_MOST_PIXELS = 100_000_000
_NOT_XML = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_svg(melodies: Sequence[Melody]) -> str:
    """The melodies engraved under each other, each below its title.

    The picture is `WIDTH` pixels wide and as high as the music needs, black on
    white, and asks for no fonts: text is drawn as paths, except a title in a script
    that `alphabet.py` lacks. The same melodies give the same text with the same version
    of verovio; the ids inside differ from one picture to another, so that many can
    stand on one web page.

    Raises:
        UsageError: if there are no melodies.
        InputError: if notation cannot spell one.
    """
    return ET.tostring(draw(melodies)[0], encoding="unicode")


def to_png(melodies: Sequence[Melody], scale: float = 2.0) -> bytes:
    """The picture of `to_svg` as PNG, `scale` · `WIDTH` pixels wide, on white.

    Args:
        melodies: what to draw.
        scale: pixels to one of the SVG's, 0.1 to 10.

    Raises:
        UsageError: as `to_svg`; a scale outside its range, or a picture too large.
    """
    return rasterised(*draw(melodies), scale)


def rasterised(picture: ET.Element, height: float, scale: float) -> bytes:
    """What `draw` made, as PNG; see `to_png`."""
    if not 0.1 <= scale <= 10:
        raise UsageError(f"a scale of {scale:g}", remedy="give one from 0.1 to 10")
    if WIDTH * height * scale**2 > _MOST_PIXELS:
        raise UsageError(
            f"a picture of {WIDTH * scale:.0f} by {height * scale:.0f} pixels is too large",
            remedy="draw fewer melodies in one, write SVG, or choose a smaller scale",
        )
    # System fonts would make pictures differ between machines; only what our own
    # alphabet cannot write is left to them.
    has_text = picture.find(".//text") is not None
    image: bytes = resvg_py.svg_to_bytes(
        svg_string=ET.tostring(picture, encoding="unicode"),
        background="#ffffff",
        width=round(WIDTH * scale),
        skip_system_fonts=not has_text,
    )
    return bytes(image)


def draw(
    melodies: Sequence[Melody], over: Callable[[ET.Element, float], float] | None = None
) -> tuple[ET.Element, float]:
    """The picture as an <svg> element, and its height in pixels.

    Args:
        melodies: what to draw.
        over: draws on each page when it is engraved: told the page and its height in
            verovio's inner units, it gives the height that the page has then.
    """
    if not melodies:
        raise UsageError("no melodies to draw")
    picture = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img"})
    titles = [one_line(m.title) for m in melodies]
    ET.SubElement(picture, "title").text = "; ".join(filter(None, titles)) or "Score"
    paper = ET.SubElement(picture, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    y = _MARGIN
    for i, melody in enumerate(melodies):
        if i:
            y += _GAP
        if title := titles[i]:
            y = _draw_title(picture, title, y)
        for page, height in engrave(melody, i):
            if over:
                height = over(page, height)
            page.set("transform", f"translate(0,{y:g}) scale({_INNER:g})")
            picture.append(page)
            y += height * _INNER
    height = round(y + _MARGIN)
    paper.set("stroke", "none")
    picture.set("width", str(WIDTH))
    picture.set("height", str(height))
    picture.set("viewBox", f"0 0 {WIDTH} {height}")
    return picture, height


def _draw_title(picture: ET.Element, title: str, y: float) -> float:
    """Draw a title below y, in the middle, smaller if it is long; where it ends."""
    room = WIDTH - 2 * _MARGIN
    size = _TITLE_SIZE * min(1.0, room / width_of(title, _TITLE_SIZE))
    size = max(_SMALLEST_TITLE, size)
    lines = [""]
    for word in title.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width_of(longer, size) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    for text in lines:
        y += size
        picture.append(line_of_text(text, WIDTH / 2, y, size, "middle", bold=True))
        y += 0.3 * size
    return y + 0.5 * size


def one_line(text: str) -> str:
    """A text without what XML cannot hold, its blanks and line ends single blanks."""
    return " ".join(_NOT_XML.sub("", text).split())


def line_of_text(
    text: str, x: float, y: float, size: float, anchor: str = "start", *, bold: bool = False,
    colour: str = "#000000",
) -> ET.Element:  # fmt: skip
    """A line of text with its start, middle or end at x and its baseline at y, in pixels."""
    line = Lettering(bold=bold)
    line.add(text, size)
    if line.is_complete:
        group = line.element(x, y, anchor)
        group.set("color", colour)
        return group
    attributes = {"x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor, "fill": colour}
    element = ET.Element("text", attributes | {"font-family": FAMILIES, "font-size": f"{size:g}"})
    element.text = text
    return element


def engrave(
    melody: Melody, index: int, zoom: int = _ZOOM, *, even: bool = False
) -> Iterator[tuple[ET.Element, float]]:
    """The pages of a melody as <g> elements, each with its height in verovio's inner units.

    Args:
        melody: what to engrave.
        index: its place in the picture.
        zoom: of verovio, which makes staves 0.71 · zoom pixels high; an inner unit is
            zoom / 1000 pixels.
        even: break after every 8, 4, 2 or 1 bars, the most for which no system is
            denser than where there is a break as soon as one is full.
    """
    melody = replace(melody, chords=_side_by_side(melody.chords))
    source = _simplified(musicxml.dumps([melody]))
    where = melody.title or melody.origin
    toolkit = _loaded(source, index, zoom, where, breaks="auto")
    pickups = sum(bar.is_pickup for bar in melody.bars[:1])
    if even and (bars := _bars_a_system(toolkit, pickups)):
        source = _broken(source, pickups, bars)
        # The last system is as wide as the others where it holds as many bars.
        least = 0.8 if (len(melody.bars) - pickups) % bars else 0.0
        toolkit = _loaded(source, index, zoom, where, breaks="encoded", minLastJustification=least)
    for number in range(1, toolkit.getPageCount() + 1):
        # Without its namespace, so that elements have plain names.
        text = toolkit.renderToSVG(number).replace(' xmlns="http://www.w3.org/2000/svg"', "", 1)
        root = ET.fromstring(text)
        inner = root.find("svg")
        assert inner is not None, "verovio's page has no content"
        page = ET.Element("g", {"color": "#000000", "stroke": "#000000"})
        page.set("font-family", FAMILIES)
        page.extend([*root.findall("defs"), *inner])
        _tidy(page)
        letter_texts(page)
        yield page, float(inner.get("viewBox", "").split()[3])


def _loaded(source: str, index: int, zoom: int, where: str, **more: Any) -> verovio.toolkit:
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(
        {
            "scale": zoom,
            "pageWidth": 100 * WIDTH // zoom,
            "pageHeight": _TALLEST_PAGE,
            "adjustPageHeight": True,
            "pageMarginTop": 0,
            "pageMarginBottom": 0,
            "pageMarginLeft": round(100 * _MARGIN / zoom),
            "pageMarginRight": round(100 * _MARGIN / zoom),
            "header": "none",
            "footer": "none",
            "svgRemoveXlink": True,
            # Else ids are drawn by chance; from the content, so that two pictures on one
            # web page do not share them.
            "xmlIdSeed": 1 + (zlib.crc32(source.encode()) + index) % 0x7FFF_FFFE,
            **more,
        }
    )
    if not toolkit.loadData(source):
        raise InputError("the score could not be engraved", where=where)
    return toolkit


def _bars_a_system(toolkit: verovio.toolkit, pickups: int) -> int:
    """8, 4, 2 or 1: the most bars that each full system holds; 0 if all are on one."""
    counts = []
    for number in range(1, toolkit.getPageCount() + 1):
        root = ET.fromstring(re.sub(r' xmlns="[^"]*"', "", toolkit.renderToSVG(number)))
        systems = root.iterfind(".//g[@class='system']")
        counts += [len(s.findall(".//g[@class='measure']")) for s in systems]
    if len(counts) < 2:
        return 0
    full = min([counts[0] - pickups, *counts[1:-1]])
    return next((bars for bars in (8, 4, 2) if bars <= full), 1)


def _broken(score: str, pickups: int, bars: int) -> str:
    """MusicXML with a break after every so many bars; a pickup stands before the first."""
    root = ET.fromstring(score)
    for i, measure in enumerate(root.iter("measure")):
        if i > pickups and (i - pickups) % bars == 0:
            measure.insert(0, ET.Element("print", {"new-system": "yes"}))
    return ET.tostring(root, encoding="unicode")


def _simplified(score: bytes) -> str:
    """MusicXML without the degrees of chords, which verovio would show beside their text."""
    root = ET.fromstring(score)
    for harmony in root.iter("harmony"):
        kind = harmony.find("kind")
        if kind is not None and kind.get("text") is not None:
            for degree in harmony.findall("degree"):
                harmony.remove(degree)
    return ET.tostring(root, encoding="unicode")


def _side_by_side(chords: Sequence[Chord]) -> tuple[Chord, ...]:
    """Chords of one tick as one symbol, since verovio would draw them over each other.

    Lead sheets often write both chords of a bar before its one note.
    """
    return tuple(
        Chord(tick, "  ".join(chord.symbol for chord in together))
        for tick, together in groupby(chords, lambda chord: chord.tick)
    )


def _tidy(element: ET.Element) -> None:
    """Take out what draws nothing: placeholders, and the blanks between elements."""
    element.text = element.text if element.tag in ("tspan", "title") else None
    for child in list(element):
        child.tail = None
        if "placeholder" in child.get("class", "").split():
            element.remove(child)
        else:
            _tidy(child)
