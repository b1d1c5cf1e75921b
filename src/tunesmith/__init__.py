"""Tunesmith: a melody language model that people train, question and compose with."""
