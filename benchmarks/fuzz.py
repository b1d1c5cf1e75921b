"""Damaged files by the thousand: nothing but a melody or one clear line may come out.

    python benchmarks/fuzz.py [abc midi …] [--count 13000] [--seed 1] [--out FOLDER]
    python benchmarks/fuzz.py --bombs

Each input is a real file mutated (see `fuzz_mutations.py`), of a random number that
its format, index and --seed fix. A process of its own reads it; every melody is then
written in every format, read again, and told in tokens. A failure is any exception
but ours; more than 2 s of processor time in reading or in any one writing; more than
300 MB of peak memory; a signal; a refusal that is not one printable line that names
its file. Failing inputs are kept under --out. A run that is stopped goes on where it was.

Seeds are the tunes that come with the package, written by our own writers, and where
they are there the corpora: music21's ABC, and bimmuda, openewld and openscore-lieder
under --data or TUNESMITH_DATA. Linux only: peak memory is read from /proc.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import io
import json
import multiprocessing as mp
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import fuzz_bombs
import fuzz_mutations as mutations
import numpy as np

from tunesmith import formats
from tunesmith.api.composing import RECEIPT_FORMAT, generate, load_model, read_receipt
from tunesmith.errors import TunesmithError
from tunesmith.melody import Melody
from tunesmith.model.checkpoint import save_checkpoint
from tunesmith.model.config import ModelConfig
from tunesmith.tokens import make_vocabulary

MOST_SECONDS = 2.0
MOST_MB = 300.0
MOST_USED = 3
"""Melodies of one file that are written as well, and below, refusals that are kept."""
MOST_REFUSALS = 100
CHUNK = 250
LARGEST_SEED = 40_000
EXAMPLES = Path(formats.__file__).parent.parent / "corpus" / "examples"
ENDINGS = {
    "midi": ".mid", "abc": ".abc", "musicxml": ".musicxml", "mxl": ".mxl", "letters": ".txt",
    "kern": ".krn", "receipts": ".json", "checkpoints": "",
}  # fmt: skip
LIGHT: dict[str, mutations.Mutate] = {
    "midi": mutations.midi_mutator,
    "mxl": mutations.mxl_mutator,
    "receipts": mutations.receipt_mutator,
    "checkpoints": mutations.checkpoint_mutator,
    **{name: mutations.text_mutator(name) for name in ("abc", "musicxml", "letters", "kern")},
}


# -- seeds -------------------------------------------------------------------------


def seeds(name: str, data: Path | None) -> list[bytes]:
    """Sound files of a format, at most some hundred and none large."""
    melodies = [m for p in sorted(EXAMPLES.glob("*.abc")) for m in formats.read(p)][:60]
    if name == "checkpoints":
        return [_checkpoint(kind) for kind in ("notes", "letters")]
    if name == "receipts":
        return [_receipt(m, kind) for m in melodies for kind in ("notes", "letters")]
    written = {"midi": "mid", "mxl": "musicxml"}.get(name, name)
    own = [formats.dumps([m], written) for m in melodies]
    if name == "mxl":
        own = [_mxl(score) for score in own]
    found = list(_corpus_files(name, data))
    random.Random(0).shuffle(found)
    return own + found[:300]


def _corpus_files(name: str, data: Path | None) -> Iterator[bytes]:
    spec = importlib.util.find_spec("music21")
    if name == "abc" and spec and spec.submodule_search_locations:
        root = Path(spec.submodule_search_locations[0]) / "corpus"
        for folder in ("oneills1850", "airdsAirs", "ryansMammoth", "essenFolksong"):
            for path in sorted((root / folder).glob("*.abc"))[:12]:
                tunes = path.read_bytes().split(b"\nX:")
                yield from (b"X:" + tune for tune in tunes[1:40])
    if data is None or not data.is_dir():
        return
    if name == "letters":
        for path in sorted((data / "seed").glob("melodies_letters.txt")):
            lines = path.read_bytes().splitlines()
            yield from (b"\n".join(lines[i : i + 2]) for i in range(0, 200, 2))
    if name == "midi":
        yield from (p.read_bytes() for p in sorted((data / "bimmuda").rglob("*.mid")))
    if name in ("musicxml", "mxl"):
        for path in sorted((data / "openewld").rglob("*.mxl"))[:200]:
            with zipfile.ZipFile(path) as archive:
                score = max((archive.read(n) for n in archive.namelist()), key=len)
            if len(score) <= LARGEST_SEED:
                yield score if name == "musicxml" else path.read_bytes()
    if name == "kern":
        for path in sorted((data / "openewld").rglob("*.mxl"))[:100]:
            yield from (formats.dumps([r.melody], "kern") for r in formats.scan(path) if r.melody)


def _mxl(score: bytes) -> bytes:
    container = b'<container><rootfiles><rootfile full-path="score.xml"/></rootfiles></container>'
    return mutations.packed({"META-INF/container.xml": container, "score.xml": score})


def _receipt(melody: Melody, kind: str) -> bytes:
    """A receipt as `generate` writes it, of a tune that no model made."""
    vocabulary = make_vocabulary(kind)
    ids = vocabulary.encode(melody).ids.tolist()
    receipt = {
        "receipt": RECEIPT_FORMAT,
        "melody": vocabulary.decode(ids).to_dict(),
        "vocabulary": kind,
        "token_ids": ids,
        "seed": 1,
        "index": 0,
        "batch": 64,
        "model_sha256": "0" * 64,
        "versions": {"tunesmith": "0", "numpy": np.__version__},
        "asked": {"bars": 8},
        "sampling": {"temperature": 1.0, "top_k": 0, "top_p": 1.0},
        "constraints": [{"name": "bars", "wanted": 8, "got": 8, "met": True}],
        "bits_per_note": 3.5,
    }
    return json.dumps(receipt).encode()


def _checkpoint(kind: str) -> bytes:
    """The smallest model that composes; its weights are drawn, not learned."""
    vocabulary = make_vocabulary(kind)
    config = ModelConfig(
        vocab_size=vocabulary.size, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=4, max_position_embeddings=256,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.1, shape).astype(np.float32)
        for name, shape in config.shapes().items()
    }
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "model"
        provenance = {"licence": "none", "corpora": [{"name": "x", "tunes": 3}], "steps": 4}
        save_checkpoint(folder, weights, config, vocabulary.to_dict(), provenance)
        return mutations.packed({p.name: p.read_bytes() for p in sorted(folder.iterdir())})


def make_input(name: str, pool: list[bytes], seed: int, index: int) -> bytes:
    """The input of that number: most have one or two light wounds, one in four heavy ones."""
    rng = random.Random(f"{seed}/{name}/{index}")
    data = rng.choice(pool)
    kind = rng.random()
    try:
        for _ in range(1 if kind < 0.6 else rng.randrange(2, 9) if kind < 0.75 else 0):
            data = LIGHT[name](rng, data)
    except (ValueError, OSError, zipfile.BadZipFile):
        pass  # the wound before went too deep for another light one
    if kind < 0.75:
        return data
    if name == "checkpoints":
        return mutations.heavy_checkpoint(rng, data)
    data = mutations.heavy(rng, data)
    if kind > 0.99:  # two files in one
        data = data[: rng.randrange(len(data) + 1)] + rng.choice(pool)
    return data


# -- one input ---------------------------------------------------------------------


class TooSlow(BaseException):
    """More than the seconds allowed; nothing in the package catches it."""


class Meter:
    """Seconds of the processor and peak memory of what runs inside it."""

    seconds = 0.0
    mb = 0.0

    def run(self, job: Callable[[], Any]) -> Any:
        """What `job` gives; `TooSlow` if it takes too long."""
        signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
        begun = time.process_time()
        try:
            return job()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self.seconds = max(self.seconds, time.process_time() - begun)


def _too_slow(*_: object) -> None:
    raise TooSlow


def peak_mb() -> float:
    """The process's peak memory since it was last reset, in MB."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


