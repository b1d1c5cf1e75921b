"""Where music comes from: files, folders, and the corpora known by name.

A source is looked through once, in sorted order, and gives the files to read.
What is passed over (a README, a cover picture) is counted by extension.
"""

from __future__ import annotations

import importlib.util
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tunesmith.errors import InputError, MissingExtraError, TunesmithError, UsageError
from tunesmith.formats import FORMATS, Reading, asked_track, stream

MUSIC = tuple(FORMATS)
"""Extensions of files of music; in a folder, a .txt only where its lines are letters."""

NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True)
class MusicFile:
    """A file to read.

    Attributes:
        root: the folder that its source is, or is in, as the user wrote it.
        label: its place there, with '/' between folders.
    """

    root: str
    label: str

    @property
    def path(self) -> str:
        """Where to open it."""
        return os.path.join(self.root, *self.label.split("/"))  # noqa: PTH118 (no 100,000 Paths)


_HALF_PAIR = re.compile("[\ud800-\udfff]")
"""As which Python has a byte of a file name that is no UTF-8."""


def readable(name: str) -> str:
    """A path as text that can be written: a sign stands for each byte that is no UTF-8."""
    return _HALF_PAIR.sub("\N{REPLACEMENT CHARACTER}", name)


@dataclass(frozen=True)
class Source:
    """A source that was looked through.

    Attributes:
        name: what the user wrote: a path or the name of a corpus.
        licence: of the music; 'not stated' for a path without `--licence`.
        description: what it is, in a line.
        files: to be read, in a fixed order.
        passed_over: files that are no music: count by extension.
    """

    name: str
    licence: str
    description: str
    files: tuple[MusicFile, ...]
    passed_over: Mapping[str, int] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The name as a corpus holds it."""
        return readable(self.name)


@dataclass(frozen=True)
class _Named:
    description: str
    licence: str
    tunes: int | None  # None: counted, since the files are our own
    folders: tuple[str, ...]  # inside music21's corpus, or inside this package
    package: str = "music21"
    needs_acceptance: bool = False

    def root(self) -> Path | None:
        """The folder in which `folders` are, or None where it is not installed."""
        if self.package == "tunesmith":
            return Path(__file__).parent
        spec = importlib.util.find_spec(self.package)  # looks, does not import
        if spec is None or not spec.submodule_search_locations:
            return None
        root = Path(spec.submodule_search_locations[0]) / "corpus"
        return root if all((root / f).is_dir() for f in self.folders) else None


_NAMED = {
    "folk": _Named(
        "Irish, Scottish and American dance tunes printed 1778-1907"
        " (O'Neill 1850, Aird, Ryan's Mammoth Collection)",
        "music in the public domain; the encodings carry no restriction and no explicit grant",
        4248,
        ("oneills1850", "airdsAirs", "ryansMammoth"),
    ),
    "essen": _Named(
        "The Essen collection of European and Chinese folk songs",
        "unclear; non-commercial use only",
        8514,
        ("essenFolksong",),
        needs_acceptance=True,
    ),
    "examples": _Named(
        "Well-known tunes in the public domain, typed for Tunesmith",
        "music in the public domain; the encodings under the MIT licence",
        None,
        ("examples",),
        package="tunesmith",
    ),
}


@dataclass(frozen=True, slots=True)
class NamedCorpus:
    """A corpus known by name, for `tunesmith corpora`.

    Attributes:
        name: what to give to `prepare`.
        description: what it is, in a line.
        tunes: how many tunes its files hold.
        licence: of the music.
        installed: whether it can be read here.
        needs_acceptance: whether `--accept-licence` has to be given.
    """

    name: str
    description: str
    tunes: int
    licence: str
    installed: bool
    needs_acceptance: bool


def named_corpora() -> list[NamedCorpus]:
    """The corpora known by name, installed or not."""
    return [
        NamedCorpus(
            name,
            named.description,
            _count_abc(named) if named.tunes is None else named.tunes,
            named.licence,
            named.root() is not None,
            named.needs_acceptance,
        )
        for name, named in _NAMED.items()
    ]


def _count_abc(named: _Named) -> int:
    root = named.root()
    assert root is not None
    files = (f for folder in named.folders for f in (root / folder).glob("*.abc"))
    return sum(len(re.findall(rb"^X:", f.read_bytes(), re.MULTILINE)) for f in files)


def find_sources(
    names: Sequence[str | Path],
    *,
    licence: str | None = None,
    accept_licence: bool = False,
    exclude: Path | None = None,
) -> list[Source]:
    """Look through the sources for files of music.

    A file that two sources hold belongs to the first of them.

    Args:
        names: files, folders, or names of corpora; a name wins over a folder of
            the same name unless that is written `./folk` or is a `Path`.
        licence: of the files and folders; None for 'not stated'.
        accept_licence: whether the user accepts a licence that asks for it.
        exclude: a folder not to look into: where the corpus is to be.

    Raises:
        InputError: no such file or folder, or no music in it.
        MissingExtraError: a named corpus that is not installed.
        UsageError: no source, one given twice, or a licence that was not accepted.
    """
    if not names:
        raise UsageError("no source of music", remedy=f"give a file, a folder, or {_names()}")
    written = [str(n) for n in names]
    if twice := [n for n, count in Counter(written).items() if count > 1]:
        raise UsageError("this source is given twice", where=twice[0], remedy="give it once")
    seen: set[str] = set()
    kept_out = os.path.realpath(exclude) if exclude else None
    sources = []
    for name in names:
        if isinstance(name, str) and name in _NAMED:
            source = _named_source(name, accept_licence)
        else:
            source = _path_source(str(name), licence or NOT_STATED, kept_out)
        sources.append(_without_seen(source, seen))
    return sources


def _names() -> str:
    return "a name: " + ", ".join(_NAMED)


def _named_source(name: str, accept_licence: bool) -> Source:
    named = _NAMED[name]
    if named.needs_acceptance and not accept_licence:
        raise UsageError(
            f"its licence is {named.licence}",
            where=name,
            remedy="give --accept-licence if that suits you; a model trained on it is marked so",
        )
    root = named.root()
    if root is None:
        raise MissingExtraError(
            "this corpus is not installed", where=name, remedy="pip install 'tunesmith[train]'"
        )
    files = tuple(
        MusicFile(str(root), f"{folder}/{path.name}")
        for folder in named.folders
        for path in sorted((root / folder).glob("*.abc"))
    )
    if not files:
        raise InputError("its files are missing", where=name, remedy="install it again")
    return Source(name, named.licence, named.description, files)


def readings(paths: Sequence[str | Path], track: str = "auto") -> Iterator[Reading]:
    """What is read of each tune of files and folders, one after another.

    A file or folder that cannot be read at all is one reading too, which says why.

    Args:
        paths: files, or folders whose files of music are all read.
        track: as in `formats.scan`.

    Raises:
        UsageError: if the track makes no sense.
    """
    wanted = asked_track(track)
    for path in map(str, paths):
        files = [path]
        try:
            if Path(path).is_dir():
                files = [file.path for file in find_sources([path])[0].files]
        except TunesmithError as e:
            files = []
            yield Reading(path, error=e)
        for file in files:
            try:
                yield from stream(file, wanted)
            except TunesmithError as e:
                yield Reading(file, error=e)


def _path_source(name: str, licence: str, kept_out: str | None) -> Source:
    path = Path(name)
    if path.is_dir():
        passed_over: Counter[str] = Counter()
        files = tuple(_walk(path, kept_out, passed_over))
        if not files:
            other = sum(passed_over.values())
            raise InputError(
                f"no music in this folder (looked at {other} file{'s' * (other != 1)}"
                f"{_kinds(passed_over)})",
                where=name,
                remedy=f"music is in files that end in {', '.join(MUSIC)}",
            )
        return Source(name, licence, "a folder", files, dict(sorted(passed_over.items())))
    if not path.exists():
        raise InputError(
            "no such file or folder", where=name, remedy=f"give a file, a folder, or {_names()}"
        )
    if path.suffix.lower() not in MUSIC:
        raise InputError(
            "not a kind of file that holds music here",
            where=name,
            remedy=f"music is in files that end in {', '.join(MUSIC)}",
        )
    return Source(name, licence, "a file", (MusicFile(os.path.dirname(name), path.name),))  # noqa: PTH120


def _kinds(passed_over: Counter[str]) -> str:
    if not passed_over:
        return ""
    return ": " + ", ".join(f"{count} {kind}" for kind, count in passed_over.most_common(3))


def _walk(top: Path, kept_out: str | None, passed_over: Counter[str]) -> Iterator[MusicFile]:
    """The files of music below a folder, sorted; links are followed, each folder entered once."""
    entered: set[str] = set()
    root = str(top)  # one string for all of them

    def enter(folder: Path, label: str) -> Iterator[MusicFile]:
        real = os.path.realpath(folder)
        if real in entered or real == kept_out:
            return
        entered.add(real)
        try:
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except OSError as e:
            if not label:
                raise InputError(
                    f"cannot be read ({e.strerror})", where=str(folder), remedy="check permissions"
                ) from e
            passed_over[f"folder without permission: {readable(label.rstrip('/'))}"] += 1
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            place = label + entry.name
            if _is_folder(entry):
                yield from enter(folder / entry.name, place + "/")
            elif _holds_music(entry, passed_over):
                yield MusicFile(root, place)

    return enter(top, "")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()  # follows links
    except OSError:
        return False  # a link in a loop; the reader will name it


def _holds_music(entry: os.DirEntry[str], passed_over: Counter[str]) -> bool:
    suffix = Path(entry.name).suffix.lower()
    if suffix not in MUSIC:
        passed_over[readable(suffix) or "no extension"] += 1
        return False
    if entry.is_symlink() or entry.is_file():  # a broken link is to be named as unreadable
        if suffix != ".txt" or _is_letters(entry.path):
            return True
        passed_over[".txt without letters"] += 1
        return False
    passed_over["no regular file"] += 1
    return False


_LETTER_LINE = re.compile(rb"[CcDdEFfGgAaBR0-9 \t\r]+")


def _is_letters(path: str) -> bool:
    """Whether the first lines of a .txt are the seed's letters and nothing else.

    One that cannot be opened, or is no file, counts as music, so that the reader names it.
    """
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # opening a pipe would wait for its writer
            return True
        with Path(path).open("rb") as file:
            head = file.read(4096)
    except OSError:
        return True
    lines = head.split(b"\n")
    if len(head) == 4096 and len(lines) > 1:
        lines.pop()  # cut short
    filled = [line for line in lines[:20] if line.strip()]
    return bool(filled) and all(_LETTER_LINE.fullmatch(line) for line in filled)


def _without_seen(source: Source, seen: set[str]) -> Source:
    """The source without files that stand in an earlier one; how many is noted."""
    files = []
    again = 0
    for file in source.files:
        real = os.path.realpath(file.path)
        if real in seen:
            again += 1
        else:
            seen.add(real)
            files.append(file)
    if not again:
        return source
    passed = {**source.passed_over, "in an earlier source": again}
    return Source(source.name, source.licence, source.description, tuple(files), passed)
