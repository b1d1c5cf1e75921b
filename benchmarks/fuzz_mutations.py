"""Mutations of files of music: light ones that keep the form, heavy ones that do not."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
from collections.abc import Callable
from typing import Any

Mutate = Callable[[random.Random, bytes], bytes]

_WILD_NUMBERS = (
    b"0", b"-1", b"1", b"2", b"3", b"7", b"12", b"13", b"97", b"127", b"128", b"255", b"9999",
    b"65536", b"4294967296", b"99999999999999999999", b"1e308", b"-0", b"1.5", b"NaN", b"",
    "\u0663".encode(), "\u00b2".encode(),
)  # fmt: skip
_SNIPPETS = {
    "abc": (
        b"|:", b":|", b"::", b"|1", b":|2", b"[1", b"[2", b"||", b"|]", b"(3", b"(7:3:5", b"(9",
        b">", b"<<", b">>>", b"//////////", b"C1000", b"/9999", b"^^", b"__", b"=", b"''''",
        b",,,,", b"{gab}", b"[CEG]", b"[", b"]", b'"Am7"', b'"', b"!fine!", b"!D.C.!", b"-",
        b"z", b"Z99", b"Z", b"x8", b"&", b"[M:5/8]", b"[K:Ebm]", b"[L:1/32]", b"[V:2]",
        b"[Q:1/4=0]", b"\nK:G\n", b"\nM:none\n", b"\nX:2\n", b"\n\n", b"\\\n", b"%", b"\xff",
        b"\x1b[31m", b"\0", b"w: la la", b"+CEG+", b"$", b"\nL:99/999\n", b"\nM:255/64\n",
    ),
    "letters": (b"R", b"C4", b"c9", b"C0", b"B9", b" ", b"\t", b"\n", b"\r\n", b"H", b"\0", b"44",
                b"\x1b[2J", b"\xe4", b"RRRR", b"\xef\xbb\xbf"),
    "musicxml": (
        b"<note>", b"</note>", b"<rest/>", b"<chord/>", b"<grace/>", b"<cue/>", b"<backup>",
        b'<tie type="start"/>', b"<note><rest/><duration>7</duration></note>",
        b"<backup><duration>9</duration></backup>", b"<forward><duration>3</duration></forward>",
        b'<barline location="right"><repeat direction="backward"/></barline>',
        b'<barline location="left"><repeat direction="forward"/></barline>',
        b'<barline><repeat direction="backward" times="999999999"/></barline>',
        b'<barline><ending number="1,2,99999999" type="start"/></barline>',
        b"<attributes><divisions>7</divisions></attributes>",
        b"<attributes><time><beats>3+2</beats><beat-type>8</beat-type></time></attributes>",
        b"<attributes><time><beats>999</beats><beat-type>3</beat-type></time></attributes>",
        b"<attributes><key><fifths>-9</fifths></key></attributes>",
        b"<attributes><transpose><chromatic>-999999</chromatic></transpose></attributes>",
        b"<harmony><root><root-step>C</root-step></root><kind>major</kind></harmony>",
        b'<sound tempo="0"/>', b"&amp;", b"&boom;", b"<![CDATA[x]]>", b"<!-- -->", b"<x>", b"]]>",
    ),
    "kern": (
        b"\t", b"\n", b"*\n", b"*-\n", b"**kern", b"*^\n", b"*v\n", b"=\n", b"==\n", b"=:|!\n",
        b"*>A\n", b"*>[A,A,B]\n", b"*k[f#c#]\n", b"*M6/8\n", b"*M0/0\n", b"*MM9999\n", b"4c\n",
        b"[", b"]", b"_", b".", b"q", b"%", b"4.", b"0", b"000", b"3%2", b"ccccccccc", b"##", b"--",
        b"!!!OTL: x\n", b"!!\n", b"\x1b", b"\xff", b"1000000r\n",
    ),
}  # fmt: skip
_WILD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 7, 0.5, -0.0, 1e308, 10**30, 2**63, 65_536, 10**9, "", "x",
    "\x1b[31m\n", "\ud800", [], {}, [[[[[[]]]]]], {"a": {"b": []}}, [1, 2, 3], ["C", "major"],
    float("nan"), float("inf"),
)  # fmt: skip


# -- any bytes ---------------------------------------------------------------------


def heavy(rng: random.Random, data: bytes) -> bytes:
    """One to six wounds of any kind anywhere."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        if not out:
            break
        at = rng.randrange(len(out))
        size = min(len(out) - at, int(2 ** rng.uniform(0, 9)))
        kind = rng.randrange(8)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del out[at : at + size]
        elif kind == 3:
            out[at:at] = out[at : at + size] * rng.choice((1, 1, 2, 16))
        elif kind == 4:
            to = rng.randrange(len(out))
            out[to : to + size] = out[at : at + size]
        elif kind == 5:
            del out[at:]
        elif kind == 6:
            out[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"))
        else:
            out[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(out)


# -- text --------------------------------------------------------------------------


def text_mutator(name: str) -> Mutate:
    """Mutations of a text format: numbers, signs, lines, and snippets of its own language."""
    snippets = _SNIPPETS[name]
    tagged = name == "musicxml"
    number = re.compile(rb"(?<=>)[-+]?\d+(?=<)" if tagged else rb"\d+")
    piece = re.compile(rb"<[^<>]*>" if tagged else rb"[^\s|]+")

    def light(rng: random.Random, data: bytes) -> bytes:
        kind = rng.choice((0, 0, 0, 0, 1, 1, 3, 4, 4, 4, 4, 5, 6)) if tagged else rng.randrange(7)
        if kind == 0 and (found := list(number.finditer(data))):
            match = rng.choice(found)
            if rng.random() < 0.6:
                new = b"%d" % max(0, int(match[0]) + rng.choice((-2, -1, 1, 2, 12)))
            else:
                new = rng.choice(_WILD_NUMBERS)
            return data[: match.start()] + new + data[match.end() :]
        if kind == 1:
            at = rng.randrange(len(data) + 1)
            if tagged and (found := list(re.finditer(rb"</note>", data))):
                at = rng.choice(found).end()  # between elements rather than inside one
            return data[:at] + rng.choice(snippets) + data[at:]
        if kind in (2, 3) and len(found := list(piece.finditer(data))) > 1:
            a, b = sorted(rng.sample(range(len(found)), 2))
            one, two = found[a], found[b]
            if kind == 2 and not tagged:
                middle = data[one.end() : two.start()]
                return data[: one.start()] + two[0] + middle + one[0] + data[two.end() :]
            return data[: one.start()] + data[one.end() :]
        if kind == 4 and tagged:
            return _element(rng, data)
        if kind in (4, 5):
            lines = data.split(b"\n")
            at = rng.randrange(len(lines))
            lines[at : at + 1] = rng.choice(([], [lines[at]] * 2, [rng.choice(lines)]))
            return b"\n".join(lines)
        at = rng.randrange(len(data) + 1)
        return data[:at] + bytes([rng.randrange(32, 127)]) + data[at + rng.randrange(2) :]

    return light


def _element(rng: random.Random, data: bytes) -> bytes:
    """A note or measure left out, doubled or moved."""
    found = list(re.finditer(rb"<(note|measure|attributes|direction)\b.*?</\1>", data, re.DOTALL))
    if not found:
        return data
    match, other = rng.choice(found), rng.choice(found)
    new = rng.choice((b"", match[0] * 2, other[0]))
    return data[: match.start()] + new + data[match.end() :]


def mxl_mutator(rng: random.Random, data: bytes) -> bytes:
    """The score inside mutated and packed again, or the names of the archive."""
    light = text_mutator("musicxml")
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        chosen = rng.choice(names)
        for name in names:
            content = old.read(name)
            if name == chosen:
                content = light(rng, content)
                if rng.random() < 0.1:
                    name = rng.choice(
                        ("score.xml", "x", "META-INF/x.xml", "../x.musicxml", "é.xml")
                    )
            new.writestr(name, content, rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)))
    return out.getvalue()


