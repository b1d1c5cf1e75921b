"""Every constraint set once: compose, write MIDI, read that with mido, check; or a refusal.

    python benchmarks/constraint_run.py run SETS --out LOG [--uniform] [--limit N] [--seconds S]
        [--again OUTCOME]
    python benchmarks/constraint_run.py table LOG

The sets are those of `constraint_sets.py`. The log has one line a set and the run goes on where
the log ends; with `--again "over time"` it goes once more through those that came to that, and
the last line of a set counts. `--uniform` takes a network that finds all ids equally likely in
place of the model: the engine alone, at its least musical.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import statistics
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from constraint_checker import broken
from constraint_heard import Heard, read_midi

import tunesmith
from tunesmith.api.composing import generate
from tunesmith.api.model import Model
from tunesmith.api.reworking import continue_
from tunesmith.decoding.constraints import Constraints, KeptBars
from tunesmith.errors import UsageError
from tunesmith.melody import Melody

OUTCOMES = ("held", "refused", "broken", "dead end", "crash", "usage", "unsettled", "over time")


class Uniform:
    """A network to which all ids are equally likely."""

    class Cache:
        length = 0
        recall = None

        def select(self, rows: list[int]) -> Uniform.Cache:
            return self

    def __init__(self, network: Any) -> None:
        self.config = network.config

    def new_cache(self, rows: int, context: int) -> Uniform.Cache:
        return self.Cache()

    def step(self, ids: np.ndarray, cache: Uniform.Cache) -> np.ndarray:
        return np.zeros((len(ids), self.config.vocab_size), np.float32)

    def prefill(self, ids: np.ndarray, cache: Uniform.Cache, seen: Any = None) -> np.ndarray:
        return np.zeros((*ids.shape, self.config.vocab_size), np.float32)


class OverTime(Exception):
    """It took more of the processor than it may."""


def melody(data: dict) -> Melody:
    return Melody.from_dict({**data, "notes": [list(n) for n in data["notes"]]})


def constraints(asked: dict) -> Constraints:
    """The set as the engine takes it: files as melodies, counts as numbers."""
    values: dict[str, Any] = dict(asked)
    for name in ("bars", "max_leap", "max_repeat"):
        if name in values:
            values[name] = int(values[name])
    for name in ("rhythm_from", "pitches_from", "contour"):
        if isinstance(values.get(name), dict):
            values[name] = melody(values[name])
    if "kept" in values:
        kept = values["kept"]
        values["kept"] = KeptBars(melody(kept["melody"]), frozenset(kept["bars"]))
    return Constraints(**values)


def compose(model: Model, one: dict) -> Melody:
    wanted = constraints(one["asked"])
    if "primer" not in one:
        return generate(model, wanted, count=1, seed=one["id"])[0].melody
    bars = wanted.bars
    assert bars is not None
    asked = {n: v for n, v in wanted.asked().items() if n != "bars"}
    primer = melody(one["primer"])
    made = continue_(model, primer, Constraints(**asked), bars=bars, count=1, seed=one["id"])
    return made[0].melody


def heard_of(made: Melody, folder: Path) -> Heard:
    path = folder / "tune.mid"
    tunesmith.write(made, path, force=True)
    return read_midi(path.read_bytes())


def _over(signum: int, frame: object) -> None:
    raise OverTime


def attempt(model: Model, one: dict, folder: Path, seconds: float) -> dict:
    """What became of a set, as a line of the log."""
    line: dict[str, Any] = {"id": one["id"], "kind": one["kind"], "flags": names(one)}
    line |= {"bars": one["asked"].get("bars"), "seconds": seconds}
    cpu = time.process_time()
    signal.signal(signal.SIGPROF, _over)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        made = compose(model, one)
        line["cpu_s"] = round(time.process_time() - cpu, 3)
        heard = heard_of(made, folder)
        new = heard.bars[-int(one["asked"]["bars"])].start if "primer" in one else 0
        wrong = broken(heard, one["asked"], new)
        wrong += primer_changed(heard, one, new)
        line |= {"outcome": "broken" if wrong else "held", "notes": len(heard.notes)}
        if wrong:
            line |= {"broken": wrong, "made": heard.as_data()}
    except UsageError as e:
        line |= {"outcome": "refused", "said": str(e)[:600], **named(e)}
        if not line["named"]:
            line["outcome"] = "unsettled" if "could not be settled" in e.what else "usage"
    except OverTime:
        line |= {"outcome": "over time", "where": traceback.format_exc()[-600:]}
    except Exception as e:
        dead = isinstance(e, AssertionError) and "dead end" in str(e)
        line |= {
            "outcome": "dead end" if dead else "crash",
            "where": traceback.format_exc()[-1500:],
        }
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    line.setdefault("cpu_s", round(time.process_time() - cpu, 3))
    return line


def primer_changed(heard: Heard, one: dict, new: int) -> list[str]:
    """['primer'] if the bars before the new ones are not those of the primer, to the tick."""
    if "primer" not in one:
        return []
    before = [n for n in heard.notes if n[0] < new]
    return ["primer"] if before != [tuple(n) for n in one["primer"]["notes"]] else []


def names(one: dict) -> list[str]:
    """The flags of a set; `contour` of a file and primers by names of their own."""
    found = ["contour file" if n == "contour" and isinstance(v, dict) else n
             for n, v in one["asked"].items()]  # fmt: skip
    return found + ["primer"] * ("primer" in one)


def named(error: UsageError) -> dict:
    """The conflict that a refusal names, as flags, and the change."""
    found = [word.replace("-", "_") for word in re.findall(r"--([a-z-]+)", error.what)]
    refused = error.what.startswith("no melody keeps")
    return {"named": found if refused else [], "change": error.remedy}


def outcomes(log: Path) -> dict[int, dict]:
    """The last line of each set."""
    return {x["id"]: x for x in map(json.loads, log.read_text().splitlines())}


def run(asked: argparse.Namespace) -> None:
    known = outcomes(asked.out) if asked.out.exists() else {}
    done = {number for number, line in known.items() if line["outcome"] != asked.again}
    model = tunesmith.load_model()
    if asked.uniform:
        model = Model(Uniform(model.network), model.vocabulary, model.checkpoint)  # type: ignore
    with (
        asked.file.open() as lines,
        asked.out.open("a") as out,
        tempfile.TemporaryDirectory() as folder,
    ):
        for line in lines:
            one = json.loads(line)
            if one["id"] >= asked.limit:
                break
            if one["id"] in done or (asked.again and one["id"] not in known):
                continue
            became = attempt(model, one, Path(folder), asked.seconds)
            print(json.dumps(became), file=out, flush=True)


def table(log: Path) -> None:
    """Outcomes by flag, and processor seconds a melody."""
    lines = list(outcomes(log).values())
    for kind in ("derived", "changed", "drawn"):
        some = [x for x in lines if x["kind"] == kind]
        print(kind, len(some), dict(Counter(x["outcome"] for x in some)))
    flags = sorted({f for x in lines for f in x["flags"]})
    print("| flag | derived: held / sets | random | " + " | ".join(OUTCOMES) + " |")
    print("|---" * (3 + len(OUTCOMES)) + "|")
    for flag in [*flags, "all"]:
        some = [x for x in lines if flag == "all" or flag in x["flags"]]
        made = [x for x in some if x["kind"] == "derived"]
        held = sum(x["outcome"] == "held" for x in made)
        random = [x for x in some if x["kind"] != "derived"]
        counts = Counter(x["outcome"] for x in random)
        cells = [f"{held} / {len(made)}", len(random), *(counts[o] for o in OUTCOMES)]
        print(f"| {flag} | " + " | ".join(map(str, cells)) + " |")
    small = [x for x in lines if x["kind"] != "derived" and x["bars"] and int(x["bars"]) <= 4]
    random = [x for x in lines if x["kind"] != "derived"]
    print(f"of {len(random)} random sets {len(small)} ask for at most 4 bars")
    for outcome in ("held", "refused"):
        times = sorted(x["cpu_s"] for x in lines if x["outcome"] == outcome)
        if times:
            print(f"{outcome}, s of processor: median {statistics.median(times)}, 95th percentile "
                  f"{times[int(0.95 * len(times))]}, worst {times[-1]}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--uniform", action="store_true")
    parser.add_argument("--limit", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=30, help="of the processor, for a set")
    parser.add_argument("--again", choices=OUTCOMES, metavar="OUTCOME")
    asked = parser.parse_args()
    if asked.what == "table":
        table(asked.file)
    elif asked.out is None:
        sys.exit("run needs --out")
    else:
        run(asked)


if __name__ == "__main__":
    main()
