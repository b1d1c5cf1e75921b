"""Melodies out of files and into them: notes, scores, sound."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tunesmith import formats
from tunesmith.api.composing import Tune
from tunesmith.errors import OutputError, UsageError
from tunesmith.files import refuse_overwrite, write_atomically
from tunesmith.melody import Melody

ENDINGS = {
    "mid": ".mid",
    "abc": ".abc",
    "musicxml": ".musicxml",
    "kern": ".krn",
    "letters": ".txt",
    "wav": ".wav",
    "svg": ".svg",
    "png": ".png",
}
"""What can be written, by the name that `--format` takes."""

_BY_ENDING = {
    **{ending: name for name, ending in ENDINGS.items()},
    ".midi": "mid",
    ".xml": "musicxml",
    ".kern": "kern",
}


def read(path: str | Path) -> list[Melody]:
    """The melodies of a file, by its extension; see `tunesmith.formats.read`."""
    return formats.read(Path(path))


def render(melodies: Sequence[Melody], name: str) -> bytes:
    """Melodies as the bytes of a file.

    Args:
        melodies: one, or several where the format holds several (ABC, letters, pictures).
        name: one of `ENDINGS`.
    """
    if name == "wav":
        from tunesmith.render.audio import to_wav

        if len(melodies) != 1:
            raise UsageError("a WAV file holds one melody", remedy="write each to its own file")
        return to_wav(melodies[0])
    if name == "svg":
        from tunesmith.render.svg import to_svg

        return to_svg(melodies).encode()
    if name == "png":
        from tunesmith.render.svg import to_png

        return to_png(melodies)
    return formats.dumps(melodies, name)


def write(melody: Melody | Sequence[Melody], path: str | Path, *, force: bool = False) -> None:
    """Write melodies to a file: notes, a score (.svg, .png) or sound (.wav), by extension.

    Raises:
        OutputError: if it is there and `force` is not given, or cannot be written.
        UsageError: if nothing is written to such an extension.
    """
    path = Path(path)
    melodies = [melody] if isinstance(melody, Melody) else list(melody)
    name = _BY_ENDING.get(path.suffix.lower())
    if name is None:
        raise UsageError(
            f"nothing is written as '{path.suffix}'",
            where=str(path),
            remedy=f"use one of {', '.join(ENDINGS.values())}",
        )
    refuse_overwrite(path, force)
    write_atomically(path, render(melodies, name))


def parse_formats(text: str) -> list[str]:
    """The formats of a list such as 'mid,abc'.

    Raises:
        UsageError: for one that is not among `ENDINGS`.
    """
    names = [n.strip().lower() for n in text.split(",") if n.strip()]
    for name in names:
        if name not in ENDINGS:
            raise UsageError(
                f"there is no format '{name}'", remedy=f"use some of {','.join(ENDINGS)}"
            )
    if not names:
        raise UsageError("no format given", remedy=f"use some of {','.join(ENDINGS)}")
    return list(dict.fromkeys(names))


def free_places(
    out: Path, count: int, names: Sequence[str], *, force: bool, sheet: bool = False
) -> list[Path]:
    """Where that many tunes go, without extensions; asked before composing, no work is lost.

    Args:
        out: the folder, which need not be there.
        count: of the tunes.
        names: of the formats.
        force: whether files that are there may be replaced.
        sheet: whether there is a sheet of all.

    Raises:
        OutputError: if one of the files is there already, or `out` is no folder.
    """
    if out.is_file():
        raise OutputError("it is a file", where=str(out), remedy="give a folder as --out")
    digits = max(2, len(str(count)))
    stems = [out / f"tune-{i:0{digits}}" for i in range(1, count + 1)]
    for stem in stems:
        for ending in (*(ENDINGS[n] for n in names), ".json"):
            refuse_overwrite(stem.with_suffix(ending), force)
    if sheet:
        for place in (out / "sheet.svg", out / "sheet.png", *out.glob("sheet-*.[sp][vn]g")):
            refuse_overwrite(place, force)
    return stems


def write_tunes(
    tunes: Sequence[Tune], out: str | Path, names: Sequence[str], *, force: bool = False,
    sheet: bool = False,
) -> list[Path]:  # fmt: skip
    """Write each tune in each format and its receipt: `tune-01.mid`, …, `tune-01.json`.

    Nothing is written if any of the files is there already, unless `force` is given.

    Args:
        tunes: what to write.
        out: a folder.
        names: of the formats.
        force: replace what is there.
        sheet: draw them all, eight to a page, in `sheet.svg` and `sheet.png` (of several pages
            `sheet-1.svg` and so on), each with its figures.

    Returns:
        The files, in order.
    """
    out = Path(out)
    stems = free_places(out, len(tunes), names, force=force, sheet=sheet)
    written: list[Path] = []
    for tune, stem in zip(tunes, stems, strict=True):
        for name in names:
            written.append(stem.with_suffix(ENDINGS[name]))
            write_atomically(written[-1], tune_bytes(tune, name))
        written.append(stem.with_suffix(".json"))
        write_atomically(written[-1], receipt_bytes(tune))
    if sheet:
        from tunesmith.render.sheet import write_sheet

        written += write_sheet(
            [t.melody for t in tunes], out / "sheet", [_caption(t) for t in tunes]
        )
    return written


def tune_bytes(tune: Tune, name: str) -> bytes:
    """A tune as the bytes of a file; as MIDI in the file it was made from, if there is one.

    Args:
        tune: the tune.
        name: one of `ENDINGS`.
    """
    if name == "mid" and "source_midi" in tune.receipt:
        from tunesmith.api.keeping import midi_of

        return midi_of(tune)
    return render([tune.melody], name)


def _caption(tune: Tune) -> str:
    """Key and metre, and why it was chosen."""
    melody, chosen = tune.melody, tune.receipt.get("chosen") or {}
    said = [str(melody.key)] if melody.key else []
    said.append(str(melody.meters[0]))
    if (score := tune.receipt["rules"].get("combined")) is not None:
        said.append(f"rules {score:.2f}")
    if (near := chosen.get("nearest_distance")) is not None:
        said.append(f"{near:.2f} from {chosen['nearest']}")
    if (run := (tune.receipt.get("originality") or {}).get("longest_run")) is not None:
        said.append(f"longest copy {run} notes")
    return ", ".join(said)


def receipt_bytes(tune: Tune) -> bytes:
    """The receipt as a file."""
    return (json.dumps(tune.receipt, indent=1, ensure_ascii=False) + "\n").encode()
