"""Files made to take all memory or time that a reader has; some of them small."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

MB = 1024 * 1024
_NOTE = b"<note><pitch><step>C</step><octave>4</octave></pitch><duration>1</duration></note>"
_TIME = (
    b"<attributes><divisions>1</divisions><time><beats>4</beats><beat-type>4</beat-type></time>"
    b"</attributes>"
)


def score(measures: bytes, head: bytes = b"") -> bytes:
    """A MusicXML file with these measures."""
    return (
        b'<?xml version="1.0"?>' + head + b"<score-partwise><part-list>"
        b'<score-part id="P1"><part-name>Voice</part-name></score-part></part-list>'
        b'<part id="P1">' + measures + b"</part></score-partwise>"
    )


def midi(*tracks: bytes, claimed: int | None = None) -> bytes:
    """A MIDI file with these tracks."""
    count = len(tracks) if claimed is None else claimed
    chunks = b"".join(b"MTrk" + struct.pack(">I", len(t)) + t for t in tracks)
    return b"MThd" + struct.pack(">IHHH", 6, 1, count, 480) + chunks


def zeros_packed(path: Path, name: str, megabytes: int, claimed: int | None = None) -> None:
    """A zip whose one file unpacks to that many megabytes of spaces, its checksum right.

    Deflate may be cut at any full flush and glued, so that one megabyte packed is enough.
    """
    block = b" " * MB
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = piece * megabytes + b"\x03\x00"
    crc = 0
    for _ in range(megabytes):
        crc = zlib.crc32(block, crc)
    size = min(megabytes * MB if claimed is None else claimed, 2**32 - 2)
    encoded = name.encode()
    common = struct.pack("<HHHHIIIHH", 20, 0, 8, 0, crc, len(packed), size, len(encoded), 0)
    local = b"PK\x03\x04" + common + encoded + packed
    central = b"PK\x01\x02\x14\0" + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + encoded
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    path.write_bytes(local + central + end)


def make(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each bomb by name, written only when its turn comes."""

    def file(name: str, data: bytes) -> tuple[str, Path]:
        path = folder / f"bomb{name[name.rindex(' ') + 1 :]}"
        path.write_bytes(data)
        return name, path

    for name, measure in _archives():
        path = folder / "bomb.mxl"
        measure(path)
        yield name, path
    for name, make_data in (*_scores(), *_midis(), *_abcs(), *_others()):
        yield file(name, make_data())


