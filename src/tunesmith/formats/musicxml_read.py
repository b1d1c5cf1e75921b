"""Reading MusicXML: which part is the melody, and what it is called."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

from tunesmith.errors import TunesmithError
from tunesmith.formats.barring import assemble
from tunesmith.formats.musicxml_choose import melody_part
from tunesmith.formats.musicxml_open import open_score
from tunesmith.formats.musicxml_part import PartReader, read_tempo
from tunesmith.formats.reading import Reading, Remarks
from tunesmith.formats.tracks import AUTO
from tunesmith.melody import Key, Melody


def scan(data: bytes, where: str, track: str = AUTO) -> list[Reading]:
    """Read the melody of a .musicxml, .xml or .mxl file.

    Of several parts the one with lyrics is the melody, else the one named as a
    voice, else the only one with notes, else the one whose notes show it (see
    `musicxml_choose`), unless `track` says which; of several voices in it, the one with
    the most notes. Repeats are played out; D.C. and D.S. are not. Pitches are as
    they sound.

    Args:
        data: the file's bytes.
        where: what to call it in errors.
        track: which part: 'auto', a number as listed, or a piece of a name.

    Returns:
        One reading; what is wrong with the file is in it, never raised.
    """
    remarks = Remarks()
    try:
        score = open_score(data, remarks)
        measures, details = melody_part(score, track, remarks)
        melody = _read_score(score, measures, where, remarks)
    except TunesmithError as e:
        error = e.at(where)
        return [Reading(where, error=error, remarks=dict(remarks), places=remarks.places)]
    return [Reading(where, melody, remarks=dict(remarks), details=details, places=remarks.places)]


def _read_score(
    score: ET.Element, measures: list[ET.Element], where: str, remarks: Remarks
) -> Melody:
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
    remarks.merge(mended)
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
