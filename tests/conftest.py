"""A corpus and a model small enough to make once for all tests that need one."""

from __future__ import annotations

import pytest
from hypothesis import settings

# The same examples on every machine, however slow it is.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory):
    """The corpus `examples`, prepared."""
    from tunesmith.api.preparing import prepare

    folder = tmp_path_factory.mktemp("corpora") / "examples"
    prepare(["examples"], folder)
    return folder


@pytest.fixture(scope="session")
def run_folder(corpus_folder, tmp_path_factory):
    """A run of a few steps on it: it composes, if not well."""
    pytest.importorskip("torch")
    from tunesmith.api.learning import train

    folder = tmp_path_factory.mktemp("runs") / "run"
    train(corpus_folder, folder, steps=4)
    return folder


@pytest.fixture(scope="session")
def letters_run(tmp_path_factory):
    """A run of a few steps on lines of letters, with its corpus: (run, corpus)."""
    pytest.importorskip("torch")
    from tunesmith.api.learning import train
    from tunesmith.api.preparing import prepare

    folder = tmp_path_factory.mktemp("letters")
    lines = ["".join("CDEFGAB"[(i * k + k) % 7] for i in range(40)) for k in range(1, 60)]
    (folder / "tunes.txt").write_text("\n".join(lines))
    prepare([folder / "tunes.txt"], folder / "corpus")
    train(folder / "corpus", folder / "run", tokens="letters", steps=4)
    return folder / "run", folder / "corpus"
