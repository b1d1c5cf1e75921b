"""Load a model and compose with it; every tune comes with its receipt."""

from __future__ import annotations

import json
import platform
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.api.tracing import BOX, model_index
from tunesmith.decoding import Generated, Sampling, generate_ids
from tunesmith.errors import InputError, TunesmithError, UsageError
from tunesmith.evaluation import ranking
from tunesmith.evaluation.originality import judge, receipt_entry
from tunesmith.evaluation.originality_index import TuneIndex
from tunesmith.evaluation.rules_score import rule_figures
from tunesmith.keyfinding import with_estimates
from tunesmith.melody import MODES, Key, Melody, Meter, pitch_class
from tunesmith.model.checkpoint import Checkpoint, load_checkpoint
from tunesmith.model.inference import Network
from tunesmith.theory import scale_of
from tunesmith.tokens import Vocabulary, make_vocabulary, vocabulary_from_dict
from tunesmith.tokens.table import FIRST_EVENT

BATCH = 64
TEMPERATURE, TOP_P = 1.0, 0.97
"""The defaults of sampling; `benchmarks/LOG.md` says what else was tried."""
RECEIPT_FORMAT = 1
_LARGEST_RECEIPT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Model:
    """A model that composes and scores; made by `load_model`.

    Attributes:
        network: the weights, ready to run (numpy).
        vocabulary: what its ids say.
        checkpoint: where it comes from: configuration, provenance, hash.
        index: its training tunes, to tell originality by; None if it has none.
        no_index: why it has none; '' if it has one.
    """

    network: Network
    vocabulary: Vocabulary
    checkpoint: Checkpoint
    index: TuneIndex | None = None
    no_index: str = "made without an index of training tunes"


@dataclass(frozen=True)
class Tune:
    """A generated melody.

    Attributes:
        melody: the melody.
        receipt: plain data that says how it was made, holds its notes and token
            ids, and suffices to write it again.
    """

    melody: Melody
    receipt: dict[str, Any]


def load_model(path: str | Path | None = None) -> Model:
    """Load a checkpoint folder, or the best checkpoint of a training run.

    Args:
        path: the folder; None is the model that comes with Tunesmith.

    Raises:
        InputError: if there is none, or it is damaged.
    """
    path = BOX if path is None else path
    checkpoint = load_checkpoint(Path(path))
    try:
        vocabulary = vocabulary_from_dict(checkpoint.vocabulary)
    except InputError as e:
        raise e.at(str(path)) from e
    if vocabulary.size != checkpoint.config.vocab_size:
        raise InputError(
            f"its vocabulary has {vocabulary.size} tokens and its network "
            f"{checkpoint.config.vocab_size}",
            where=str(path),
        )
    index, no_index = model_index(path, checkpoint)
    recall = vocabulary.recall if checkpoint.config.recall_channels else None
    network = Network(checkpoint.weights, checkpoint.config, recall)
    return Model(network, vocabulary, checkpoint, index, no_index)


