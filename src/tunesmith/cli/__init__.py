"""The command `tunesmith`: parse, call one verb, print. Heavy imports wait inside the commands."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tunesmith.errors import TunesmithError

if TYPE_CHECKING:
    from tunesmith.cli.common import app

VERBS = {
    "quickstart": "building",
    "prepare": "building",
    "corpora": "building",
    "train": "building",
    "compare": "compare",
    "complete": "complete",
    "continue": "continue_",
    "convert": "converting",
    "check": "converting",
    "info": "converting",
    "tokens": "converting",
    "evaluate": "evaluate",
    "generate": "generate",
    "infill": "infill",
    "originality": "originality",
    "report": "report",
    "rules": "rules",
    "surprise": "surprise",
    "vary": "vary",
}
"""Each verb and its module, in the order of the help. To make the options of all of them takes
longer than many a verb does, so only that of the verb is loaded, or all where none is named."""

__all__ = ["VERBS", "app", "main"]


def _app(verb: str = "") -> Any:
    for module in [VERBS[verb]] if verb in VERBS else dict.fromkeys(VERBS.values()):
        import_module(f"tunesmith.cli.{module}")
    return import_module("tunesmith.cli.common").app


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module 'tunesmith.cli' has no attribute '{name}'")
    return _app()


def main() -> None:
    """Run the command; a `TunesmithError` becomes one line on stderr and its exit code."""
    # Products of a model this small are quicker on one thread (measured: half the time), and
    # numpy must be told before it is loaded. What the user has set stays.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        _app(sys.argv[1] if len(sys.argv) > 1 else "")()
    except TunesmithError as e:
        print(f"tunesmith: {e}", file=sys.stderr)
        sys.exit(e.exit_code)
    except KeyboardInterrupt:
        print("tunesmith: stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away: not an error
        sys.stderr.close()
        sys.exit(141)
