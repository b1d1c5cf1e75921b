"""Read all files of all sources, in parallel, with bounded memory.

Each worker is a process of its own that is started anew if it dies, so that a
file which crashes a reader costs that file and nothing else. Workers are plain
child processes that import this package and nothing of the caller's, so it does not
matter what the caller has running or whether its script guards its main part.

What is read goes to spool files; this process keeps three numbers a file, and reads
the spools back in the order of the sources, however many workers there were.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tunesmith.corpus.sources import MusicFile, Source, readable
from tunesmith.corpus.worker import Measure, reject
from tunesmith.errors import UsageError

Progress = Callable[[int, int], None]

MOST_WORKERS = 3
"""About 50 MB each: with the main process, they have to stay below 200 MB."""

CRASHED = "the reader crashed"

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from tunesmith.corpus.worker import work; work()"
)


@dataclass(frozen=True)
class _Crash:
    file: int
    text: str


@dataclass(frozen=True)
class _Done:
    file: int
    spool: int
    start: int
    end: int


class _Worker:
    """A child process that reads files; see `worker.work`."""

    def __init__(self, spool: Path, setup: dict[str, Any]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        if self.ask({"spool": str(spool), **setup}) is None:
            raise RuntimeError(f"a reading process did not start: {self.last_words()}")

    def ask(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Its answer to a message, or None if it died."""
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def last_words(self) -> str:
        """How it ended, and the end of what it wrote to its standard error."""
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 300))
        said = " ".join(self._errors.read().decode("utf-8", "replace").split())
        return f"{how}: {said}" if said else how

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # a message it did not live to read
        self._errors.close()


class Ingest:
    """The files of some sources, read.

    Args:
        sources: what to read.
        folder: where the spools go.
        measure: as in `prepare`.
        progress: called with files done and files in all.
        workers: processes; None for one a core, at most `MOST_WORKERS`.
        track: as in `prepare`.
        longest_silence: as in `prepare`.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        folder: Path,
        measure: Measure | None = None,
        progress: Progress | None = None,
        workers: int | None = None,
        *,
        track: str = "auto",
        longest_silence: int | None = None,
    ) -> None:
        self._sources = sources
        self._folder = folder
        self._setup = {
            "measure": measure_place(measure),
            "track": track,
            "longest_silence": longest_silence,
        }
        self._total = sum(len(s.files) for s in sources)
        self._spools: list[Path] = []
        empty = bytes(8 * self._total)
        self._spool_of, self._start, self._end = (array("q", empty) for _ in range(3))
        self._crashes: dict[int, str] = {}
        self._jobs = enumerate(self._files())
        self._lock = threading.Lock()
        self._stopping = False
        self._read(progress, min(workers or min(_cores(), MOST_WORKERS), self._total))

    def _files(self) -> Iterator[tuple[Source, MusicFile]]:
        return ((source, file) for source in self._sources for file in source.files)

    def _read(self, progress: Progress | None, workers: int) -> None:
        results: SimpleQueue[_Done | _Crash | BaseException] = SimpleQueue()
        running: list[_Worker] = []
        threads = [
            threading.Thread(target=self._drive, args=(results, running)) for _ in range(workers)
        ]
        for thread in threads:
            thread.start()
        try:
            for done in range(self._total):
                result = results.get()
                if isinstance(result, BaseException):
                    raise result
                if isinstance(result, _Crash):
                    self._crashes[result.file] = result.text
                else:
                    self._spool_of[result.file] = result.spool
                    self._start[result.file] = result.start
                    self._end[result.file] = result.end
                if progress:
                    progress(done + 1, self._total)
        finally:
            with self._lock:
                self._stopping = True
                for worker in running:
                    worker._process.kill()
            for thread in threads:
                thread.join()

    def _next_job(self) -> tuple[int, tuple[Source, MusicFile]] | None:
        with self._lock:
            return None if self._stopping else next(self._jobs, None)

    def _start_worker(self, running: list[_Worker]) -> tuple[_Worker, int]:
        with self._lock:
            number = len(self._spools)
            self._spools.append(self._folder / f"spool-{number:05d}")
        worker = _Worker(self._spools[number], self._setup)
        with self._lock:
            running.append(worker)
        return worker, number

    def _drive(
        self, results: SimpleQueue[_Done | _Crash | BaseException], running: list[_Worker]
    ) -> None:
        """Give one worker after another file after file; the body of a thread."""
        worker = None
        try:
            while job := self._next_job():
                number, (source, file) = job
                if worker is None:
                    worker, spool = self._start_worker(running)
                answer = worker.ask({"path": file.path, "display": display(source, file)})
                if answer is None:
                    results.put(_Crash(number, worker.last_words()))
                    self._end_worker(worker, running)
                    worker = None
                elif "errno" in answer:
                    raise OSError(answer["errno"] or errno.EIO, answer["text"])
                else:
                    results.put(_Done(number, spool, answer["start"], answer["end"]))
        except BaseException as e:  # handed to the main thread, which raises it
            results.put(e)
        finally:
            if worker:
                self._end_worker(worker, running)

    def _end_worker(self, worker: _Worker, running: list[_Worker]) -> None:
        with self._lock:
            running.remove(worker)
        worker.stop()

    def records(self) -> Iterator[tuple[int, MusicFile, dict[str, Any], bytes]]:
        """What was read, in the order of the sources: source, file, record, melody as JSON.

        The melody is b'' in records of rejects and of files; see `worker`.
        """
        spools = [path.open("rb") for path in self._spools]
        try:
            number = 0
            for place, source in enumerate(self._sources):
                for file in source.files:
                    if number in self._crashes:
                        yield place, file, _crash_record(source, file, self._crashes[number]), b""
                        yield place, file, {"file": {}, "remarks": {}}, b""
                    elif self._end[number] > self._start[number]:
                        spool = spools[self._spool_of[number]]
                        spool.seek(self._start[number])
                        while spool.tell() < self._end[number]:
                            head, _, melody = spool.readline().rstrip(b"\n").partition(b"\t")
                            yield place, file, json.loads(head), melody
                    number += 1
        finally:
            for spool in spools:
                spool.close()

    def discard(self) -> None:
        """Delete the spools."""
        for spool in self._spools:
            spool.unlink(missing_ok=True)


def _crash_record(source: Source, file: MusicFile, text: str) -> dict[str, Any]:
    remedy = "this is a bug of Tunesmith or of a library; please report it with the file"
    return reject(display(source, file), None, CRASHED, detail=text, remedy=remedy)


def display(source: Source, file: MusicFile) -> str:
    """How a file is called in a corpus: as the user wrote its source, then its place in it."""
    name = source.name.replace(os.sep, "/")
    if source.description != "a file":
        name = f"{name.rstrip('/')}/{file.label}"
    return readable(name)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def measure_place(measure: Measure | None) -> list[str] | None:
    """Module and name under which a worker finds the function that measures.

    Raises:
        UsageError: if it is not a function of a module that can be imported.
    """
    if measure is None:
        return None
    module, name = getattr(measure, "__module__", None), getattr(measure, "__qualname__", None)
    if not module or not name or module == "__main__" or "<" in name:
        raise UsageError(
            f"the workers cannot find the measure {name or measure}",
            remedy="give a function of a module that can be imported",
        )
    return [module, name]