def reset_peak() -> None:
    """Forget the peak so far."""
    Path("/proc/self/clear_refs").write_text("5")


def read_one(name: str, path: Path, index: int, meter: Meter) -> Iterator[Melody | TunesmithError]:
    """What one input gives, tune by tune, by the reader that a user would come to."""
    try:
        if name == "receipts":
            yield meter.run(lambda: read_receipt(path).melody)
        elif name == "checkpoints":
            yield meter.run(lambda: generate(load_model(path), bars=1, seed=index)[0].melody)
        else:
            readings = formats.stream(path)
            while reading := meter.run(lambda: next(readings, None)):
                yield reading.melody or reading.error
    except TunesmithError as e:
        yield e


def wrong_refusal(error: TunesmithError, path: Path) -> str:
    """What a refusal lacks: '' if it is one short printable line that names its file."""
    text = str(error)
    if not text.isprintable():
        return "a refusal that is not one printable line"
    if len(text) > 600 + len(str(path)):
        return f"a refusal of {len(text)} characters"
    if path.name not in error.where:
        return "a refusal without its file"
    return ""


def use(melody: Melody, meter: Meter, folder: Path) -> Iterator[str]:
    """Write a melody in each format and read it again; what went wrong."""
    for name in formats.NAMES:
        try:
            data = meter.run(lambda name=name: formats.dumps([melody], name))
        except TunesmithError:
            continue  # more than the format holds, and it says so
        path = (
            folder / f"written.{ {'mid': 'mid', 'letters': 'txt', 'kern': 'krn'}.get(name, name) }"
        )
        path.write_bytes(data)
        readings = meter.run(lambda path=path: formats.scan(path))
        if len(readings) != 1 or readings[0].melody is None:
            yield f"written as {name} it is not read again: {readings[0].error}"
    try:
        meter.run(lambda: make_vocabulary("notes").encode(melody))
    except TunesmithError:
        return


