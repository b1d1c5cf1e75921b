"""Options that several verbs share, each written once: dataclasses whose fields are options."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from tunesmith.errors import UsageError, printable

if TYPE_CHECKING:
    from tunesmith.api.drawing import Progress
    from tunesmith.api.model import Tune
    from tunesmith.melody import Melody

R = TypeVar("R")

PITCH = "What must hold: pitches"
TIME = "What must hold: bars and rhythm"
LINE = "What must hold: line and form"
SOFT = "What it leans towards"
CHOICE = "How many, and which are kept"
OUTPUT = "What is written"


def flat(command: Callable[..., R]) -> Callable[..., R]:
    """A command whose parameters that are dataclasses become options, one for each field."""
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[type, list[str]]] = {}
    for parameter in inspect.signature(command).parameters.values():
        kind = hints[parameter.name]
        if not is_dataclass(kind):
            parameters.append(parameter.replace(annotation=kind))
            continue
        assert isinstance(kind, type)
        inner = get_type_hints(kind, include_extras=True)
        names = [f.name for f in fields(kind)]
        groups[parameter.name] = (kind, names)
        for f in fields(kind):
            assert f.default is not MISSING, "an option has a default"
            parameters.append(
                inspect.Parameter(
                    f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default,
                    annotation=inner[f.name],
                )
            )  # fmt: skip
    parameters.sort(key=lambda p: p.default is not inspect.Parameter.empty)

    @wraps(command)
    def run(**given: Any) -> R:
        for name, (kind, names) in groups.items():
            given[name] = kind(**{n: given.pop(n) for n in names})
        return command(**given)

    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    run.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in keyword}
    return run


def _option(panel: str, text: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=False, **more)


@dataclass(frozen=True, kw_only=True)
class Scales:
    """Hard constraints on which pitches there may be."""

    key: Annotated[str | None, _option(PITCH, "The tonic, as D or Bb.", metavar="D")] = None
    mode: Annotated[
        str | None, _option(PITCH, "major, minor, dorian, … With it only its scale.")
    ] = None
    scale: Annotated[
        str | None, _option(PITCH, "These pitch classes only.", metavar="'C D Eb G A'")
    ] = None
    allow_chromatic: Annotated[
        str | None, _option(PITCH, "These besides the scale.", metavar="'F F#'")
    ] = None
    range: Annotated[str | None, _option(PITCH, "Both ends included.", metavar="D4:B5")] = None


@dataclass(frozen=True, kw_only=True)
class Pitches(Scales):
    """Hard constraints on pitches."""

    start: Annotated[
        str | None, _option(PITCH, "First note: degree, pitch class or pitch.", metavar="5|D|D4")
    ] = None
    end: Annotated[str | None, _option(PITCH, "Last note, likewise.", metavar="1|D|D4")] = None
    cadence: Annotated[str | None, _option(PITCH, "authentic, half or open.")] = None
    chords: Annotated[
        str | None,
        _option(PITCH, "A bar an entry; chord tones on strong beats.", metavar="'Dm7 | G7'"),
    ] = None
    max_leap: Annotated[int | None, _option(PITCH, "Semitones between notes.")] = None
    max_repeat: Annotated[int | None, _option(PITCH, "Notes of one pitch in a row.")] = None


@dataclass(frozen=True, kw_only=True)
class Times:
    """Hard constraints on rhythm that make sense for some new bars too."""

    note_values: Annotated[
        str | None, _option(TIME, "Lengths of notes and rests.", metavar="1/8,1/4")
    ] = None
    notes_per_bar: Annotated[
        str | None, _option(TIME, "Notes that begin in each bar.", metavar="2:8")
    ] = None
    rest_share: Annotated[
        str | None, _option(TIME, "Share of silence; 0:1 takes any.", metavar="0:0.2")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Hard constraints on the whole of what is new."""

    rhythm: Annotated[
        str | None, _option(TIME, "Lengths in a row, repeated.", metavar="'1/4 r1/8 1/8'")
    ] = None
    contour: Annotated[
        str | None,
        _option(
            LINE,
            "Of the bars' first notes; or the signs of a file's intervals.",
            metavar="up|down|arch|FILE",
        ),
    ] = None
    form: Annotated[
        str | None, _option(LINE, "Sections that return, exactly or varied.", metavar="AABA'")
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Hard constraints on the frame of a whole tune."""

    bars: Annotated[int | None, _option(TIME, "How many, exactly, without pickup.")] = None
    meter: Annotated[str | None, _option(TIME, "Throughout.", metavar="6/8")] = None
    pickup: Annotated[str | None, _option(TIME, "Whether, or how long.", metavar="yes|no|1/8")] = (
        None
    )
    rhythm_from: Annotated[
        Path | None, _option(TIME, "The rhythm of a file's melody.", metavar="FILE")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Soft:
    """What the model is conditioned on, and how it is sampled."""

    style: Annotated[str | None, _option(SOFT, "One of the model's styles.")] = None
    density: Annotated[float | None, _option(SOFT, "Notes a quarter, as 1.5.")] = None
    temperature: Annotated[
        float | None, _option(SOFT, "Below 1 safer, above 1 bolder. (default 1)")
    ] = None
    top_k: Annotated[int, _option(SOFT, "Keep the k likeliest; 0 = all.", min=0)] = 0
    top_p: Annotated[float | None, _option(SOFT, "Keep this much probability; 1 = all.")] = None
    min_p: Annotated[
        float, _option(SOFT, "Drop what has less than this share of the likeliest; 0 = off.")
    ] = 0.0
    repetition: Annotated[
        float, _option(SOFT, "More (to 1) or less (to -1) of what was there before; 0 = as is.")
    ] = 0.0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How many, and which."""

    count: Annotated[int, _option(CHOICE, "How many melodies. (default 1)", min=1, max=10_000)] = 1
    seed: Annotated[int | None, _option(CHOICE, "Random if not given; printed.", min=0)] = None
    from_: Annotated[
        int | None,
        _option(CHOICE, "Make so many, keep the best that differ.", "--from", min=1),
    ] = None
    rank: Annotated[
        str | None, _option(CHOICE, "Best by: real, rules, likelihood or both. (default real)")
    ] = None
    min_rule: Annotated[
        list[str] | None, _option(CHOICE, "Refuse below; may be given again.", metavar="NAME=SCORE")
    ] = None
    max_copy: Annotated[
        int | None,
        _option(CHOICE, "Refuse a longer run of notes shared with a training tune.", min=0),
    ] = None

    apart: Annotated[
        float | None, _option(CHOICE, "How far those kept differ, 0 to 1; 0.65 if new tunes.")
    ] = None

    def how(self, soft: Soft, told: Progress | None) -> dict[str, Any]:
        """As `Drawing` takes it, with the soft wishes."""
        from tunesmith.evaluation.ranking import parse_limits

        chosen = {f.name: getattr(self, f.name) for f in fields(self)}
        rules = chosen.pop("min_rule")
        chosen["min_rules"] = parse_limits(rules) if rules else None
        wished = {f.name: getattr(soft, f.name) for f in fields(soft)}
        return {**chosen, **wished, "progress": told}


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where to, and in which formats."""

    formats: Annotated[
        str,
        _option(OUTPUT, "Of mid,abc,musicxml,kern,letters,wav,svg,png. (default mid)", "--format"),
    ] = "mid"
    tempo: Annotated[
        float | None, _option(OUTPUT, "Quarter notes a minute.", "--tempo", "--bpm")
    ] = None
    sheet: Annotated[
        bool | None,
        _option(OUTPUT, "All on sheet.svg and .png. (if chosen with --from)", "--sheet/--no-sheet"),
    ] = None
    force: Annotated[bool, _option(OUTPUT, "Replace what is there.", "--force")] = False
    as_json: Annotated[bool, _option(OUTPUT, "Print the receipts as JSON.", "--json")] = False


Source = Annotated[
    Path, typer.Argument(metavar="FILE", help="A file of music; FILE#2 is its second tune.")
]

MOST_DRAWN = 40
"""Tunes that are drawn on sheets unasked."""


def one_melody(path: Path, track: str = "auto") -> Melody:
    """The melody of a file.

    Args:
        path: the file; the second tune of songs.abc is also songs.abc#2.
        track: as in `formats.scan`.

    Raises:
        UsageError: if there are several and none is named, or the one that is named is not there.
        InputError: if it cannot be read.
    """
    from tunesmith import formats

    return formats.read_one(*named_tune(path), track)


def named_tune(path: Path) -> tuple[Path, int | None]:
    """The file, and the number of the tune, of songs.abc#2."""
    name, sign, digits = str(path).rpartition("#")
    if sign and digits.isdecimal() and not path.exists():
        return Path(name), int(digits)
    return path, None


def constraints_of(*groups: Any) -> dict[str, Any]:
    """The fields of groups of hard constraints, with the files that they name read."""
    found = {f.name: getattr(g, f.name) for g in groups for f in fields(g)}
    if (path := found.get("rhythm_from")) is not None:
        found["rhythm_from"] = one_melody(path)
    contour = found.get("contour")
    if contour is not None and contour not in ("up", "down", "arch"):
        if not named_tune(Path(contour))[0].exists():
            raise UsageError(
                f"there is no contour and no file '{contour}'", where="--contour",
                remedy="use up, down, arch or a file of music",
            )  # fmt: skip
        found["contour"] = one_melody(Path(contour))
    return found


def ready(out: Path, output: Output, soft: Soft, choice: Choice) -> bool:
    """Whether there will be a sheet; what is there already or cannot be asked is refused."""
    from tunesmith.api.drawing import Drawing
    from tunesmith.api.writing import free_places, parse_formats

    drawing = Drawing(tempo=output.tempo, **choice.how(soft, None))
    sheet = output.sheet
    if sheet is None:
        sheet = drawing.chooses and 1 < drawing.count <= MOST_DRAWN
    names = parse_formats(output.formats)
    free_places(out, drawing.count, names, force=output.force, sheet=sheet)
    return sheet


def keep_rest(tunes: list[Tune], path: Path, track: str, output: Output) -> None:
    """Keep what else is in a MIDI file, or say why not; with a new tempo it is written anew."""
    from tunesmith.api.keeping import keep_file

    if output.tempo is None and (why := keep_file(tunes, path, track)):
        print(f"{path}: only the melody is written: {why}", file=sys.stderr)


def rework(
    verb: Callable[..., list[Tune]],
    path: Path,
    track: str,
    model: Path | None,
    soft: Soft,
    choice: Choice,
    output: Output,
    out: Path,
    *given: Any,
    alone: bool = False,
    **more: Any,
) -> None:
    """Do something with the melody of a file, and write what comes of it.

    The verb of the API takes the model, the melody, what is `given`, and keywords. With `alone`
    nothing of the file belongs to the new melodies.
    """
    from tunesmith.api.model import load_model
    from tunesmith.cli.common import progress

    sheet = ready(out, output, soft, choice)
    melody = one_melody(path, track)
    with progress("composing") as told:
        tunes = verb(
            load_model(model), melody, *given, tempo=output.tempo, **more, **choice.how(soft, told)
        )
    if not alone:
        keep_rest(tunes, named_tune(path)[0], track, output)
    finish(tunes, out, output, sheet=sheet)


def finish(
    tunes: list[Tune], out: Path, output: Output, *, sheet: bool, again: bool = False
) -> None:
    """Write tunes and receipts, and a sheet of all, and say so; `again` if from a receipt."""
    import json

    from tunesmith.api import writing

    written = writing.write_tunes(
        tunes, out, writing.parse_formats(output.formats), force=output.force, sheet=sheet
    )
    if output.as_json:
        print(json.dumps([t.receipt for t in tunes], indent=1, ensure_ascii=False))
        return
    print(f"seed {tunes[0].receipt['seed']}")
    for why, count in tunes[0].receipt.get("redrawn", {}).items() if not again else ():
        print(f"drawn again: {count}, since {why}")
    if "chosen" in tunes[0].receipt and not again:
        _print_choice(tunes)
    for tune in tunes[:20]:
        m, bits = tune.melody, tune.receipt["bits_per_note"]
        said = "" if bits is None else f", {bits:.2f} bits a note"
        print(
            f"{printable(m.title)}: {m.key or 'no key'}, {m.meters[0]}, {len(m.notes)} notes{said}"
        )
    print(f"{len(written)} files in {out}")


def _print_choice(tunes: list[Tune]) -> None:
    """Why these were kept, and what refused the others."""
    from tunesmith.cli.common import print_rows
    from tunesmith.evaluation.ranking import table

    why = [tune.receipt["chosen"] for tune in tunes]
    first = why[0]
    print(f"{len(tunes)} kept of {first['from']}, {first['passed']} passed, by {first['rank']}")
    if first["rank"] in ("likelihood", "both"):
        print(f"likelihood: near {first['typical_bits_per_note']:.2f} bits a note, as real tunes")
    for name, count in first["refused"].items():
        print(f"refused by {name}: {count}")
    if first["too_near"]:
        print(f"too near to a better one: {first['too_near']}")
    if first["shortfall"]:
        print(first["shortfall"])
    print_rows(table(why, [tune.melody.title for tune in tunes]))
