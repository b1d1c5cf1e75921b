"""Opening MusicXML files, plain or zipped, without trusting them."""

from __future__ import annotations

import io
import struct
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections import Counter
from itertools import islice
from xml.parsers import expat

from tunesmith.errors import InputError

LARGEST = 5 * 1024 * 1024
"""Bytes that a score may have once it is unpacked."""

_ARCHIVE_ERRORS = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
    OSError, struct.error, OverflowError,
)  # fmt: skip
"""What `zipfile` raises for archives that are damaged, encrypted or packed in another way."""

_MOST_TRIED = 64
"""Files of an archive that are looked into for a score that its container does not name."""

_ROOTS = ("score-partwise", "score-timewise")


def open_score(data: bytes, remarks: Counter[str]) -> ET.Element:
    """The root element of a .musicxml or .mxl file.

    Raises:
        InputError: if it is no MusicXML, damaged, too large, or declares entities.
    """
    if data.startswith(b"PK"):
        data = _unpack(data, remarks)
    elif len(data) > LARGEST:
        raise _too_large()
    return _parse(data)


def _parse(data: bytes) -> ET.Element:
    if not data.strip():
        raise InputError("the file is empty", remedy="give a MusicXML file")
    try:
        _refuse_entities(data)
        root = ET.fromstring(data)
    except (ET.ParseError, expat.ExpatError) as e:
        raise InputError(f"not well-formed XML ({e})", remedy="export it again") from e
    except (LookupError, ValueError) as e:
        raise InputError(f"its text cannot be decoded ({e})", remedy="save it as UTF-8") from e
    if root.tag not in _ROOTS:
        raise InputError(
            f"XML, but no MusicXML score: it holds <{root.tag[:40]}>",
            remedy="give a score exported as MusicXML",
        )
    return root


class _PrologEnds(Exception):
    """Raised at the first element to stop parsing there."""


def _refuse_entities(data: bytes) -> None:
    """Refuse a file that declares entities, with which a few bytes can unpack to gigabytes."""

    def entity(*_: object) -> None:
        raise InputError(
            "the file declares XML entities, which no score needs",
            remedy="export it again as MusicXML",
        )

    def element(*_: object) -> None:
        raise _PrologEnds

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = entity
    parser.StartElementHandler = element
    try:
        parser.Parse(data, True)
    except _PrologEnds:
        return


def _unpack(data: bytes, remarks: Counter[str]) -> bytes:
    """The score inside a .mxl archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [n for n in archive.namelist() if not n.endswith("/")]
            named = _named_in_container(archive, names)
            if named in names:
                return _read(archive, named)
            scores = (n for n in names if n.lower().endswith((".xml", ".musicxml")))
            for name in islice((n for n in scores if "META-INF" not in n), _MOST_TRIED):
                content = _read(archive, name)
                if any(f"<{root}".encode() in content for root in _ROOTS):
                    remarks["wrong path in the container mended"] += 1
                    return content
    except _ARCHIVE_ERRORS as e:
        raise InputError(
            f"the archive is damaged or not readable ({e})", remedy="export it again"
        ) from e
    raise InputError("an archive without a MusicXML score", remedy="export it again")


def _named_in_container(archive: zipfile.ZipFile, names: list[str]) -> str:
    """The path of the score that the container names; '' if it names none."""
    path = "META-INF/container.xml"
    if path not in names:
        return ""
    content = _read(archive, path)
    try:
        _refuse_entities(content)
        root = ET.fromstring(content)
    except (ET.ParseError, expat.ExpatError, LookupError, ValueError):
        return ""  # the score is looked for instead, and that is counted
    for element in root.iter():
        if element.tag.rpartition("}")[2] == "rootfile":
            return element.get("full-path", "")
    return ""


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError("not packed by deflate")  # others unpack a block without bound
    with archive.open(name) as file:
        content = file.read(LARGEST + 1)  # whatever size the archive claims
    if len(content) > LARGEST:
        raise _too_large()
    return content


def _too_large() -> InputError:
    return InputError(
        f"the score is larger than {LARGEST // 1024**2} MB",
        remedy="export the melody's part alone, or split it",
    )