# -- MIDI --------------------------------------------------------------------------


def midi_mutator(rng: random.Random, data: bytes) -> bytes:
    """A byte of an event changed so that the chunks still hold together, or their lengths."""
    out = bytearray(data)
    kind = rng.randrange(6)
    at = rng.randrange(min(14, len(out)), len(out)) if len(out) > 14 else 0
    if kind == 0 and len(out) > 13:  # the header
        out[rng.randrange(8, 14)] = rng.choice((0, 1, 2, 4, 24, 96, 120, 255))
    elif kind == 1:  # a metre, key or tempo
        found = [m.start() for m in re.finditer(rb"\xff[\x51\x58\x59\x03\x01\x2f]", data)]
        if found:
            out[min(len(out) - 1, rng.choice(found) + rng.randrange(1, 5))] = rng.choice(
                (0, 1, 3, 5, 7, 127, 255)
            )
    elif kind in (2, 3):  # a data byte, not a command
        if out[at] < 0x80:
            out[at] = rng.choice((out[at] ^ 1, out[at] ^ 2, out[at] ^ 64, 0, 1, 60, 127))
    elif kind == 4:  # an event in, the track's length mended
        track = data.rfind(b"MTrk")
        if track >= 0 and len(data) >= track + 8:
            event = rng.choice((
                b"\0\x90\x3c\x40", b"\x60\x80\x3c\0", b"\0\xff\x58\x04\x07\x03\x18\x08",
                b"\0\xff\x51\x03\0\0\1", b"\xff\xff\xff\x7f\x90\x40\x40", b"\0\xff\x59\x02\x07\x01",
                b"\0\xf0\x02\x01\xf7", b"\x60\xb0\x40\x7f", b"\0\xff\x01\x02\x1b[",
                b"\0\x99\x24\x40",
            ))  # fmt: skip
            length = int.from_bytes(data[track + 4 : track + 8]) + len(event)
            out[track + 4 : track + 8] = (length % 2**32).to_bytes(4)
            out[track + 8 : track + 8] = event
    else:  # a note another
        notes = [m.start() + 1 for m in re.finditer(rb"[\x80-\x9f][\x00-\x7f][\x00-\x7f]", data)]
        if notes:
            out[rng.choice(notes)] = rng.randrange(128)
    return bytes(out)


