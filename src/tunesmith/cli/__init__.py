"""The command `tunesmith`: parse, call one verb, print. Heavy imports wait inside the commands."""

from __future__ import annotations

import os
import sys

from tunesmith.cli import (
    building,
    compare,
    complete,
    continue_,
    converting,
    evaluate,
    generate,
    infill,
    originality,
    report,
    rules,
    surprise,
    vary,
)
from tunesmith.cli.common import app
from tunesmith.errors import TunesmithError

__all__ = [
    "app",
    "building",
    "compare",
    "complete",
    "continue_",
    "converting",
    "evaluate",
    "generate",
    "infill",
    "main",
    "originality",
    "report",
    "rules",
    "surprise",
    "vary",
]


def main() -> None:
    """Run the command; a `TunesmithError` becomes one line on stderr and its exit code."""
    # Products of a model this small are quicker on one thread (measured: half the time), and
    # numpy must be told before it is loaded. What the user has set stays.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app()
    except TunesmithError as e:
        print(f"tunesmith: {e}", file=sys.stderr)
        sys.exit(e.exit_code)
    except KeyboardInterrupt:
        print("tunesmith: stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away: not an error
        sys.stderr.close()
        sys.exit(141)