def _archives() -> Iterator[tuple[str, Callable[[Path], None]]]:
    yield "10 GB unpacked .mxl", lambda p: zeros_packed(p, "score.xml", 10_240)
    yield "10 GB unpacked, 1 kB claimed .mxl", lambda p: zeros_packed(p, "s.xml", 10_240, 1000)
    yield "10 GB container.xml .mxl", lambda p: zeros_packed(p, "META-INF/container.xml", 10_240)

    def many(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for i in range(40):
                archive.writestr(f"{i}.xml", b" " * (15 * MB))

    def entries(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for i in range(60_000):
                archive.writestr(zipfile.ZipInfo(f"{i}.xml"), b"<x/>")

    def other_packing(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
            archive.writestr("score.xml", b" " * (256 * MB))

    def below_the_limit(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for i in range(1000):
                archive.writestr(f"{i}.xml", b" " * (5 * MB))

    yield "256 MB packed by bzip2 .mxl", other_packing
    yield "a thousand files of 5 MB .mxl", below_the_limit
    yield "forty files of 15 MB .mxl", many
    yield "60,000 files .mxl", entries


def _scores() -> Iterator[tuple[str, Callable[[], bytes]]]:
    laughs = b'<!DOCTYPE s [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY %c "%s">' % (c + 1, b"&%c;" % c * 10) for c in range(ord("a"), ord("l"))
    )
    bar = b"<measure>" + _TIME + _NOTE * 4
    yield "nested entities .musicxml", lambda: score(b"<measure>&l;</measure>", laughs + b"]>")
    outside = b'<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    yield "outside entity .musicxml", lambda: score(b"<measure>&a;</measure>", outside)
    yield "elements 1,000,000 deep .xml", lambda: score(b"<measure>" * 1_000_000)
    yield "elements 570,000 deep .xml", lambda: score(b"<measure>" * 570_000)
    yield "one measure of 5 MB .xml", lambda: score(bar + _NOTE * 62_000 + b"</measure>")
    yield "500,000 empty measures .xml", lambda: score(b"<measure/>" * 500_000)
    yield "300,000 deep, closed .xml", lambda: score(b"<x>" * 300_000 + b"</x>" * 300_000)
    yield "one measure of 12 MB .xml", lambda: score(bar + _NOTE * 150_000 + b"</measure>")
    yield "1,000,000 empty measures .xml", lambda: score(b"<measure/>" * 1_000_000)
    repeat = b'<barline><repeat direction="backward" times="999999999"/></barline></measure>'
    yield "a billion repeats .musicxml", lambda: score(bar + repeat)
    ending = b'<barline><ending number="1-999999999" type="start"/></barline></measure>'
    yield "a billion endings .musicxml", lambda: score(bar + ending + bar + repeat)
    long = _NOTE.replace(b">1<", b">999999999<")
    yield "a note of a billion quarters .musicxml", lambda: score(bar + long + b"</measure>")
    whole = (
        b"<attributes><time><beats>999999999</beats><beat-type>1</beat-type></time></attributes>"
    )
    yield (
        "a bar of a billion wholes .xml",
        lambda: score(b"<measure>" + whole + b"</measure><measure>" + _NOTE + b"</measure>"),
    )
    yield "a 100 MB attribute .xml", lambda: score(b'<measure number="%s"/>' % (b"1" * 100 * MB))


def _midis() -> Iterator[tuple[str, Callable[[], bytes]]]:
    notes = b"\0\x90\x3c\x40\x60\x3c\0"
    yield "65,535 tracks claimed .mid", lambda: midi(notes, claimed=65_535)
    yield "a million tracks .mid", lambda: midi(*[b"\0\xff\x2f\0"] * 1_000_000, claimed=65_535)
    yield "30,000 tracks of notes .mid", lambda: midi(*[b"\0\x90\x3c\x40\x60\x3c\0"] * 30_000)
    yield "two million notes .mid", lambda: midi(notes * 2_000_000)
    yield "two million notes at once .mid", lambda: midi(b"\0\x90\x3c\x40\0\x3e\x40" * 1_000_000)
    yield "a million metres .mid", lambda: midi(b"\x01\xff\x58\x02\x03\x02" * 1_000_000 + notes)
    yield "a million names .mid", lambda: midi(b"\0\xff\x03\x01a" * 1_000_000 + notes)
    yield "longest pauses .mid", lambda: midi(b"\xff\xff\xff\x7f\x90\x3c\x40" * 1000)
    yield (
        "1/64 bars for five hours .mid",
        lambda: midi(b"\0\xff\x58\x02\x01\x06" + b"\0\x90\x3c\x40" + b"\xff\xff\xff\x07\x3c\0"),
    )
    pitches = [bytes((i % 128,)) for i in range(98_000)]
    yield (
        "98,000 notes that sound on .mid",
        lambda: midi(
            notes * 100,
            b"".join(b"\x01\x90" + p + b"\x40" for p in pitches)
            + b"".join(b"\x01" + p + b"\0" for p in pitches),
        ),
    )
    yield "100 MB .mid", lambda: midi(b"\0\xb0\x01\x01" * (25 * MB))


def _abcs() -> Iterator[tuple[str, Callable[[], bytes]]]:
    head = b"X:1\nM:4/4\nL:1/4\nK:C\n"
    bar = b"|:CDEF:|"
    yield "a million repeats .abc", lambda: head + bar * 1_000_000
    yield "a million repeat dots .abc", lambda: head + b"|:CDEF" + b":" * 1_000_000 + b"|"
    yield (
        "a thousand turns of a thousand bars .abc",
        lambda: head + b"|:" + b"CDEF|" * 1000 + b"CDEF" + b":" * 999 + b"|",
    )
    yield "a million rests of 999 bars .abc", lambda: head + b"C4|" + b"Z999" * 1_000_000
    yield "broken rhythm without end .abc", lambda: head + b"C" + b">" * 1_000_000 + b"D"
    yield "a million slashes .abc", lambda: head + b"C" + b"/" * 1_000_000 + b"D"
    yield "a million octaves .abc", lambda: head + b"C" + b"'" * 1_000_000
    yield "gigantic tuplets .abc", lambda: head + b"(19:99:99C9999/7" * 50_000
    yield (
        "lengths of large primes .abc",
        lambda: head + b"".join(b"C%d/%d" % (i, i + 2) for i in range(1001, 9973, 2)),
    )
    yield "a line of 100 MB .abc", lambda: head + b"CDEF|" * (20 * MB)
    yield "a line of 15 MB .abc", lambda: head + b"CDEF|" * (3 * MB)
    yield "15 MB of commas .abc", lambda: head + b"C" + b'"C"' * (5 * MB)
    yield "15 MB of open brackets .abc", lambda: head + b"[" * (15 * MB)
    yield "15 MB of unclosed fields .abc", lambda: head + b"[K:" * (5 * MB)
    yield "a million voices .abc", lambda: head + b"".join(b"[V:%d]C" % i for i in range(1_000_000))
    yield "a million tunes .abc", lambda: b"X:1\nK:C\nC\n\n" * 1_000_000
    yield "five million X: .abc", lambda: b"X:\n" * 5_000_000
    yield "a title of 15 MB .abc", lambda: b"X:1\nT:" + b"a " * (7 * MB) + b"\nK:C\nCDEF|\n"
    blank = b" " * 400_000
    yield "a tempo of blanks .abc", lambda: b"X:1\nQ:1" + blank + b"x\nK:C\nCDEF|\n"
    yield "a metre of blanks .abc", lambda: b"X:1\nM:1" + blank + b"x\nK:C\nCDEF|\n"
    yield "a chord name of digits .abc", lambda: head + b'"C' + b"1" * 400_000 + b'x"CDEF|'
    yield "a short name of digits .abc", lambda: head + b'"C' + b"1" * 35 + b'x"CDEF|'
    yield "a key of 1 MB .abc", lambda: b"X:1\nK:" + b"C " * (MB // 2) + b"\nCDEF|\n"


def _others() -> Iterator[tuple[str, Callable[[], bytes]]]:
    yield "a line of 100 MB .txt", lambda: b"CDEF" * (25 * MB)
    yield "a line of 15 MB .txt", lambda: b"CDEF" * (15 * MB // 4)
    yield "15 MB of spaces, a letter .txt", lambda: b" " * (15 * MB) + b"C"
    yield "a million lines .txt", lambda: b"CDEF\n" * 1_000_000
    yield "seven million bad lines .txt", lambda: b"x\n" * 7_000_000
    head = b"**kern\n*M4/4\n"
    yield "a million notes .krn", lambda: head + b"4c\n" * 1_000_000 + b"*-\n"
    yield (
        "5,000 spines .krn",
        lambda: b"\n".join(b"\t".join([cell] * 5000) for cell in (b"**kern", b"4c", b"*-")),
    )
    yield (
        "spines that split for ever .krn",
        lambda: b"**kern\n" + b"".join(b"\t".join([b"*^"] * 2**i) + b"\n" for i in range(20)),
    )
    yield (
        "an expansion of a million .krn",
        lambda: b"**kern\n*>[" + b",".join([b"A"] * 1_000_000) + b"]\n*>A\n4c\n*-\n",
    )
    yield "a note of a million noughts .krn", lambda: head + b"0" * 1_000_000 + b"c\n*-\n"
    yield "a token of 15 MB .krn", lambda: head + b"4" + b"c" * (15 * MB) + b"\n*-\n"
    chords = b"**kern\t**mxhm\n*M4/4\t*\n%s*-\t*-\n"
    yield "a chord name of 4 MB .krn", lambda: chords % (b"4c\tC" + b" o" * (2 * MB) + b"\n")
    yield (
        "16 million chord names .krn",
        lambda: chords % ((b"4c\tC" + b" C" * 4000 + b"\n") * 4000),
    )
    yield "a million dots .krn", lambda: head + b"4" + b"." * 1_000_000 + b"c\n*-\n"
    yield "a million tunes .krn", lambda: b"**kern\n4c\n*-\n" * 1_000_000
    yield "nested a million deep .json", lambda: b"[" * 1_000_000
    yield "a number of a million digits .json", lambda: b'{"receipt": ' + b"1" * 1_000_000 + b"}"
    yield "100 MB .json", lambda: b'{"receipt": 1, "x": "' + b"a" * (100 * MB) + b'"}'
    melody = {"notes": [[0, 10**15, 60]], "meters": [[0, 1, 64]], "duration": 10**15}
    receipt = {"receipt": 1, "melody": melody, "vocabulary": "notes", "token_ids": [1]}
    yield "a note of ages .json", lambda: json.dumps(receipt).encode()
    ids = {**receipt, "token_ids": [0] * 4_000_000}
    yield "four million tokens .json", lambda: json.dumps(ids).encode()
    many = {**receipt, "vocabulary": "letters", "token_ids": [13] + [1] * 4_000_000 + [13]}
    yield "four million letters .json", lambda: json.dumps(many).encode()