def judge(name: str, data: bytes, index: int, folder: Path) -> dict[str, Any]:
    """Read one input and use what comes out; a report for the tables."""
    path = folder / f"input{ENDINGS[name]}"
    if name == "checkpoints":
        path = unpack(data, folder / "input")
    else:
        path.write_bytes(data)
    return judge_file(name, path, index, folder)


def judge_file(name: str, path: Path, index: int, folder: Path) -> dict[str, Any]:
    """Read a file and use what comes out, its writings put into `folder`."""
    report: dict[str, Any] = {"index": index, "melodies": 0, "failures": []}
    report |= {"refusals": [], "without_remedy": []}
    meter = Meter()
    reset_peak()
    try:
        for result in read_one(name, path, index, meter):
            if isinstance(result, Melody):
                report["melodies"] += 1
                if report["melodies"] <= MOST_USED:
                    report["failures"] += use(result, meter, folder)
            elif len(report["refusals"]) < MOST_REFUSALS:
                report["refusals"].append(result.what)
                if not result.remedy:
                    report["without_remedy"].append(result.what)
                if wrong := wrong_refusal(result, path):
                    report["failures"].append(wrong)
    except TooSlow:
        frames = traceback.extract_tb(sys.exc_info()[2])
        report["failures"].append(f"over {MOST_SECONDS} s in {frames[-2].name}")
    except Exception as e:  # what the benchmark looks for
        frame = traceback.extract_tb(e.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        report["failures"].append(f"{type(e).__name__} at {place}: {str(e)[:100]}")
    report["seconds"], report["mb"] = meter.seconds, peak_mb()
    if report["mb"] > MOST_MB:
        report["failures"].append(f"over {MOST_MB:.0f} MB")
    return report


def unpack(data: bytes, folder: Path) -> Path:
    """The folder of a packed checkpoint."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    return folder


# -- many inputs -------------------------------------------------------------------


def _worker(connection: Connection, name: str, pool: list[bytes], seed: int) -> None:
    """Judge the inputs whose numbers come in, until None comes."""
    signal.signal(signal.SIGPROF, _too_slow)
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))  # only to save the machine
    with tempfile.TemporaryDirectory() as folder:
        while (index := connection.recv()) is not None:
            data = make_input(name, pool, seed, index)
            connection.send(judge(name, data, index, Path(folder)))


def reports(name: str, pool: list[bytes], seed: int, indices: range) -> Iterator[dict[str, Any]]:
    """The report of each input; a process that dies or hangs in C is one, and is replaced."""
    process = None
    for index in indices:
        if process is None:
            here, there = mp.Pipe()
            process = mp.Process(target=_worker, args=(there, name, pool, seed), daemon=True)
            process.start()
            there.close()
        here.send(index)
        try:
            if not here.poll(60):
                raise EOFError
            yield here.recv()
        except EOFError:
            process.kill()
            process.join()
            failure = f"the process ended by itself or hung (exit code {process.exitcode})"
            yield {"index": index, "melodies": 0, "seconds": 0, "mb": 0, "failures": [failure]}
            process = None
    if process is not None:
        here.send(None)
        process.join()


def fuzz(name: str, pool: list[bytes], seed: int, count: int, out: Path) -> dict[str, Any]:
    """All inputs of a format, in chunks that are kept under `out`; the sum of their reports."""
    folder = out / f"{name}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    total: collections.Counter[str] = collections.Counter()
    kinds: dict[str, collections.Counter[str]] = {"failures": collections.Counter(),
        "without_remedy": collections.Counter(), "refusals": collections.Counter()}  # fmt: skip
    worst = {"seconds": 0.0, "mb": 0.0}
    for first in range(0, count, CHUNK):
        file = folder / f"{first}.json"
        if not file.exists():
            done = list(reports(name, pool, seed, range(first, min(count, first + CHUNK))))
            for report in done:
                if report["failures"]:
                    data = make_input(name, pool, seed, report["index"])
                    (folder / f"failed-{report['index']}{ENDINGS[name]}").write_bytes(data)
            file.write_text(json.dumps(done))
        for report in json.loads(file.read_text()):
            total["inputs"] += 1
            total["with a melody"] += report["melodies"] > 0
            total["failures"] += bool(report["failures"])
            for kind, counter in kinds.items():
                counter.update(report.get(kind, ()))
            for what in worst:
                worst[what] = max(worst[what], report[what])
    return {
        **total,
        **{k: dict(c) for k, c in kinds.items()},
        "worst": worst,
        "failed": total["failures"],
    }


def show(name: str, sums: dict[str, Any]) -> None:
    """A row of the table, and below it what failed and what is refused without a remedy."""
    refused = sum(sums["refusals"].values())
    lacking = sum(sums["without_remedy"].values())
    print(
        f"{name:12} {sums['inputs']:7} {sums['with a melody'] / sums['inputs']:8.1%} {refused:8} "
        f"{lacking:8} {sums['worst']['seconds']:7.2f} {sums['worst']['mb']:7.0f} "
        f"{sums['failed']:8}",
        flush=True,
    )
    for kind, most in (("failures", 12), ("without_remedy", 5)):
        for text, times in collections.Counter(sums[kind]).most_common(most):
            print(f"    {kind} {times} x {text[:150]}", flush=True)


def _bomb_worker(connection: Connection, path: Path) -> None:
    signal.signal(signal.SIGPROF, _too_slow)
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    name = "receipts" if path.suffix == ".json" else "bombs"
    with tempfile.TemporaryDirectory() as folder:
        connection.send(judge_file(name, path, 0, Path(folder)))


def run_bomb(path: Path) -> dict[str, Any]:
    """The report of one file, read by a process of its own."""
    here, there = mp.Pipe()
    process = mp.Process(target=_bomb_worker, args=(there, path), daemon=True)
    process.start()
    there.close()
    try:
        report: dict[str, Any] = here.recv() if here.poll(60) else {}
    except EOFError:
        report = {}
    process.kill()
    process.join()
    return report or {"failures": [f"it hung or died (exit code {process.exitcode})"]}


def show_bomb(bomb: str, path: Path, report: dict[str, Any]) -> None:
    """A line for one bomb: what came of it."""
    result = " | ".join(report["failures"]) or (report["refusals"] or ["read"])[0]
    print(
        f"{bomb:45} {path.stat().st_size / 1e6:7.2f} MB {report.get('seconds', 0):6.2f} s "
        f"{report.get('mb', 0):5.0f} MB {'FAILED: ' * bool(report['failures'])}{result[:130]}",
        flush=True,
    )


def main() -> None:
    """Fuzz the formats that are named, all if none is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("formats", nargs="*", help=f"of {', '.join(ENDINGS)}; all by default")
    parser.add_argument("--count", type=int, default=13_000, help="inputs a format")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzz-results"))
    parser.add_argument("--data", type=Path, default=os.environ.get("TUNESMITH_DATA"))
    parser.add_argument("--bombs", action="store_true", help="the bombs instead")
    options = parser.parse_args()
    if not options.bombs:
        print("format        inputs   melody  refused  no remedy  sec.      MB   failed")
    else:
        with tempfile.TemporaryDirectory() as folder:
            for bomb, path in fuzz_bombs.make(Path(folder)):
                show_bomb(bomb, path, run_bomb(path))
                path.unlink()
        return
    for name in options.formats or ENDINGS:
        pool = seeds(name, options.data)
        show(name, fuzz(name, pool, options.seed, options.count, options.out))


if __name__ == "__main__":
    main()
