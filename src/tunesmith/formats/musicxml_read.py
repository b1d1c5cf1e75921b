"""Reading MusicXML: which part is the melody, and what it is called."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from dataclasses import replace

from tunesmith.errors import InputError, TunesmithError
from tunesmith.formats.barring import assemble
from tunesmith.formats.musicxml_open import open_score
from tunesmith.formats.musicxml_part import PartReader, read_tempo
from tunesmith.formats.reading import Reading
from tunesmith.melody import Key, Melody

_MELODY_NAMES = re.compile(
    r"melod|voice|vocal|voc\b|sing|sang|solo|lead|sopran|tenor|alt[ou]?\b|mezzo|bariton|bass\b"
    r"|canto|voix|chant|stimme|voz|man\b|woman|frau|mann|mädchen",
    re.IGNORECASE,
)


def scan(data: bytes, where: str) -> list[Reading]:
    """Read the melody of a .musicxml, .xml or .mxl file.

    Of several parts the one with lyrics is the melody, else the one named as a
    voice, else the only one with notes; of several voices in it, the one with
    the most notes. Repeats are played out; D.C. and D.S. are not. Pitches are as
    they sound.

    Args:
        data: the file's bytes.
        where: what to call it in errors.

    Returns:
        One reading; what is wrong with the file is in it, never raised.
    """
    remarks: Counter[str] = Counter()
    try:
        melody = _read_score(open_score(data, remarks), where, remarks)
    except TunesmithError as e:
        return [Reading(where, error=e.at(where))]
    return [Reading(where, melody, remarks=dict(remarks))]


def _read_score(score: ET.Element, where: str, remarks: Counter[str]) -> Melody:
    measures = _melody_part(score, remarks)
    reader = PartReader(remarks)
    for i, measure in enumerate(measures):
        reader.read_measure(measure, i)
    bars = reader.bars_of_melody()
    melody, mended = assemble(
        bars,
        key=reader.key,
        tempo=reader.tempo or _tempo_of_score(score),
        title=_title(score),
        origin=where,
    )
    remarks.update(mended)
    if reader.key and reader.mode_is_missing:
        melody = _guess_mode(melody)
    return melody.transpose(reader.transposition or 0)


def _guess_mode(melody: Melody) -> Melody:
    """Choose major or minor for a signature without a mode: minor if the tune ends on its tonic."""
    assert melody.key
    minor = Key.from_signature(melody.key.sharps, "minor")
    ends_minor = melody.pitches[-1] % 12 == minor.pitch_class
    return replace(melody, key=minor if ends_minor else melody.key, key_is_estimated=True)


def _title(score: ET.Element) -> str:
    """The movement's title, else the work's, else the one printed on the page."""
    for path in ("movement-title", "work/work-title"):
        if title := " ".join(score.findtext(path, "").split()):
            return title
    for credit in score.findall("credit"):
        if credit.findtext("credit-type", "").strip() == "title":
            return " ".join(credit.findtext("credit-words", "").split())
    return ""


def _tempo_of_score(score: ET.Element) -> float | None:
    """The first tempo of any part."""
    for element in score.iter():
        if element.tag in ("direction", "sound") and (tempo := read_tempo(element)):
            return tempo
    return None


def _melody_part(score: ET.Element, remarks: Counter[str]) -> list[ET.Element]:
    """The measures of the part that is the melody.

    Raises:
        InputError: if none stands out; it lists the parts.
    """
    names = {p.get("id", ""): _part_name(p) for p in score.findall("part-list/score-part")}
    parts: dict[str, list[ET.Element]] = defaultdict(list)
    if score.tag == "score-partwise":
        for part in score.findall("part"):
            parts[part.get("id", "")] += part.findall("measure")
    else:
        for measure in score.findall("measure"):
            for part in measure.findall("part"):
                parts[part.get("id", "")].append(part)
    notes = {i: _count(measures, "note/pitch") for i, measures in parts.items()}
    sounding = [i for i in parts if notes[i]]
    if not sounding:
        raise InputError("no notes", remedy="give a score with a melody")
    lyrics = {i: _count(parts[i], "note/lyric") for i in sounding}
    sung = [i for i in sounding if 2 * lyrics[i] >= max(lyrics.values()) > 0]
    named = [i for i in sounding if _MELODY_NAMES.search(names.get(i, ""))]
    candidates = sung or named or (sounding if len(sounding) == 1 else [])
    if not candidates:
        shown = ", ".join(names.get(i) or i or "?" for i in sounding[:8])
        more = f" and {len(sounding) - 8} more" if len(sounding) > 8 else ""
        raise InputError(
            f"{len(sounding)} parts and no sign which is the melody: {shown}{more}",
            remedy="export the melody's part alone, or name it Voice",
        )
    if len(sounding) > 1:
        remarks["other parts dropped"] += len(sounding) - 1
    if len(sung) > 1:
        remarks["of several sung parts the first taken"] += 1
    return parts[candidates[0]]


def _part_name(part: ET.Element) -> str:
    paths = ("part-name", "score-instrument/instrument-name")
    return " ".join(" ".join(part.findtext(p, "") for p in paths).split())


def _count(measures: list[ET.Element], path: str) -> int:
    return sum(len(m.findall(path)) for m in measures)
