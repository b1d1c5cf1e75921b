"""Files of music: one module a format, each with `scan(data, where)` and `dumps(melodies)`.

This is their front door: by the extension of a path, or the name of a format.
The modules are imported when first used, so this one is light.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

from tunesmith.errors import InputError, UsageError
from tunesmith.files import refuse_overwrite, write_atomically
from tunesmith.formats.reading import Reading
from tunesmith.melody import Melody

__all__ = ["FORMATS", "Format", "Reading", "dumps", "format_of", "read", "scan", "write"]

LARGEST = 512 * 1024 * 1024
"""Bytes of the largest file that is read."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of files.

    Attributes:
        name: as users say it: 'mid'.
        endings: of its files, in lower case; the first is the one to write.
        module: where its `scan` and `dumps` are.
    """

    name: str
    endings: tuple[str, ...]
    module: str

    def scan(self, data: bytes, where: str) -> list[Reading]:
        """The tunes in the bytes of a file; see the module of the format."""
        function = import_module(self.module).scan
        return cast(Callable[[bytes, str], list[Reading]], function)(data, where)

    def dumps(self, melodies: Sequence[Melody]) -> bytes:
        """Melodies as the bytes of a file; see the module of the format."""
        function = import_module(self.module).dumps
        return cast(Callable[[Sequence[Melody]], bytes], function)(melodies)


FORMATS = (
    Format("mid", (".mid", ".midi"), "tunesmith.formats.midi"),
    Format("abc", (".abc",), "tunesmith.formats.abc"),
    Format("musicxml", (".musicxml", ".xml", ".mxl"), "tunesmith.formats.musicxml"),
    Format("letters", (".txt",), "tunesmith.formats.letters"),
)
_BY_ENDING = {ending: form for form in FORMATS for ending in form.endings}
_BY_NAME = {form.name: form for form in FORMATS}


def format_of(path: str | Path) -> Format:
    """The format of a file, by its extension.

    Raises:
        UsageError: for an extension that is not known.
    """
    ending = Path(path).suffix.lower()
    if ending not in _BY_ENDING:
        raise UsageError(
            f"'{ending}' is no format known here" if ending else "its name has no extension",
            where=str(path),
            remedy=f"use one of {', '.join(_BY_ENDING)}",
        )
    return _BY_ENDING[ending]


def scan(path: str | Path) -> list[Reading]:
    """Every tune of a file, each read or with the reason why not.

    Returns:
        At least one reading.

    Raises:
        InputError: if the file cannot be opened, is empty or no file.
        UsageError: for an extension that is not known.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError("it is a folder", where=str(path), remedy="give a file of music")
    form = format_of(path)
    return form.scan(_bytes(path), str(path))


def _bytes(path: Path) -> bytes:
    where = str(path)
    if not path.exists():
        raise InputError("there is no such file", where=where, remedy="check the name")
    if not path.is_file():
        raise InputError("it is no regular file", where=where, remedy="give a file of music")
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise InputError(
                f"the file is too large ({size >> 20} MiB)",
                where=where,
                remedy=f"give one of at most {LARGEST >> 20} MiB",
            )
        data = path.read_bytes()
    except PermissionError as e:
        raise InputError(
            "no permission to read it", where=where, remedy="change its permissions"
        ) from e
    except OSError as e:
        raise InputError(
            f"it cannot be read ({e.strerror or e})", where=where, remedy="check the disk"
        ) from e
    if not data:
        raise InputError("the file is empty", where=where, remedy="give a file of music")
    return data


def read(path: str | Path) -> list[Melody]:
    """The melodies of a file.

    Warns (`UserWarning`) with the number of tunes that could not be read and the
    first reason, if others could.

    Raises:
        TunesmithError: the first reason, if none could be read; and as `scan`.
    """
    readings = scan(path)
    melodies = [r.melody for r in readings if r.melody]
    errors = [r.error for r in readings if r.error]
    if not melodies:
        raise errors[0]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        warnings.warn(
            f"{len(errors)} of {len(readings)} tunes left out: {errors[0]}{more}", stacklevel=2
        )
    return melodies


def dumps(melodies: Sequence[Melody], name: str) -> bytes:
    """Melodies as the bytes of a file.

    Args:
        melodies: one, or several where the format holds several (abc, letters).
        name: of the format: mid, abc, musicxml or letters.

    Raises:
        UsageError: for a name that is not known, no melody, or more than the format holds.
    """
    if name not in _BY_NAME:
        raise UsageError(f"there is no format '{name}'", remedy=f"use one of {', '.join(_BY_NAME)}")
    if not melodies:
        raise UsageError("no melody to write")
    return _BY_NAME[name].dumps(melodies)


def write(melody: Melody | Sequence[Melody], path: str | Path, *, force: bool = False) -> None:
    """Write melodies to a file whose extension says the format; whole or not at all.

    Raises:
        OutputError: if it is there and `force` is not given, or cannot be written.
        UsageError: as `dumps`, or for an extension that is not known or only read.
    """
    path = Path(path)
    form = format_of(path)
    if path.suffix.lower() == ".mxl":
        raise UsageError(
            ".mxl is read but not written", where=str(path), remedy="write .musicxml instead"
        )
    refuse_overwrite(path, force)
    melodies = [melody] if isinstance(melody, Melody) else list(melody)
    write_atomically(path, dumps(melodies, form.name))