def generate(
    model: Model,
    *,
    count: int = 1,
    seed: int | None = None,
    bars: int | None = None,
    key: str | None = None,
    mode: str | None = None,
    meter: str | None = None,
    tempo: float | None = None,
    style: str | None = None,
    temperature: float | None = None,
    top_k: int = 0,
    top_p: float | None = None,
    from_: int | None = None,
    rank: str | None = None,
    min_rules: Mapping[str, float] | None = None,
    max_copy: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Tune]:
    """Compose melodies.

    What is not asked for the model chooses. Bars and metre hold exactly, and with a mode
    every note is in its scale (minor with its raised sixth and seventh too); a key without a
    mode and a style are what the model was conditioned on.

    Args:
        model: from `load_model`.
        count: how many, 1 to 10,000.
        seed: of the sampling; random if None, and always in the receipt.
        bars: exact number, 1 to 512, a pickup not counted.
        key: the tonic: 'D', 'F#', 'Eb'.
        mode: one of major, minor, dorian, phrygian, lydian, mixolydian, locrian.
        meter: as '6/8'; then it never changes.
        tempo: quarter notes a minute, written into the files.
        style: one of the model's styles.
        temperature: see `Sampling`; None is `TEMPERATURE`.
        top_k: see `Sampling`.
        top_p: see `Sampling`; None is `TOP_P`.
        from_: compose so many, at least `count`, and keep the `count` best that pass.
        rank: what is best: 'rules' (the default), 'likelihood' or 'both'; see
            `evaluation.ranking.choose_best`. 'likelihood' takes as typical the bits
            per note of the model's validation tunes. The best come first.
        min_rules: the least score by rule that a tune must have, 0 to 1.
        max_copy: notes that the longest run shared with a training tune may have.
        progress: told (tunes ended, tunes).

    Raises:
        UsageError: for what cannot be asked of this model; fewer than `count` pass.
    """
    if not 1 <= count <= 10_000:
        raise UsageError(f"{count} melodies", remedy="ask for 1 to 10,000")
    if tempo is not None and not 10 <= tempo <= 500:
        raise UsageError(f"a tempo of {tempo}", remedy="use 10 to 500 quarter notes a minute")
    chooses = any(v is not None for v in (from_, rank, min_rules, max_copy))
    made_in_all = count if from_ is None else from_
    if not count <= made_in_all <= 10_000:
        raise UsageError(
            f"{count} melodies from {made_in_all}", remedy=f"use --from {count} to 10,000"
        )
    ranking.check(rank or "rules", min_rules or {})
    seed = secrets.randbits(32) if seed is None else seed
    if seed < 0:
        raise UsageError("a negative seed", remedy="use 0 or more")
    sampling = Sampling(
        temperature=TEMPERATURE if temperature is None else temperature,
        top_k=top_k,
        top_p=TOP_P if top_p is None else top_p,
    )
    asked = _asked(bars=bars, key=key, mode=mode, meter=meter, style=style)
    wishes = {**asked, "meter": parse_meter(meter)} if meter else asked
    grammar = model.vocabulary.grammar(wishes)
    tunes: list[Tune] = []
    for start in range(0, made_in_all, BATCH):
        size = min(BATCH, made_in_all - start)
        made = generate_ids(
            model.network,
            [grammar] * size,
            [np.random.default_rng([seed, start + i]) for i in range(size)],
            sampling,
            progress=_later(progress, start, made_in_all),
        )
        for i, one in enumerate(made, start):
            origin = {"seed": seed, "index": i, "count": made_in_all}
            tunes.append(_tune(model, one, origin, asked, sampling, tempo))
    for tune in tunes:
        tune.receipt["rules"] = rule_figures(tune.melody)
    if not chooses:
        return tunes
    return _best(model, tunes, count, rank or "rules", min_rules or {}, max_copy)


def _best(
    model: Model,
    tunes: list[Tune],
    count: int,
    rank: str,
    min_rules: Mapping[str, float],
    max_copy: int | None,
) -> list[Tune]:
    """The best tunes, the first the best; their receipts say how they were chosen."""
    candidates = [
        ranking.Candidate(
            tune.receipt["rules"],
            tune.receipt["bits_per_note"],
            (tune.receipt.get("originality") or {}).get("longest_run"),
            sparse=len(tune.melody.notes) < len(tune.melody.bars),
        )
        for tune in tunes
    ]
    typical = (model.checkpoint.provenance.get("scores") or {}).get("bits_per_note")
    choice = ranking.choose_best(
        candidates, count, rank=rank, limits=min_rules, most_copied=max_copy, typical_bits=typical
    )
    for place, i in enumerate(choice.kept, 1):
        tunes[i].receipt["chosen"] = {
            "rank": rank, "place": place, "from": len(tunes), "passed": choice.passed,
            "refused": dict(choice.refused), "typical_bits_per_note": typical,
            "min_rules": dict(min_rules), "max_copy": max_copy,
        }  # fmt: skip
    return [tunes[i] for i in choice.kept]


def _later(
    progress: Callable[[int, int], None] | None, before: int, count: int
) -> Callable[[int, int], None] | None:
    """A batch's progress as progress of the whole."""
    return progress and (lambda ended, _: progress(before + ended, count))


def _asked(**wishes: Any) -> dict[str, Any]:
    asked = {name: value for name, value in wishes.items() if value is not None}
    if "key" in asked:
        asked["key"] = parse_tonic(asked["key"])
    if "mode" in asked:
        asked["mode"] = asked["mode"].lower()
        if asked["mode"] not in MODES:
            raise UsageError(
                f"there is no mode '{asked['mode']}'", remedy=f"use one of {', '.join(MODES)}"
            )
    return asked


def parse_tonic(text: str) -> str:
    """A tonic as typed ('d', 'Bb', 'f#') as a note name.

    Raises:
        UsageError: if it is none.
    """
    name = text[:1].upper() + text[1:]
    try:
        pitch_class(name)
    except InputError:
        raise UsageError(
            f"'{text}' is no tonic", remedy="use a note name such as D, F# or Bb; --mode is apart"
        ) from None
    return name


def parse_meter(text: str) -> Meter:
    """A metre as typed ('6/8').

    Raises:
        UsageError: if it is none.
    """
    try:
        numerator, denominator = map(int, text.split("/"))
        return Meter(0, numerator, denominator)
    except (ValueError, InputError):
        raise UsageError(f"'{text}' is no metre", remedy="write it as 4/4, 3/4 or 6/8") from None


