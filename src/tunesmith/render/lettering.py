"""Text as paths: letters from our own alphabet, musical signs from verovio's.

A picture whose text is paths looks the same everywhere, also where there are no fonts.
"""

from __future__ import annotations

import re
import unicodedata
import xml.etree.ElementTree as ET
from functools import cache
from importlib.resources import files

from tunesmith.render.alphabet import ACCENTS, LETTERS

_SPACING = 18.0  # between two letters, in hundredths of the font size
_PEN, _BOLD_PEN = 8.5, 10.5
_SIGN_SIZE = 1000.0  # units of verovio's musical signs to the font size
_MUSIC_FONT = "Leipzig"
_SMUFL = {"♭": "\uea64", "♮": "\uea65", "♯": "\uea66"}
_SMUFL_SIZE = 16 / 9  # of such a sign among letters, as verovio sets it in chord symbols
_FLAT_DEGREE, _SHARP_DEGREE = re.compile(r"b(?=\d)"), re.compile(r"#(?=\d)")


class Lettering:
    """A line of text, made run by run from left to right.

    Attributes:
        width: of what has been set so far, in the units of the font sizes.
        is_complete: whether there was a letter or sign for every character.
    """

    def __init__(self, *, bold: bool = False) -> None:
        self.width = 0.0
        self.is_complete = True
        self._pen = _BOLD_PEN if bold else _PEN
        self._elements: list[ET.Element] = []

    def add(self, text: str, size: float) -> None:
        """Set letters of a font size; ♭, ♮ and ♯ become musical signs."""
        path, scale = "", size / 100
        start = self.width
        for character in _characters(text):
            if character in _SMUFL:
                self.add_signs(_SMUFL[character], size * _SMUFL_SIZE)
                continue
            base, accents = character[0], character[1:]
            if base not in LETTERS or any(a not in ACCENTS for a in accents):
                self.is_complete = False
                continue
            width, strokes = LETTERS[base]
            x = (self.width - start) / scale + _SPACING / 2
            path += _moved(strokes, x, 0)
            lift = 0 if base in "acegijmnopqrsuvwxyzıȷæœø" else -22
            for accent in accents:
                below = accent in "\u0327\u0328"
                path += _moved(ACCENTS[accent], x + width / 2, 0 if below else lift)
            self.width += (width + _SPACING) * scale
        if path:
            self._elements.append(
                ET.Element(
                    "path",
                    {
                        "d": path,
                        "transform": f"translate({start:g},0) scale({scale:g})",
                        "fill": "none",
                        "stroke": "currentColor",
                        "stroke-width": f"{self._pen:g}",
                        "stroke-linecap": "round",
                        "stroke-linejoin": "round",
                    },
                )
            )

    def add_signs(self, text: str, size: float) -> None:
        """Set musical signs, given by their SMuFL code points, of a font size."""
        scale = size / _SIGN_SIZE
        for sign in text:
            found = None if sign.isspace() else _sign(f"{ord(sign):04X}")
            if found:
                advance, path = found
                at = f"translate({self.width:g},0) scale({scale:g},{-scale:g})"
                self._elements.append(ET.Element("path", {"d": path, "transform": at}))
                self.width += advance * scale
            elif sign.isspace():
                self.width += 0.06 * size  # between a note and its dot
            else:
                self.is_complete = False

    def element(self, x: float, y: float, anchor: str = "start") -> ET.Element:
        """A <g> with the text, whose start, middle or end is at x and baseline at y."""
        x -= self.width * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
        group = ET.Element("g", {"transform": f"translate({x:g},{y:g})"})
        group.extend(self._elements)
        return group


def width_of(text: str, size: float) -> float:
    """How wide a text is at a font size; characters without a path count as an n."""
    width = 0.0
    for character in _characters(text):
        if character in _SMUFL:
            found = _sign(f"{ord(_SMUFL[character]):04X}")
            width += found[0] / _SIGN_SIZE * size * _SMUFL_SIZE if found else 0
        else:
            width += (LETTERS.get(character[0], LETTERS["n"])[0] + _SPACING) * size / 100
    return width


