"""Melodies as ids and back: the vocabularies, and the grammar of what may follow what.

Three vocabularies: `notes` (everything a melody has, the default), `letters` (the seed's
twelve pitch classes and a rest, one symbol a quarter note) and `pitches` (the chromatic
pitch of every note, nothing else).
"""

from __future__ import annotations

from typing import Any

from tunesmith.errors import InputError, UsageError
from tunesmith.tokens.base import Encoded, Grammar, State, Vocabulary
from tunesmith.tokens.letters import LettersVocabulary
from tunesmith.tokens.notes import NotesVocabulary
from tunesmith.tokens.pitches import PitchesVocabulary

VOCABULARIES: dict[str, type[Vocabulary]] = {
    "notes": NotesVocabulary,
    "letters": LettersVocabulary,
    "pitches": PitchesVocabulary,
}


def make_vocabulary(name: str, styles: tuple[str, ...] = ()) -> Vocabulary:
    """A fresh vocabulary by name.

    Args:
        name: 'notes', 'letters' or 'pitches'.
        styles: names for the style tokens, in order; the rest stay free.

    Raises:
        UsageError: for another name.
    """
    if name not in VOCABULARIES:
        raise UsageError(
            f"there is no vocabulary '{name}'", remedy=f"use one of {', '.join(VOCABULARIES)}"
        )
    return VOCABULARIES[name](styles)


def vocabulary_from_dict(data: dict[str, Any]) -> Vocabulary:
    """The vocabulary that a model was trained with, from its `vocabulary.json`.

    Raises:
        InputError: if it is of a kind or a table that this version does not have.
    """
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in VOCABULARIES:
        raise InputError(
            f"a vocabulary of the unknown kind '{str(kind)[:40]}'",
            where="vocabulary.json",
            remedy="use another checkpoint",
        )
    styles = data.get("styles", [])
    if not isinstance(styles, list) or not all(isinstance(s, str) for s in styles):
        raise InputError(
            "its styles are no list of names",
            where="vocabulary.json",
            remedy="use another checkpoint",
        )
    vocabulary = VOCABULARIES[kind](tuple(styles))
    said = data.get("tokens"), data.get("attributes", [])
    if (list(vocabulary.names), list(vocabulary.attributes)) != said:
        raise InputError(
            "its tokens are not those of this version of Tunesmith",
            where="vocabulary.json",
            remedy="use the version that the model was trained with (see provenance.json)",
        )
    return vocabulary


__all__ = [
    "VOCABULARIES",
    "Encoded",
    "Grammar",
    "LettersVocabulary",
    "NotesVocabulary",
    "PitchesVocabulary",
    "State",
    "Vocabulary",
    "make_vocabulary",
    "vocabulary_from_dict",
]
