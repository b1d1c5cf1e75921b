"""Several melodies on one page, as SVG and as PNG."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunesmith.errors import UsageError
from tunesmith.files import write_atomically
from tunesmith.melody import Melody
from tunesmith.render.lettering import width_of
from tunesmith.render.svg import WIDTH, engrave, line_of_text, one_line, rasterised

MOST = 8
"""Melodies on a page."""
HEIGHT = 1336
"""Pixels that a page is high at most, which is as A4 to `svg.WIDTH`, at scale 1."""
ZOOMS = (40, 32, 26)
"""Sizes of the staves, 28 to 18 pixels high; the largest at which all fit is taken."""

_MARGIN, _SIDE = 26.0, 20.0  # pixels above and below; at both sides
_GAP = 20.0  # between melodies
_TITLE, _SMALL = 15.0, 11.0  # font sizes
_GREY = "#444444"


@dataclass(frozen=True)
class _Drawn:
    """A melody, engraved: its parts below each other, each with its height in pixels."""

    title: str
    caption: str
    parts: tuple[tuple[ET.Element, float], ...]
    scale: float

    @property
    def has_two_lines(self) -> bool:
        """Whether title and caption are too long to stand beside each other."""
        width = width_of(self.title, _TITLE) + width_of(self.caption, _SMALL) + 20
        return bool(self.title and self.caption) and width > WIDTH - 2 * _SIDE

    @property
    def head(self) -> float:
        """Pixels of title and caption."""
        if not self.title and not self.caption:
            return 0.0
        return 1.4 * _TITLE + 1.4 * _SMALL * self.has_two_lines

    @property
    def height(self) -> float:
        """Pixels of all."""
        return self.head + sum(height for _, height in self.parts)


def draw_sheet(
    melodies: Sequence[Melody], captions: Sequence[str] = ()
) -> list[tuple[ET.Element, int]]:
    """Pages of up to 8 melodies as <svg> elements, each with its height in pixels.

    Each melody stands below its number and title, with its caption at the right, in systems of
    equally many bars. The staves are as large as they can be for as few pages as there can be;
    where even the smallest do not fit, there are more pages, and a melody that is higher than a
    page has a higher one to itself. Pages are `svg.WIDTH` wide and as high as what is on them.

    Args:
        melodies: what to draw.
        captions: one line for each, or none at all.

    Raises:
        UsageError: if there are no melodies, or captions are not as many.
        InputError: if notation cannot spell one.
    """
    if not melodies:
        raise UsageError("no melodies to draw")
    if captions and len(captions) != len(melodies):
        raise UsageError(f"{len(captions)} captions for {len(melodies)} melodies")
    captions = captions or [""] * len(melodies)
    fewest = -(-len(melodies) // MOST)
    pages: list[list[_Drawn]] = []
    for zoom in ZOOMS:
        drawn = [
            _engraved(m, i, one_line(c), zoom)
            for i, (m, c) in enumerate(zip(melodies, captions, strict=True))
        ]
        pages = _paged(drawn)
        if len(pages) == fewest and all(_height(page) <= HEIGHT for page in pages):
            break
    return [_page(page) for page in pages]


def write_sheet(
    melodies: Sequence[Melody],
    path: str | Path,
    captions: Sequence[str] = (),
    *,
    scale: float = 2.0,
) -> list[Path]:
    """Draw melodies on as few pages as there can be and write each page as SVG and as PNG.

    Args:
        melodies: what to draw, 8 to a page.
        path: where, without an ending or with one that is not looked at: 'best' gives best.svg
            and best.png; of several pages, best-1.svg, best-1.png, best-2.svg and so on.
        captions: a line for each melody, beside its title; or none.
        scale: pixels of the PNG to one of the SVG's, 0.1 to 10.

    Returns:
        The files, all SVG first. What stood there before is replaced.

    Raises:
        UsageError: as `draw_sheet`; a scale outside its range.
        InputError: if notation cannot spell a melody.
        OutputError: if a file cannot be written.
    """
    stem = Path(path)
    if stem.suffix in (".svg", ".png"):
        stem = stem.with_suffix("")
    pages = draw_sheet(melodies, captions)
    names = [stem.name + (f"-{n}" if len(pages) > 1 else "") for n in range(1, len(pages) + 1)]
    files = [
        (stem.with_name(f"{name}.svg"), ET.tostring(page))
        for name, (page, _) in zip(names, pages, strict=True)
    ]
    files += [
        (stem.with_name(f"{name}.png"), rasterised(page, height, scale))
        for name, (page, height) in zip(names, pages, strict=True)
    ]
    for file, data in files:
        write_atomically(file, data)
    return [file for file, _ in files]


def _engraved(melody: Melody, index: int, caption: str, zoom: int) -> _Drawn:
    unit = zoom / 1000
    parts = tuple((page, height * unit) for page, height in engrave(melody, index, zoom, even=True))
    title = f"{index + 1}. {one_line(melody.title)}".removesuffix(" ")
    return _Drawn(title, caption, parts, unit)


def _paged(drawn: Sequence[_Drawn]) -> list[list[_Drawn]]:
    """As many on each page as fit, at most 8 and at least one."""
    pages: list[list[_Drawn]] = []
    for one in drawn:
        if not pages or len(pages[-1]) == MOST or _height([*pages[-1], one]) > HEIGHT:
            pages.append([])
        pages[-1].append(one)
    return pages


def _height(page: Sequence[_Drawn]) -> float:
    return 2 * _MARGIN + sum(one.height for one in page) + _GAP * (len(page) - 1)


def _page(page: Sequence[_Drawn]) -> tuple[ET.Element, int]:
    height = round(_height(page))
    picture = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img"})
    picture.set("width", str(WIDTH))
    picture.set("height", str(height))
    picture.set("viewBox", f"0 0 {WIDTH} {height}")
    ET.SubElement(picture, "title").text = "; ".join(one.title for one in page)
    ET.SubElement(picture, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    y = _MARGIN
    for one in page:
        _draw_head(picture, one, y)
        y += one.head
        for part, part_height in one.parts:
            part.set("transform", f"translate(0,{y:g}) scale({one.scale:g})")
            picture.append(part)
            y += part_height
        y += _GAP
    return picture, height


def _draw_head(picture: ET.Element, one: _Drawn, y: float) -> None:
    y += _TITLE
    room = WIDTH - 2 * _SIDE
    size = min(_TITLE, _TITLE * room / max(1.0, width_of(one.title, _TITLE)))
    picture.append(line_of_text(one.title, _SIDE, y, size, bold=True))
    if one.caption:
        size = min(_SMALL, _SMALL * room / max(1.0, width_of(one.caption, _SMALL)))
        x, anchor = (_SIDE, "start") if one.has_two_lines else (WIDTH - _SIDE, "end")
        y += 1.4 * _SMALL * one.has_two_lines
        picture.append(line_of_text(one.caption, x, y, size, anchor, colour=_GREY))
