"""Chord symbols as MusicXML's <harmony> elements, both ways."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import NamedTuple

from tunesmith.formats.xmlparts import alter_of, number, step_of, sub

_KINDS = {
    "major": ("", "maj", "M"),
    "minor": ("m", "min", "-"),
    "augmented": ("+", "aug"),
    "diminished": ("dim", "o", "°"),
    "dominant": ("7", "dom7"),
    "major-seventh": ("maj7", "M7", "Δ", "Δ7", "ma7"),
    "minor-seventh": ("m7", "min7", "-7"),
    "diminished-seventh": ("dim7", "o7", "°7"),
    "augmented-seventh": ("+7", "aug7", "7+"),
    "half-diminished": ("m7b5", "ø", "ø7"),
    "major-minor": ("m(maj7)", "mM7", "m(M7)", "mmaj7"),
    "major-sixth": ("6", "maj6"),
    "minor-sixth": ("m6", "min6"),
    "dominant-ninth": ("9",),
    "major-ninth": ("maj9", "M9"),
    "minor-ninth": ("m9", "min9"),
    "dominant-11th": ("11",),
    "major-11th": ("maj11",),
    "minor-11th": ("m11",),
    "dominant-13th": ("13",),
    "major-13th": ("maj13",),
    "minor-13th": ("m13",),
    "suspended-second": ("sus2",),
    "suspended-fourth": ("sus4", "sus"),
    "power": ("5",),
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}
_LONGEST_FIRST = sorted(_KIND_OF, key=len, reverse=True)
_SYMBOL = re.compile(r"([A-G](?:##|#|bb|b|))(.*?)(?:/([A-G](?:##|#|bb|b|)))?", re.DOTALL)
_DEGREE = re.compile(r"(add|no|)([b#]?)(1[0-3]|[1-9])")
NO_CHORD = "N.C."


class _Degree(NamedTuple):
    """A changed chord tone: 'b9' is (9, -1, 'add'), 'no3' is (3, 0, 'subtract')."""

    value: int
    alter: int
    kind: str  # 'add', 'alter' or 'subtract'

    def __str__(self) -> str:
        sign = {-1: "b", 0: "", 1: "#"}[self.alter]
        prefix = {"subtract": "no", "alter": ""}.get(self.kind, "" if self.alter else "add")
        return f"{prefix}{sign}{self.value}"


def _parse(suffix: str) -> tuple[str, tuple[_Degree, ...]] | None:
    """What stands after the root as MusicXML's kind and degrees, or None if not understood."""
    if suffix in _KIND_OF:
        return _KIND_OF[suffix], ()
    for name in _LONGEST_FIRST:
        if suffix.startswith(name):
            degrees = _parse_degrees(suffix[len(name) :])
            if degrees is not None:
                return _KIND_OF[name], degrees
    return None


def _parse_degrees(text: str) -> tuple[_Degree, ...] | None:
    text = re.sub(r"[(),\s]", "", text)
    found = []
    at = 0
    while at < len(text):
        match = _DEGREE.match(text, at)
        if not match or not (match[1] or match[2]):
            return None
        value, alter = int(match[3]), {"b": -1, "": 0, "#": 1}[match[2]]
        kind = "subtract" if match[1] == "no" else "add" if match[1] or value > 7 else "alter"
        found.append(_Degree(value, alter, kind))
        at = match.end()
    return tuple(found)


def write_harmony(parent: ET.Element, symbol: str, offset: int) -> None:
    """Append a chord symbol, `offset` ticks after the place where it stands in the bar."""
    harmony = sub(parent, "harmony")
    match = _SYMBOL.fullmatch(symbol)
    if symbol == NO_CHORD or not match:
        # There is no harmony without a root: one that shows nothing stands in for it.
        root = sub(harmony, "root")
        sub(root, "root-step", "C", text="")
        kind = "none" if symbol == NO_CHORD else "other"
        sub(harmony, "kind", kind, text=symbol)
    else:
        parsed = _parse(match[2])
        _write_tone(harmony, "root", match[1])
        sub(harmony, "kind", parsed[0] if parsed else "other", text=match[2])
        if match[3]:
            _write_tone(harmony, "bass", match[3])
        for degree in parsed[1] if parsed else ():
            element = sub(harmony, "degree", **{"print-object": "no"})
            sub(element, "degree-value", str(degree.value))
            sub(element, "degree-alter", str(degree.alter))
            sub(element, "degree-type", degree.kind)
    if offset:
        sub(harmony, "offset", str(offset))


def _write_tone(harmony: ET.Element, what: str, name: str) -> None:
    element = sub(harmony, what)
    sub(element, f"{what}-step", name[0])
    if len(name) > 1:
        sub(element, f"{what}-alter", str(alter_of(name)))


def read_harmony(harmony: ET.Element) -> str | None:
    """The symbol of a <harmony> element, or None if it has no root or is not understood.

    The symbol it shows is taken where it says the same as its kind and degrees.
    """
    kind = harmony.find("kind")
    value = (kind.text or "").strip() if kind is not None else ""
    shown = kind.get("text", "") if kind is not None else ""
    step = harmony.find("root/root-step")
    if value == "none":
        return NO_CHORD
    if step is not None and step.get("text") == "" and value == "other" and shown:
        return shown
    root = _read_tone(harmony, "root")
    if root is None:
        return None
    degrees = tuple(d for e in harmony.findall("degree") if (d := _read_degree(e)))
    suffix = _suffix(value, shown, degrees)
    bass = _read_tone(harmony, "bass")
    return None if suffix is None else root + suffix + (f"/{bass}" if bass else "")


def _suffix(kind: str, shown: str, degrees: tuple[_Degree, ...]) -> str | None:
    shown = " ".join(shown.split())
    if kind in ("other", ""):
        return shown
    if _parse(shown) == (kind, degrees):
        return shown
    if kind not in _KINDS:
        return shown or None
    return _KINDS[kind][0] + "".join(map(str, degrees))


def _read_tone(harmony: ET.Element, what: str) -> str | None:
    element = harmony.find(what)
    return None if element is None else step_of(element, f"{what}-step", f"{what}-alter")


def _read_degree(element: ET.Element) -> _Degree | None:
    value, alter = number(element, "degree-value"), number(element, "degree-alter") or 0
    if value is None or alter not in (-1, 0, 1):
        return None
    kind = element.findtext("degree-type", "add").strip()
    return _Degree(int(value), int(alter), kind)
