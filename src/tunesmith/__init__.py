"""Tunesmith: a melody language model that people train, question and compose with.

import tunesmith

tunes = tunesmith.read("tunes.abc")
model = tunesmith.load_model("run")
for tune in tunesmith.generate(model, bars=8, key="D", mode="dorian"):
    tunesmith.write(tune.melody, "idea.mid")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tunesmith.melody import show_with

if TYPE_CHECKING:
    from tunesmith.api.composing import Model, Tune, generate, load_model
    from tunesmith.api.evaluating import evaluate
    from tunesmith.api.learning import train
    from tunesmith.api.preparing import prepare
    from tunesmith.api.quickstart import quickstart
    from tunesmith.api.refilling import complete, infill
    from tunesmith.api.reworking import continue_
    from tunesmith.api.surprising import surprise
    from tunesmith.api.varying import vary
    from tunesmith.api.writing import read, write
    from tunesmith.corpus import Corpus
    from tunesmith.decoding.constraints import Constraints
    from tunesmith.errors import TunesmithError
    from tunesmith.melody import Chord, Key, Melody, Meter, Note

__version__ = "0.1.0"

# Each name and where it lives; loaded when first used, so that importing
# `tunesmith` costs next to nothing and never needs torch.
_HOMES = {
    "Chord": "melody",
    "Constraints": "decoding.constraints",
    "Corpus": "corpus",
    "Key": "melody",
    "Melody": "melody",
    "Meter": "melody",
    "Model": "api.composing",
    "Note": "melody",
    "Tune": "api.composing",
    "TunesmithError": "errors",
    "complete": "api.refilling",
    "continue_": "api.reworking",
    "evaluate": "api.evaluating",
    "generate": "api.composing",
    "infill": "api.refilling",
    "load_model": "api.composing",
    "prepare": "api.preparing",
    "quickstart": "api.quickstart",
    "read": "api.writing",
    "surprise": "api.surprising",
    "train": "api.learning",
    "vary": "api.varying",
    "write": "api.writing",
}

__all__ = [
    "Chord",
    "Constraints",
    "Corpus",
    "Key",
    "Melody",
    "Meter",
    "Model",
    "Note",
    "Tune",
    "TunesmithError",
    "__version__",
    "complete",
    "continue_",
    "evaluate",
    "generate",
    "infill",
    "load_model",
    "prepare",
    "quickstart",
    "read",
    "surprise",
    "train",
    "vary",
    "write",
]


def _drawn(melody: Melody) -> str:
    from tunesmith.render.notebook import html

    return html(melody)


show_with(_drawn)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tunesmith' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"tunesmith.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
