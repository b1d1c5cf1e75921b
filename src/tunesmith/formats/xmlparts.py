"""Small things that the MusicXML reader and writer share."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from fractions import Fraction

_NUMBER = re.compile(r"[+-]?\d{1,9}(\.\d{1,6})?")


def sub(parent: ET.Element, tag: str, content: str | None = None, **attributes: str) -> ET.Element:
    """Append an element, with text if given."""
    element = ET.SubElement(parent, tag, attributes)
    element.text = content
    return element


def number(parent: ET.Element, path: str) -> Fraction | None:
    """The number in a child element; None if there is no such child or no number in it."""
    return parse_number(parent.findtext(path))


def parse_number(text: str | None) -> Fraction | None:
    """A decimal number of modest size, or None."""
    text = (text or "").strip()
    return Fraction(text) if _NUMBER.fullmatch(text) else None


def alter_of(name: str) -> int:
    """Semitones by which a note name is raised: 'F#' 1, 'Bb' -1."""
    return name.count("#") - name[1:].count("b")


def step_of(element: ET.Element, step: str, alter: str) -> str | None:
    """A note name of a step and an alter element; None if it is none with up to two accidentals."""
    letter = element.findtext(step, "").strip()
    semitones = number(element, alter) or Fraction(0)
    if letter not in set("ABCDEFG") or semitones not in (-2, -1, 0, 1, 2):
        return None
    return letter + ("#" * int(semitones) if semitones > 0 else "b" * -int(semitones))
