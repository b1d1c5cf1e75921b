"""Files of music: one module a format, chosen by a file's extension.

Each format has a reader, `scan(data, where)`, that gives a `Reading` for every tune,
and a writer, `dumps(melodies)`. Where a file may hold very many tunes, `stream` gives
the same readings one after another. This front door finds the module and deals with files.
Pictures and sound are made elsewhere.
"""

from __future__ import annotations

import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from tunesmith.errors import InputError, UsageError
from tunesmith.files import refuse_overwrite, write_atomically
from tunesmith.formats.reading import Reading
from tunesmith.formats.tracks import AUTO, SKYLINE, asked_track
from tunesmith.melody import Melody

__all__ = ["FORMATS", "NAMES", "Reading", "asked_track", "dumps", "read", "scan", "stream", "write"]

FORMATS = {
    ".mid": "mid",
    ".midi": "mid",
    ".abc": "abc",
    ".musicxml": "musicxml",
    ".xml": "musicxml",
    ".mxl": "musicxml",
    ".krn": "kern",
    ".kern": "kern",
    ".txt": "letters",
}
"""The name of the format that a file with that extension is in."""

LARGEST = 32 * 1024 * 1024
"""Bytes of the largest file that is read."""

NAMES = tuple(dict.fromkeys(FORMATS.values()))
"""The names of the formats."""

_MODULES = {"mid": "midi"}
"""Where a format's module is not called as the format is."""

_WITH_TRACKS = ("mid", "musicxml")

_SHOWN_REJECTS = 3


def scan(path: str | Path, track: str | int = AUTO) -> list[Reading]:
    """Read every tune of a file; a bad one does not lose its neighbours.

    Args:
        path: the file.
        track: which voice of a polyphonic file (MIDI, MusicXML): 'auto' judges by names
            and notes, 'skyline' takes the highest notes of all (MIDI only); a number as listed
            when it is refused, from 1; or a piece of a track's name in any case.

    Returns:
        A reading for each tune, in order, with a melody or the reason why not.

    Raises:
        InputError: if the file itself cannot be read: it is not there, a folder,
            empty, not permitted, or its extension is unknown; or if a track is asked
            for and its format has none.
        UsageError: if the track is empty or below 1.
    """
    return list(stream(path, track))


def stream(path: str | Path, track: str | int = AUTO) -> Iterator[Reading]:
    """As `scan`, one tune after another: a file of very many need not fit into memory whole.

    What `scan` raises is raised when the first is asked for.
    """
    path = Path(path)
    wanted = asked_track(track)
    name, data = _open(path)
    if name in _WITH_TRACKS:
        choosing: Callable[[bytes, str, str], list[Reading]] = _module(name).scan
        yield from choosing(data, str(path), wanted)
        return
    if wanted not in (AUTO, SKYLINE):
        raise InputError(
            f"'{path.suffix}' files have no tracks to choose from",
            where=str(path),
            remedy="leave --track out",
        )
    module = _module(name)
    reader: Callable[[bytes, str], Iterable[Reading]] = getattr(module, "stream", module.scan)
    yield from reader(data, str(path))


def read(path: str | Path, track: str | int = AUTO) -> list[Melody]:
    """The melodies of a file, in order; `track` as in `scan`.

    Tunes that cannot be read are named in one `UserWarning`.

    Raises:
        InputError: if no tune of it can be read: the reason of the first.
    """
    readings = scan(path, track)
    melodies = [r.melody for r in readings if r.melody]
    errors = [r.error for r in readings if r.error]
    if not melodies:
        raise errors[0] if errors else InputError("no tune in it", where=str(path))
    if errors:
        named = " | ".join(str(e) for e in errors[:_SHOWN_REJECTS])
        more = len(errors) - _SHOWN_REJECTS
        warnings.warn(
            f"{path}: {len(errors)} of {len(readings)} tunes not read: {named}"
            + (f" | and {more} more" if more > 0 else ""),
            stacklevel=2,
        )
    return melodies


def read_one(path: str | Path, number: int | None = None, track: str | int = AUTO) -> Melody:
    """One melody of a file.

    Args:
        path: the file.
        number: which tune of it, from 1, those that cannot be read counted too; None for its only
            one.
        track: as in `scan`.

    Raises:
        InputError: if it cannot be read.
        UsageError: if there is none of this number, or there are several and none is named.
    """
    readings = scan(path, track)
    count = len(readings)
    if not count:
        raise InputError("no tune in it", where=str(path))
    if number is None and count > 1:
        name = Path(path).name
        raise UsageError(
            f"it holds {count} tunes",
            where=str(path),
            remedy=f"say which: {name}#1 to {name}#{count}",
        )
    if number is not None and not 1 <= number <= count:
        raise UsageError(f"tune {number} of {count}", where=str(path), remedy=f"use 1 to {count}")
    return readings[(number or 1) - 1].need()


def dumps(melodies: Sequence[Melody], name: str) -> bytes:
    """The bytes of a file that holds the melodies.

    Args:
        melodies: one, or several where the format holds several (ABC, letters).
        name: one of `NAMES`.

    Raises:
        UsageError: for an unknown name, no melody, or several where one is held.
    """
    if name not in NAMES:
        raise UsageError(
            f"there is no format of notes '{name}'", remedy=f"use one of {', '.join(NAMES)}"
        )
    if not melodies:
        raise UsageError("no melody to write", remedy="give at least one")
    writer: Callable[[Sequence[Melody]], bytes] = _module(name).dumps
    return writer(melodies)


def write(melody: Melody | Sequence[Melody], path: str | Path, force: bool = False) -> None:
    """Write one or several melodies to a file, whole or not at all, by its extension.

    Raises:
        OutputError: if it is there and `force` is not given, or cannot be written.
        UsageError: if the format cannot hold them or is only read.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS or suffix == ".mxl":
        raise UsageError(
            f"nothing is written as '{suffix or path.name}'",
            where=str(path),
            remedy="end its name in .mid, .abc, .musicxml, .krn or .txt",
        )
    refuse_overwrite(path, force)
    melodies = [melody] if isinstance(melody, Melody) else list(melody)
    write_atomically(path, dumps(melodies, FORMATS[suffix]))


def _module(name: str) -> ModuleType:
    return import_module(f"tunesmith.formats.{_MODULES.get(name, name)}")


def _open(path: Path) -> tuple[str, bytes]:
    """The name of a file's format and its bytes, or an `InputError`."""

    def error(what: str, remedy: str) -> InputError:
        return InputError(what, where=str(path), remedy=remedy)

    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise error("it is a folder", "give a file in it")
        if not stat.S_ISREG(status.st_mode):
            raise error("it is no ordinary file", "give a file")
        name = FORMATS.get(path.suffix.lower())
        if name is None:
            what = f"'{path.suffix}' files are not read" if path.suffix else "it has no extension"
            raise error(what, f"these are read: {', '.join(FORMATS)}")
        if status.st_size > LARGEST:
            raise error(f"the file is larger than {LARGEST // 1024**2} MB", "split it")
        with path.open("rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        raise error("there is no such file", "check its name") from None
    except PermissionError:
        raise error("no permission to read it", "check its permissions") from None
    except (OSError, ValueError) as e:  # ValueError: a name with a zero byte in it
        raise error(f"it cannot be read ({e})", "check its name and the disk") from e
    if not data:
        raise error("the file is empty", "get it again")
    return name, data