# -- JSON --------------------------------------------------------------------------


def json_mutator(rng: random.Random, data: bytes) -> bytes:
    """A value anywhere replaced, left out or doubled; harmless places as often as others."""
    value = json.loads(data)
    holder, key = None, None
    at: Any = value
    while isinstance(at, dict | list) and at:
        holder = at
        key = rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
        at = at[key]
        if rng.random() < 0.25:
            break
    kind = rng.randrange(5)
    if holder is None:
        value = rng.choice(_WILD_VALUES)
    elif kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, rng.choice((at, *_WILD_VALUES)))
    elif kind == 2 and isinstance(holder, dict):
        holder[rng.choice(("x", "receipt", "notes", "melody", ""))] = rng.choice(_WILD_VALUES)
    elif kind == 3 and isinstance(at, int | float) and not isinstance(at, bool):
        holder[key] = rng.choice((at + 1, at - 1, -at, at * 2, float(at), str(at)))
    else:
        holder[key] = rng.choice(_WILD_VALUES)
    return json.dumps(value).encode()


def receipt_mutator(rng: random.Random, data: bytes) -> bytes:
    """As `json_mutator`, but half of the time in what only tells how the tune was made."""
    if rng.random() < 0.5:
        return json_mutator(rng, data)
    value = json.loads(data)
    key = rng.choice(
        [k for k in value if k not in ("melody", "token_ids", "vocabulary", "receipt")]
    )
    value[key] = rng.choice(_WILD_VALUES)
    return json.dumps(value).encode()


def checkpoint_mutator(rng: random.Random, data: bytes) -> bytes:
    """One file of a checkpoint (packed as a zip, uncompressed) mutated, or missing."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    often = [n for n in ("provenance.json", "model.safetensors") if n in files]
    name = rng.choice((*files, *often * 2))
    content = files[name]
    if rng.random() < 0.02:
        del files[name]
    elif name.endswith(".json"):
        files[name] = json_mutator(rng, content)
    else:
        length = int.from_bytes(content[:8], "little")
        header, body = content[8 : 8 + length], bytearray(content[8 + length :])
        if rng.random() < 0.2:
            header = json_mutator(rng, header)
        for _ in range(rng.randrange(1, 5)):  # weights: any, huge, not a number
            at = 4 * rng.randrange(len(body) // 4)
            body[at : at + 4] = rng.choice(
                (rng.randbytes(2) + b"\x80\x3f", b"\0\0\0\0", rng.randbytes(3) + b"\xbf",
                 b"\x24\x74\x49\x49")
                if rng.random() < 0.9
                else (b"\xff\xff\x7f\x7f", b"\0\0\x80\x7f", b"\0\0\xc0\x7f", rng.randbytes(4))
            )  # fmt: skip
        files[name] = len(header).to_bytes(8, "little") + header + bytes(body)
    return packed(files)


def packed(files: dict[str, bytes]) -> bytes:
    """Files as one zip, the same bytes for the same files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def heavy_checkpoint(rng: random.Random, data: bytes) -> bytes:
    """One file of a packed checkpoint heavily mutated; the pack itself is ours."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(files))
    files[name] = heavy(rng, files[name])
    return packed(files)
