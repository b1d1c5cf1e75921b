"""Every remark that a reader counts: whether the tune is other than written, and what to do."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """What a remark says.

    Attributes:
        is_mended: whether notes, their times or order, bars or chord symbols of the melody
            were changed, guessed or lost; else only what a melody does not hold was left out.
        meaning: what happened.
        remedy: what to do about it; '' where nothing need be.
    """

    is_mended: bool
    meaning: str
    remedy: str = ""


def _kept(meaning: str, remedy: str = "") -> Meaning:
    return Meaning(False, meaning, remedy)


def _mended(meaning: str, remedy: str) -> Meaning:
    return Meaning(True, meaning, remedy)


_JUMPS = _mended("The jump back is not played.", "write the repeated bars out if you want them")
_TRACK = "give --track if another is the melody"
_VOICES = _kept("Only one voice is the melody.", "put another voice into a file of its own")
_UNEVEN = _mended("The chord symbols of one note are spread over it.", "check where they stand")

REMARKS = {
    # bars, times and order
    "bars of irregular length": _mended(
        "The bar does not sum to its metre; it got a metre of its own.",
        "look there for a missing barline, a note too many or a wrong length",
    ),
    "repeats of more than 16 times cut": _mended(
        "The passage is played 16 times.", "write it out if it is played more often"
    ),
    "ties that lead to no equal note": _mended(
        "The tie was dropped.", "make the next note the same pitch, or a slur of the tie"
    ),
    "metre derived from the bars": _mended(
        "No metre is named; the commonest length of a bar is taken.", "name the metre"
    ),
    "measures without a metre": _mended(
        "No metre is named; the likeliest is taken.", "add a time signature"
    ),
    "passages without metre": _mended(
        "Senza misura: the metre before holds on.", "add a time signature"
    ),
    "metre missing, 4/4 taken": _mended(
        "MIDI's default metre is taken.", "add a time signature if it is another"
    ),
    "metre changes moved to the barline": _mended(
        "A metre change inside a bar waits for its end.", "move it to a barline"
    ),
    "metre changes of a played file left out": _mended(
        "The beats were found anew; only the first metre holds.", "check the bars"
    ),
    "empty bars at the start dropped": _mended(
        "The melody starts at its first bar with a note.", "nothing, unless you count from there"
    ),
    "measures with wrong rests mended": _mended(
        "The rests last what they show, so that the bar is full.", "check the rests there"
    ),
    "endings lengthened to their repeat sign": _mended(
        "A first ending lasts to its repeat sign.", "draw its bracket to the sign"
    ),
    "order of parts not followed": _mended(
        "The parts are played as they stand.", "write them out in the order of P:"
    ),
    "order of sections not followed": _mended(
        "The sections are played as they stand.", "correct the expansion list"
    ),
    "da capo or dal segno not followed": _JUMPS,
    "D.C. or D.S. not followed": _JUMPS,
    "broken rhythms without a second note": _mended(
        "A > or < at the end changed one note only.", "add the note, or take the sign away"
    ),
    # signs
    "characters passed over": _mended(
        "A sign that means nothing was passed over; a third refuses the tune.", "correct it"
    ),
    "letters that mean nothing passed over": _mended(
        "Letters that are neither notes nor decorations: often words, of which a to g are "
        "then read as notes.",
        "put words on a line w: or between double quotes",
    ),
    "lines after the end of the tune passed over": _mended(
        "An empty line ends a tune.", "take the empty line away if the music goes on"
    ),
    "header lines passed over": _mended(
        "A line before K: is no field; if it is music, it is lost.", "put K: before the music"
    ),
    "lines outside the spines passed over": _mended(
        "Lines that belong to no spine.", "check that the spines start and end where they should"
    ),
    "spines without an end": _mended("The file may be cut short.", "end each spine with *-"),
    "remains of mail encoding mended": _mended(
        "Signs such as =20 that mail programs leave were removed.", "check that line"
    ),
    # pitch
    "octave or transposition of a K: field not followed": _mended(
        "The notes are read as written.", "transpose the melody if it is to sound so"
    ),
    "microtones rounded": _mended("Quarter tones go to the nearest semitone.", "check these notes"),
    "notes without pitch dropped": _mended(
        "Percussion has no pitch.", "give the notes a pitch if they have one"
    ),
    # lengths and overlaps
    "notes rounded to the tick": _kept("Moved by at most half a tick, 1/960 of a quarter."),
    "notes shorter than a tick dropped": _mended(
        "Shorter than 1/480 of a quarter.", "check the lengths, or export again"
    ),
    "notes of no length dropped": _mended("They begin and end at once.", "export the file again"),
    "notes without length dropped": _mended("Their duration is 0.", "export the file again"),
    "notes without an end": _mended(
        "They last until the next note or the end of the track.", "check the last notes"
    ),
    "ends of no note ignored": _kept("Note-offs without a note."),
    "ends shortened on export moved back": _mended(
        "Notation programs end notes early; they got their written lengths.",
        "nothing, unless the gaps were meant",
    ),
    "duplicated notes dropped": _kept("The same note twice at once sounds once."),
    "overlaps cut": _mended("A note that hangs over ends where the next begins.", "nothing"),
    "overlapping notes cut": _mended(
        "A note ends where the next of the voice begins.", "check the voices of that measure"
    ),
    "notes cut by a higher one": _mended("The highest note is the melody's.", _TRACK),
    "notes under a higher one left out": _mended("The highest note is the melody's.", _TRACK),
    "notes moved to the beat": _mended(
        "A played file was moved to its beats.", "check the rhythm in `tunesmith convert` to .svg"
    ),
    "tempo and beats estimated": _mended(
        "The file's own beats do not fit its notes.", "check the rhythm and the tempo"
    ),
    # chords
    "chord symbols not understood": _mended("They are lost.", "write them as Am7 or G7/B"),
    "chord symbols placed evenly within a note": _UNEVEN,
    # what a melody does not hold
    "grace notes dropped": _kept("A melody holds no ornaments."),
    "cue notes dropped": _kept("They belong to another part."),
    "notes below the top of a chord dropped": _kept("The top note is the melody's."),
    "lower notes of chords dropped": _kept("The top note is the melody's."),
    "notes of other voices dropped": _VOICES,
    "notes in other voices dropped": _VOICES,
    "notes of other tracks left out": _kept("One track is the melody.", _TRACK),
    "other parts dropped": _kept("One part is the melody.", _TRACK),
    "other spines dropped": _VOICES,
    "of several sung parts the first taken": _kept("Several have lyrics.", _TRACK),
    "drum notes left out": _kept("Drums have no melody."),
    "key changes not kept": _kept("The notes are right; only the first key is named."),
    "key changes dropped": _kept("The notes are right; only the first key is named."),
    "key changes left out": _kept("The notes are right; only the first key is named."),
    "unusual key signatures dropped": _kept("The notes are right; the key is unknown."),
    "key signatures without sense ignored": _kept("The key is unknown, the notes are right."),
    "a lone C major signature not believed": _kept(
        "Programs write it unasked; the key is estimated when one is needed."
    ),
    "tempo changes dropped": _kept("A melody has one tempo."),
    "tempo changes left out": _kept("A melody has one tempo."),
    "tempo without a number passed over": _kept("Words for a tempo.", "write Q:1/4=120"),
    "tempos without sense ignored": _kept("Outside 1 to 2,000 quarters a minute."),
    # the file
    "broken meta events ignored": _kept("Text, tempo or signatures that make no sense."),
    "bytes after the last track ignored": _kept("They are no track."),
    "tracks without an end mark": _mended("The file may be cut short.", "get the file again"),
    "wrong path in the container mended": _kept("The score was found by looking for it."),
}
"""By the phrase that is counted."""


def table() -> str:
    """The remarks as a table in Markdown, as it stands in the documentation."""
    rows = ["| remark | verdict | what it means | what to do |", "|---|---|---|---|"]
    rows += [
        f"| {phrase} | {'mended' if m.is_mended else 'kept'} | {m.meaning} | {m.remedy} |"
        for phrase, m in sorted(REMARKS.items(), key=lambda item: item[0].lower())
    ]
    return "\n".join(rows)