def _tune(
    model: Model,
    made: Generated,
    origin: Mapping[str, int],
    asked: Mapping[str, Any],
    sampling: Sampling,
    tempo: float | None,
) -> Tune:
    """A generated sequence as a melody with its receipt."""
    vocabulary = model.vocabulary
    melody = replace(
        with_estimates(vocabulary.decode(made.ids)),
        tempo=tempo,
        title=f"Tune {origin['seed']}-{origin['index'] + 1}",
    )
    if melody.key and "key" in asked:  # C# major is not Db major to who asked for it
        melody = replace(melody, key=Key(asked["key"], melody.key.mode))
    given = FIRST_EVENT if vocabulary.kind == "notes" else 1
    bits = -sum(made.log_probabilities[given - 1 :]) / np.log(2)
    provenance = model.checkpoint.provenance
    receipt = {
        "receipt": RECEIPT_FORMAT,
        "melody": melody.to_dict(),
        "vocabulary": vocabulary.kind,
        "token_ids": list(made.ids),
        **origin,
        "batch": BATCH,
        "model_sha256": model.checkpoint.sha256,
        "model_licence": provenance.get("licence"),
        "versions": {
            "tunesmith": metadata.version("tunesmith"),
            "numpy": np.__version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
        },
        "asked": dict(asked) | ({"tempo": tempo} if tempo else {}),
        "sampling": asdict(sampling),
        "constraints": _constraints(melody, asked, made, vocabulary),
        "bits_per_note": round(float(bits) / len(melody.notes), 4),
        "originality": None,
    }
    if model.index:
        found = judge(model.index, melody)
        receipt["originality"] = receipt_entry(found, model.index.header["human"])
    else:
        receipt["originality_missing"] = model.no_index
    return Tune(melody, receipt)


def _constraints(
    melody: Melody, asked: Mapping[str, Any], made: Generated, vocabulary: Vocabulary
) -> list[dict[str, Any]]:
    """What was asked, beside what the melody itself shows."""
    found: list[dict[str, Any]] = []
    counted = [b for b in melody.bars if not b.is_pickup]
    if "bars" in asked:
        found.append(_hard("bars", asked["bars"], len(counted)))
    if "meter" in asked:
        meters = sorted({str(b.meter) for b in counted})
        found.append(_hard("meter", asked["meter"], ", ".join(meters)))
    if melody.key and ("key" in asked or "mode" in asked):
        scale = {(melody.key.pitch_class + s) % 12 for s in scale_of(melody.key.mode)}
        inside = sum(p % 12 in scale for p in melody.pitches) / len(melody.notes)
        entry = {"name": "key", "kind": "soft", "wanted": str(melody.key),
                 "notes_in_scale": round(inside, 4)}  # fmt: skip
        if "mode" in asked:
            entry |= {"kind": "hard", "met": inside == 1 and melody.key.mode == asked["mode"]}
        found.append(entry)
    if "style" in asked:
        said = vocabulary.words(made.ids[1:2])[0]
        found.append(_hard("style", f"style:{vocabulary.styles.index(asked['style'])}", said))
    return found


def _hard(name: str, wanted: object, got: object) -> dict[str, Any]:
    met = str(wanted) == str(got)
    return {"name": name, "kind": "hard", "wanted": wanted, "got": got, "met": met}


def read_receipt(path: Path) -> Tune:
    """The tune of a receipt file, checked: its token ids must give its notes again.

    Raises:
        InputError: if it is no receipt, or damaged.
    """

    def refused(what: str) -> InputError:
        remedy = "give a .json file as `tunesmith generate` wrote it"
        return InputError(what, where=str(path), remedy=remedy)

    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_RECEIPT + 1)
        if len(data) > _LARGEST_RECEIPT:
            raise refused(f"is larger than {_LARGEST_RECEIPT // 1024**2} MB, so no receipt")
        receipt = json.loads(data)
    except OSError as e:
        raise refused(f"cannot be read ({e.strerror})") from e
    except (ValueError, RecursionError) as e:
        raise refused("is no receipt: not JSON") from e
    if not isinstance(receipt, dict) or receipt.get("receipt") != RECEIPT_FORMAT:
        raise refused(f"is no receipt of format {RECEIPT_FORMAT}")
    try:
        melody = Melody.from_dict(receipt.get("melody", {}))
    except InputError as e:
        raise refused(f"its melody is damaged ({e.what})") from e
    ids, kind = receipt.get("token_ids"), receipt.get("vocabulary")
    if not isinstance(ids, list) or any(type(i) is not int for i in ids):
        raise refused("its token ids are no list of whole numbers")
    try:
        again = make_vocabulary(kind if isinstance(kind, str) else "").decode(ids)
    except TunesmithError as e:
        raise refused(f"its token ids are damaged ({e.what})") from e
    if again.notes != melody.notes:
        raise refused("its token ids are not those of its melody")
    return Tune(melody, receipt)
