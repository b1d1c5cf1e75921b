"""The folder of a training run: its plan, its records, its checkpoints; all it takes to go on.

run.json        the settings, and the number of steps they came to
metrics.jsonl   a record at each evaluation
best/, last/    checkpoints; `last` has the state of the optimiser beside it
tensorboard/    events, if tensorboard is installed
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from tunesmith.errors import InputError, OutputError, UsageError
from tunesmith.files import (
    json_lines,
    output_errors,
    recover_folder,
    refuse_overwrite,
    write_atomically,
)
from tunesmith.model.checkpoint import load_checkpoint, save_checkpoint
from tunesmith.model.network import TrainingNetwork
from tunesmith.training.optimiser import Optimiser

PLAN = "run.json"
METRICS = "metrics.jsonl"
OPTIMISER = "optimiser.safetensors"
PROGRESS = "progress.json"
EVENTS = "tensorboard"
_OURS = (PLAN, METRICS, "best", "last", EVENTS)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was settled when the run began, and never changes afterwards.

    Attributes:
        settings: all that the final weights depend on.
        steps: of the whole run.
        evaluate_every: steps from one evaluation and checkpoint to the next.
        minutes: that were asked for, if it was minutes.
        machine: versions and threads; with others the last bits may differ.
        dropout: as asked for, or as it goes with these steps.
    """

    settings: dict[str, Any]
    steps: int
    evaluate_every: int
    minutes: float | None
    machine: dict[str, Any]
    dropout: float = 0.0


@dataclass(kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        step: steps done.
        best: the lowest validation loss so far, in nats a token.
        loss_sum: training loss since the last record, in nats.
        loss_count: ids charged in it.
    """

    step: int = 0
    best: float = math.inf
    loss_sum: float = 0.0
    loss_count: int = 0


class RunFolder:
    """See the module.

    Args:
        path: the folder; need not exist.
        resume: whether to go on with the run in it, if there is one.
        force: whether a run in it may be deleted.

    Raises:
        OutputError: if something is there and neither is given, or nothing can be written.
    """

    def __init__(self, path: Path, *, resume: bool, force: bool) -> None:
        self.path = path
        self._events: Any = None
        with output_errors(path):
            if path.exists() and not (path.is_dir() and not any(path.iterdir())) and not resume:
                refuse_overwrite(path, force)
                if not path.is_dir():
                    raise OutputError("it is a file", where=str(path), remedy="give another --out")
                self._clear()
            path.mkdir(parents=True, exist_ok=True)
            for draft in path.glob(".*.draft.*"):  # a save that was killed
                shutil.rmtree(draft)
            for name in (PLAN, METRICS):
                for draft in path.glob(f".{name}.*"):
                    draft.unlink()

    def _clear(self) -> None:
        """Delete a former run, the plan last: until then it can still be resumed."""
        for name in reversed(_OURS):
            recover_folder(self.path / name)
            target = self.path / name
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    # -- the plan ----------------------------------------------------------------

    def plan(
        self, settings: dict[str, Any], steps: int | None, minutes: float | None
    ) -> Plan | None:
        """The plan of the run in the folder, or None if it never came to one.

        Raises:
            UsageError: if it was begun with other settings.
            InputError: if it is damaged.
        """
        path = self.path / PLAN
        if not path.exists():
            return None
        try:
            plan = Plan(**json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError) as e:
            raise InputError(
                "is damaged", where=str(path), remedy="start the run anew with --force"
            ) from e
        now = json.loads(json.dumps(settings))
        before = plan.settings
        if steps is not None:
            now, before = now | {"steps": steps}, before | {"steps": plan.steps}
        if minutes is not None:
            now, before = now | {"minutes": minutes}, before | {"minutes": plan.minutes}
        if differ := sorted(_differences(before, now)):
            raise UsageError(
                f"the run was begun with another {', '.join(differ)}",
                where=str(self.path),
                remedy="resume it with the same settings, or give another --out",
            )
        return plan

    def write_plan(self, plan: Plan) -> None:
        """Keep the plan."""
        data = json.dumps(asdict(plan), indent=1, ensure_ascii=False) + "\n"
        write_atomically(self.path / PLAN, data.encode())

    # -- checkpoints -------------------------------------------------------------

    def save(
        self,
        name: str,
        network: TrainingNetwork,
        vocabulary: dict[str, Any],
        provenance: dict[str, Any],
        beside: tuple[Optimiser, Progress] | None = None,
    ) -> None:
        """Write the checkpoint `name`, with the state beside it if given.

        Raises:
            OutputError: with the reason; the checkpoint before it is still there.
        """
        files: dict[str, bytes] = {}
        if beside:
            optimiser, progress = beside
            files[OPTIMISER] = save(_on_cpu(optimiser.state))
            files[PROGRESS] = json.dumps(asdict(progress)).encode()
        weights = {n: t.numpy() for n, t in _on_cpu(dict(network.named_parameters())).items()}
        save_checkpoint(self.path / name, weights, network.config, vocabulary, provenance, files)

    def restore(self, network: TrainingNetwork, optimiser: Optimiser) -> Progress:
        """Put both where the last checkpoint has them; they stay as they are if there is none.

        Raises:
            InputError: if it is damaged.
        """
        folder = self.path / "last"
        recover_folder(folder)
        if not folder.exists():
            return Progress()
        load_weights(network, load_checkpoint(folder).weights)
        try:
            optimiser.load(load((folder / OPTIMISER).read_bytes()))
            return Progress(**json.loads((folder / PROGRESS).read_text("utf-8")))
        except (OSError, ValueError, TypeError, KeyError, SafetensorError, RuntimeError) as e:
            raise InputError(
                f"the state to resume from is damaged ({e})",
                where=str(folder),
                remedy="start the run anew with --force",
            ) from e

    # -- records -----------------------------------------------------------------

    def keep_records_until(self, step: int) -> dict[str, Any]:
        """Drop the records after `step`; the last that is left, or none."""
        path = self.path / METRICS
        there = json_lines(path) if path.exists() else ()
        kept = [r for r in there if r["step"] <= step]
        write_atomically(path, b"".join(_line(r) for r in kept))
        return kept[-1] if kept else {}

    def record(self, record: Mapping[str, Any]) -> None:
        """Append a record, to TensorBoard as well if it is installed."""
        path = self.path / METRICS
        with output_errors(path), path.open("ab") as file:
            file.write(_line(record))
        if self._events:
            for name, value in record.items():
                if name != "step":
                    self._events.add_scalar(name, value, record["step"])
            self._events.flush()

    @contextlib.contextmanager
    def events(self, step: int) -> Iterator[None]:
        """Write TensorBoard events inside, those after `step` anew."""
        # An optional extra: metrics.jsonl has it all.
        with contextlib.suppress(ModuleNotFoundError):
            from torch.utils.tensorboard import SummaryWriter

            with output_errors(self.path / EVENTS):
                self._events = SummaryWriter(str(self.path / EVENTS), purge_step=step + 1)
        try:
            yield
        finally:
            if self._events:
                self._events.close()
            self._events = None


def load_weights(network: TrainingNetwork, weights: Mapping[str, Any]) -> None:
    """Set the weights of a network from arrays of the same names and shapes."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(torch.from_numpy(weights[name].copy()))


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.detach().cpu().contiguous() for name, t in tensors.items()}


def _line(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(dict(record)) + "\n").encode()


def _differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    """The names of what differs between two settings, with dots."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in before.keys() | now.keys():
            inside = f"{name}.{key}" if name else str(key)
            yield from _differences(before.get(key), now.get(key), inside)
    elif before != now:
        yield name