def _characters(text: str) -> list[str]:
    """The text's letters, each with its accents behind it."""
    characters: list[str] = []
    for character in unicodedata.normalize("NFD", text):
        if unicodedata.combining(character) and characters:
            base, accents = characters[-1][0], characters[-1][1:]
            if character not in "\u0327\u0328":
                base = {"i": "ı", "j": "ȷ"}.get(base, base)
            characters[-1] = base + accents + character
        else:
            characters.append(character)
    return characters


_PATH_PART = re.compile(r"([A-Z])([^A-Z]*)")


def _moved(path: str, dx: float, dy: float) -> str:
    """A path of absolute M, L, H, V, C, Q, A and Z, moved."""
    result = ""
    for command, numbers in _PATH_PART.findall(path):
        values = [float(n) for n in numbers.split()]
        if command == "H":
            values = [v + dx for v in values]
        elif command == "V":
            values = [v + dy for v in values]
        elif command == "A":
            values[-2:] = values[-2] + dx, values[-1] + dy
        else:
            values = [v + (dy if i % 2 else dx) for i, v in enumerate(values)]
        result += command + " ".join(f"{v:g}" for v in values)
    return result


@cache
def _sign(code: str) -> tuple[float, str] | None:
    """Advance and path, y up, of a musical sign in verovio's font, or None if it has none."""
    folder = files("verovio") / "data"
    file = folder / _MUSIC_FONT / f"{code}.xml"
    if code not in _advances() or not file.is_file():
        return None
    path = ET.fromstring(file.read_text(encoding="utf-8")).find("path")
    return None if path is None else (_advances()[code], path.get("d", ""))


@cache
def _advances() -> dict[str, float]:
    boxes = (files("verovio") / "data" / f"{_MUSIC_FONT}.xml").read_text(encoding="utf-8")
    return {g.get("c", ""): float(g.get("h-a-x", 0)) for g in ET.fromstring(boxes).iter("g")}


# -- text in an engraved page -------------------------------------------------------


FAMILIES = (
    "Times New Roman, Times, Liberation Serif, Noto Serif, Noto Serif CJK SC, Noto Sans CJK SC, "
    "DejaVu Serif, FreeSerif, Arial, Helvetica, Segoe UI, DejaVu Sans, Noto Sans, serif"
)
"""Fonts for what our alphabet cannot write; the first that the viewer has."""


_CHORD_SIZE = 0.88
"""Chord symbols to verovio's: our letters are wider than those by which it keeps them apart."""


def letter_texts(parent: ET.Element, *, bold: bool = False) -> None:
    """Put paths in the place of every <text> below an element of verovio's SVG.

    A text with a character that there is no path for stays as it is, for the
    viewer's fonts.
    """
    for i, child in enumerate(parent):
        is_bold = bold or "tempo" in child.get("class", "").split()
        is_chord = "harm" in parent.get("class", "").split()
        if child.tag != "text":
            letter_texts(child, bold=is_bold)
            continue
        line = Lettering(bold=is_bold)
        for run in child.iter("tspan"):
            if len(run) or not run.text:
                continue
            size = float(run.get("font-size", "405px").removesuffix("px"))
            if is_chord:
                size *= _CHORD_SIZE
            if run.get("font-family") == _MUSIC_FONT:
                line.add_signs(run.text, size)
            else:
                text = run.text
                if is_chord:
                    text = _SHARP_DEGREE.sub("♯", _FLAT_DEGREE.sub("♭", text))
                line.add(text, size)
        if line.is_complete:
            x, y = float(child.get("x", 0)), float(child.get("y", 0))
            parent[i] = line.element(x, y, child.get("text-anchor", "start"))
        else:
            child.set("stroke", "none")
