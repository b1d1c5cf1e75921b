"""Check files of music: what was kept as written, mended or refused, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tunesmith import formats
from tunesmith.corpus.sources import readings
from tunesmith.errors import TunesmithError, printable
from tunesmith.formats.remarks import REMARKS

_SHOWN_PLACES = 4


@dataclass(frozen=True)
class Finding:
    """Something that was found in a tune.

    Attributes:
        remark: what, as the reader counts it; for a refused tune, why.
        count: how often.
        is_mended: whether the melody is other than written because of it.
        places: where the first few are; empty where the reader does not know.
        meaning, remedy: what it means and what to do; '' where there is nothing to say.
    """

    remark: str
    count: int
    is_mended: bool
    places: tuple[str, ...] = ()
    meaning: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of a tune.

    Attributes:
        where: the file and the tune in it.
        verdict: 'refused' if it was not read; 'mended' if notes, their times or order,
            bars or chord symbols were changed, guessed or lost; else 'kept'.
        title: as in the source; '' for none, or if refused.
        findings: why; those that changed the melody first.
        details: what else is to be known, such as the track that was taken.
    """

    where: str
    verdict: Literal["kept", "mended", "refused"]
    title: str = ""
    findings: tuple[Finding, ...] = ()
    details: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain data for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.where}" + f" '{self.title}'" * bool(self.title)]
        for found in self.findings:
            count = f"{found.remark}: {found.count}" if found.count else found.remark
            sign = "-" if found.is_mended or not found.count else " "
            lines.append(f"  {sign} {count}")
            lines += [f"      at {place}" for place in found.places[:_SHOWN_PLACES]]
            if found.places and found.count > _SHOWN_PLACES:
                lines.append("      and more")
            if found.is_mended:
                lines.append(f"      {found.meaning}")
            if found.remedy and (found.is_mended or not found.count):
                lines.append(f"      To do: {found.remedy}.")
        lines += [f"    {detail}" for detail in self.details]
        return "\n".join(map(printable, lines))


def check(paths: Sequence[str | Path], track: str = "auto") -> Iterator[Verdict]:
    """The verdict for each tune of files and folders, one after another.

    Args:
        paths: files, or folders whose files of music are all looked at.
        track: as in `formats.scan`; other formats than MIDI and MusicXML have none.

    Raises:
        UsageError: if the track makes no sense.
    """
    yield from map(judge, readings(paths, track))


def judge(reading: formats.Reading) -> Verdict:
    """The verdict on what a reader gave."""
    if reading.error:
        return _refused(reading.where, reading.error)
    assert reading.melody
    found = [
        Finding(
            remark,
            count,
            REMARKS[remark].is_mended,
            tuple(reading.places.get(remark, ())),
            REMARKS[remark].meaning,
            REMARKS[remark].remedy,
        )
        for remark, count in reading.remarks.items()
    ]
    found.sort(key=lambda f: not f.is_mended)
    return Verdict(
        reading.where,
        "mended" if any(f.is_mended for f in found) else "kept",
        reading.melody.title,
        tuple(found),
        reading.details,
    )


def _refused(where: str, error: TunesmithError) -> Verdict:
    place = error.where.removeprefix(where).lstrip(", ")
    finding = Finding(error.what, 0, False, (place,) if place else (), "", error.remedy)
    return Verdict(where, "refused", findings=(finding,))
