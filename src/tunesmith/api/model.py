"""A model as the verbs use it, and what they make: tunes with receipts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.api.tracing import BOX, model_index
from tunesmith.errors import InputError
from tunesmith.evaluation.originality_index import TuneIndex
from tunesmith.melody import Melody
from tunesmith.model.checkpoint import Checkpoint, load_checkpoint
from tunesmith.model.inference import Network
from tunesmith.tokens import Vocabulary, vocabulary_from_dict
from tunesmith.tokens.table import STYLE0


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


def style_of(model: Model, ids: Sequence[int]) -> str:
    """The style that a tune's attributes name; '' if none."""
    styles = model.vocabulary.styles
    return styles[ids[1] - STYLE0] if STYLE0 <= ids[1] < STYLE0 + len(styles) else ""


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
    told = vocabulary.recall_fields
    if checkpoint.config.recall_channels and any(
        getattr(checkpoint.config, name) != value for name, value in told.items()
    ):
        raise InputError(
            "its network was told other things of a tune than this version tells",
            where=str(path),
            remedy="train it again, or use the version that made it",
        )
    index, no_index = model_index(path, checkpoint)
    recall = vocabulary.recall if checkpoint.config.recall_channels else None
    network = Network(checkpoint.weights, checkpoint.config, recall)
    return Model(network, vocabulary, checkpoint, index, no_index)
