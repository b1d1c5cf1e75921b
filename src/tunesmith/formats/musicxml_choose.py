"""Which part of a MusicXML score is the melody."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from fractions import Fraction

from tunesmith.errors import InputError
from tunesmith.formats.tracks import AUTO, SKYLINE, Part, pick
from tunesmith.formats.xmlparts import number
from tunesmith.melody import TICKS_PER_QUARTER

_MELODY_NAMES = re.compile(
    r"melod|voice|vocal|voc\b|sing|sang|solo|lead|sopran|tenor|alt[ou]?\b|mezzo|bariton|bass\b"
    r"|canto|voix|chant|stimme|voz|man\b|woman|frau|mann|mädchen",
    re.IGNORECASE,
)
_PITCHES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def melody_part(
    score: ET.Element, track: str, remarks: Counter[str]
) -> tuple[list[ET.Element], tuple[str, ...]]:
    """The measures of the part that is the melody, and in words which it is if it was asked for.

    For 'auto' it is the part with lyrics, else the one named as a voice, else the only
    one with notes, else the one that the notes of all show (see `tracks`).

    Args:
        score: its root.
        track: 'auto', a number as listed, or a piece of a name.
        remarks: counts the parts left out.

    Raises:
        InputError: if none is the one asked for or stands out; it lists the parts.
    """
    names = {p.get("id", ""): _part_name(p) for p in score.findall("part-list/score-part")}
    parts = _measures(score)
    sounding = [i for i, measures in parts.items() if _count(measures, "note/pitch")]
    if not sounding:
        raise InputError("no notes", remedy="give a score with a melody")
    if track == SKYLINE and len(sounding) > 1:
        raise InputError(
            "the skyline is read from MIDI, not from the parts of a score",
            remedy="give --track N or NAME, or export it as MIDI",
        )
    if len(sounding) > 1:
        remarks["other parts dropped"] += len(sounding) - 1
    lyrics = {i: _count(parts[i], "note/lyric") for i in sounding}
    sung = [i for i in sounding if 2 * lyrics[i] >= max(lyrics.values()) > 0]
    named = [i for i in sounding if _MELODY_NAMES.search(names.get(i, ""))]
    if track in (AUTO, SKYLINE) and (sung or named or len(sounding) == 1):
        if len(sung) > 1:
            remarks["of several sung parts the first taken"] += 1
        return parts[(sung or named or sounding)[0]], ()
    found = [
        Part(place, names.get(i) or i, _sounds(parts[i]), TICKS_PER_QUARTER)
        for place, i in enumerate(sounding, 1)
    ]
    with_length = [p for p in found if p.sounds]
    if not with_length:
        raise InputError("no notes with a length", remedy="give a score with a melody")
    part = pick(with_length, track)
    detail = f"of {len(found)} parts taken: {part}"
    return parts[sounding[part.number - 1]], (detail,)


def _measures(score: ET.Element) -> dict[str, list[ET.Element]]:
    """The measures of each part, by its id."""
    parts: dict[str, list[ET.Element]] = defaultdict(list)
    if score.tag == "score-partwise":
        for part in score.findall("part"):
            parts[part.get("id", "")] += part.findall("measure")
    else:
        for measure in score.findall("measure"):
            for part in measure.findall("part"):
                parts[part.get("id", "")].append(part)
    return parts


def _sounds(measures: list[ET.Element]) -> list[tuple[int, int, int]]:
    """All notes of a part in ticks, as written; ties and transposition do not matter here.

    What makes no sense is passed over: reading the part will name it.
    """
    sounds: list[tuple[int, int, int]] = []
    divisions, begin = Fraction(1), Fraction(0)
    for measure in measures:
        at = onset = end = Fraction(0)
        for element in measure:
            said = number(element, "divisions")
            divisions = said if said and said > 0 else divisions
            length = max(number(element, "duration") or Fraction(0), Fraction(0)) / divisions
            if element.tag == "backup":
                at = max(Fraction(0), at - length)
            elif element.tag == "forward":
                at += length
            elif element.tag == "note" and element.find("grace") is None:
                if element.find("chord") is None:
                    onset, at = at, at + length
                step = _PITCHES.get(element.findtext("pitch/step", "").strip())
                octave = number(element, "pitch/octave")
                if step is not None and octave is not None and length:
                    a, b = (int((begin + t) * TICKS_PER_QUARTER) for t in (onset, onset + length))
                    sounds.append((a, max(b, a + 1), step + 12 * (int(octave) + 1)))
            end = max(end, at)
        begin += end
    return sorted(sounds)


def _part_name(part: ET.Element) -> str:
    paths = ("part-name", "score-instrument/instrument-name")
    return " ".join(" ".join(part.findtext(p, "") for p in paths).split())


def _count(measures: list[ET.Element], path: str) -> int:
    return sum(len(m.findall(path)) for m in measures)
