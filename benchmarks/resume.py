"""Kill a training run at random moments, resume it each time, compare the final weights.

    python benchmarks/resume.py CORPUS OUT [--kills 20] [--steps 120] [--tokens letters]

Trains once without interruption; then once more, killed with SIGKILL after random times
(some before the first checkpoint) and resumed, until it has been killed `--kills` times
and has ended. The weights of `best` and `last` and the records must be equal to the bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

TIMES = ("tokens_per_s", "seconds_left")


def command(args: argparse.Namespace, out: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "tunesmith", "train", str(args.corpus), "--out", str(out),
        "--tokens", args.tokens, "--steps", str(args.steps), *more,
    ]  # fmt: skip


def result(run: Path) -> dict[str, object]:
    files = [run / n / "model.safetensors" for n in ("best", "last")]
    files.append(run / "last" / "optimiser.safetensors")
    records = []
    for line in (run / "metrics.jsonl").read_text().splitlines():
        records.append({k: v for k, v in json.loads(line).items() if k not in TIMES})
    hashes = [hashlib.sha256(f.read_bytes()).hexdigest()[:16] for f in files]
    return {"hashes": hashes, "records": records}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--tokens", default="letters")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    start = time.monotonic()
    subprocess.run(command(args, args.out / "whole"), check=True, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - start
    print(f"uninterrupted: {whole:.1f} s")
    killed, before_checkpoint, finished_early = 0, 0, 0
    run = args.out / "killed"
    while True:
        process = subprocess.Popen(
            command(args, run, "--resume"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        # A third of the kills come early: in the imports, the plan, the first steps.
        after = rng.uniform(0.5, whole * (0.3 if killed % 3 == 0 else 0.8))
        try:
            process.wait(timeout=after if killed < args.kills else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            before_checkpoint += not (run / "last").exists()
            continue
        if process.returncode:
            sys.exit(process.stderr.read().decode())
        if killed >= args.kills:
            break
        # It came to its end before the kill: start the same run from nothing.
        finished_early += 1
        check(args, run)
        subprocess.run(["rm", "-r", str(run)], check=True)
    check(args, run)
    print(
        f"killed {killed} times, {before_checkpoint} of them before the first checkpoint; "
        f"{1 + finished_early} runs came to their end, each equal to the bit"
    )


def check(args: argparse.Namespace, run: Path) -> None:
    expected, got = result(args.out / "whole"), result(run)
    if expected != got:
        sys.exit(f"DIFFERENT: {expected['hashes']} and {got['hashes']}")


if __name__ == "__main__":
    main()
