"""Writing results so that nothing is ever half-written or lost."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tunesmith.errors import OutputError


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what the system says while `path` is written into an `OutputError`."""
    try:
        yield
    except OSError as e:
        if e.errno == errno.ENOSPC:
            what, remedy = "the disk is full", "free some space, or give another place"
        elif e.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            what, remedy = "no permission to write here", "give another place"
        else:
            what, remedy = f"cannot be written ({e.strerror or e})", "give another place"
        raise OutputError(what, where=str(path), remedy=remedy) from e


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: to a temporary name beside it, then moved into place.

    Raises:
        OutputError: with the reason; whatever stood at `path` is still there.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)  # noqa: PTH101 (mkstemp gives a str)
            os.replace(temporary, path)  # noqa: PTH105
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108
            raise


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file with one a line, up to a line that a kill or a full disk cut short."""
    for line in path.read_bytes().split(b"\n"):
        try:
            found = json.loads(line)
        except ValueError:
            return
        if not isinstance(found, dict):
            return
        yield found


def refuse_overwrite(path: Path, force: bool) -> None:
    """Raise an `OutputError` if `path` exists and `force` is not given."""
    if path.exists() and not force:
        raise OutputError(
            "it is already there", where=str(path), remedy="give another --out, or --force"
        )


def _asides(folder: Path) -> tuple[Path, Path]:
    """Where a complete new folder waits, and where the old one is while they change places."""
    return folder.parent / f".{folder.name}.new", folder.parent / f".{folder.name}.old"


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill that takes the place of `folder` when the block ends without error.

    Killed at any moment, `recover_folder` finds either the old or the new one, whole.

    Raises:
        OutputError: with the reason; the old folder is still there.
    """
    recover_folder(folder)
    new, old = _asides(folder)
    with output_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.draft.", dir=folder.parent))
        try:
            yield draft
            for file in draft.rglob("*"):
                if file.is_file():
                    with file.open("r+b") as handle:  # Windows flushes no other
                        os.fsync(handle.fileno())
            draft.chmod(0o755)
            draft.rename(new)  # from here on the new one is complete
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Finish or undo a replacement that was cut short; does nothing where none was."""
    new, old = _asides(folder)
    if not (new.exists() or old.exists()):
        return
    with output_errors(folder):
        if new.exists():
            if folder.exists():
                shutil.rmtree(folder)
            new.rename(folder)
        elif not folder.exists():
            old.rename(folder)
        if old.exists():
            shutil.rmtree(old)
