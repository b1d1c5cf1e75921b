"""Corpora: named sources, ingest, near-duplicates, splits and the store."""

from tunesmith.corpus.build import Prepared, prepare
from tunesmith.corpus.sources import NamedCorpus, named_corpora
from tunesmith.corpus.splits import SIDES
from tunesmith.corpus.store import Corpus, Tune, style_of, summary

__all__ = [
    "SIDES",
    "Corpus",
    "NamedCorpus",
    "Prepared",
    "Tune",
    "named_corpora",
    "prepare",
    "style_of",
    "summary",
]
