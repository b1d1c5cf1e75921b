"""Table B1: the seed's recipe, and Tunesmith's training on the seed's protocol.

    python benchmarks/seed.py seed --out FOLDER [--steps 5000] [--resume] [--quick] [--data FILE]
    python benchmarks/seed.py ours [--steps N] [--data FILE]
    python benchmarks/seed.py compare [--repeats 3] [--data FILE]

The text is `seed/melodies_letters_augmented.txt` of the data folder (TUNESMITH_DATA), character by
character: 14 symbols. The first 90 % train, as they stand; the last 10 % validate, in
consecutive windows: characters 1 to 256 of each are predicted from characters 0 to 255, and
the next window begins at character 256, so that every character but the very first is charged
once. The same for both.

`seed` trains a clean-room copy of the seed's network (943,502 parameters) with its recipe. It
saves all its state every 100 steps. `--quick` does the same sums in about two thirds of the time
(queries in blocks that read no later keys, parts of the batch that fit the cache, two threads of
Python, masks of dropout from another generator); what is timed is never that. `ours` trains
Tunesmith's network, at most 0.95 M parameters, told the characters before each, and ends with the
validation loss. `compare` times both in turn: seconds a step of the seed, the whole of `ours` as a
process of its own (import, data and evaluation counted), training characters a second at the
seed's layers, width and context with as many weights and heads as the seed and with under a third
of them, how well the latter learns in as many steps as `ours`, and the machine's peak in matrix
products.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.training import Recipe, TokenData

# isort: split
# Torch comes after: the line above says how its threads wait.
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tunesmith.model.config import ModelConfig
from tunesmith.tokens.base import Ids
from tunesmith.tokens.letters import END, LETTERS, REST, LettersVocabulary
from tunesmith.tokens.recall import Before, Recall, Recalled
from tunesmith.training.work import Work, find_device

TARGET = 1.1841  # nats a character, the seed's published validation loss
PUBLISHED = {0: 2.66, 500: 1.6212, 2000: 1.3059, 5000: 1.1841}
SEED_STEPS, BATCH, CONTEXT = 5000, 64, 256
WIDTH, LAYERS, HEADS, DROPOUT, RATE = 192, 2, 4, 0.2, 3e-4
PARAMETERS, MOST_PARAMETERS = 943_502, 950_000
EVERY = 100


def read_text(path: Path) -> tuple[Ids, Ids]:
    """The characters as ids: the first nine tenths, and the rest."""
    table = {c: i for i, c in enumerate(LETTERS)} | {"R": REST, "\n": END}
    ids = np.array([table[c] for c in path.read_text("ascii")], np.uint16)
    cut = int(0.9 * len(ids))
    return ids[:cut], ids[cut:]


def windows(ids: Ids, length: int) -> list[Ids]:
    """Consecutive windows that share one character; each predicts `length`, the last the rest."""
    return [ids[i : i + length + 1] for i in range(0, len(ids) - 1, length)]


# The seed's recipe.


class SeedBlock(nn.Module):
    """Pre-norm attention and ReLU layer; no bias in queries, keys and values."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.register_buffer("mask", torch.ones(CONTEXT, CONTEXT).triu(1).bool(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        # Head by head, which is faster here than all at once or torch's fused attention:
        # dropout of the scores takes most of the time.
        t, heads = x.shape[1], []
        for head in self.qkv(self.norms[0](x)).chunk(HEADS, dim=-1):
            q, k, v = head.chunk(3, dim=-1)
            scores = (q @ k.mT * k.shape[-1] ** -0.5).masked_fill(self.mask[:t, :t], -math.inf)
            heads.append(F.dropout(scores.softmax(dim=-1), DROPOUT, self.training) @ v)
        y = self.proj(torch.cat(heads, dim=-1))
        x = x + F.dropout(y, DROPOUT, self.training)
        y = self.down(F.relu(self.up(self.norms[1](x))))
        return x + F.dropout(y, DROPOUT, self.training)


class SeedNetwork(nn.Module):
    """The seed's GPT: learned positions, an output layer of its own."""

    def __init__(self, block: type[SeedBlock]) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(14, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(block() for _ in range(LAYERS)))
        self.norm, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 14)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)
        count = sum(w.numel() for w in self.parameters())
        if count != PARAMETERS:
            raise SystemExit(f"the copy of the seed has {count} parameters")

    def loss(self, text: Tensor, reduction: str = "mean") -> Tensor:
        """Cross-entropy in nats of (B, T + 1) ids, each but the first from those before."""
        ids, targets = text[:, :-1], text[:, 1:]
        x = self.tokens(ids) + self.places.weight[: ids.shape[1]]
        logits = self.out(self.norm(self.blocks(x)))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction=reduction)


class SeedRun:
    """The seed's training, step by step; its state saves and loads."""

    block = SeedBlock

    def __init__(self, train: Ids, validation: Ids) -> None:
        torch.manual_seed(1337)
        self.network = SeedNetwork(self.block)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=RATE)
        self.chance = torch.Generator().manual_seed(1337)
        self.train = torch.from_numpy(train.astype(np.int64)).unfold(0, CONTEXT + 1, 1)
        self.text = validation
        self.validation = [
            torch.from_numpy(w.astype(np.int64)) for w in windows(validation, CONTEXT)
        ]
        self.done = 0

    def step(self) -> float:
        """One step of training; its loss."""
        self.network.train()
        rows = torch.randint(len(self.train), (BATCH,), generator=self.chance)
        loss = self.network.loss(self.train[rows])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.done += 1
        nats: float = loss.item()
        return nats

    @torch.no_grad()
    def evaluate(self) -> float:
        """Nats a character of the validation text."""
        self.network.eval()
        *whole, last = self.validation
        parts = [*torch.split(torch.stack(whole), BATCH), last[None]]
        nats = math.fsum(self.network.loss(part, "sum").item() for part in parts)
        return nats / (len(self.text) - 1)

    def save(self, path: Path) -> None:
        """All that it takes to go on."""
        state = {
            "done": self.done, "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "windows": self.chance.get_state(), "dropout": torch.get_rng_state(),
        }  # fmt: skip
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path: Path) -> None:
        """Go on from there."""
        state = torch.load(path, weights_only=True)
        self.done = state["done"]
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.chance.set_state(state["windows"])
        torch.set_rng_state(state["dropout"])


_chance = threading.local()
"""`bits`: the generator of this thread's masks of dropout."""


class QuickDropout(torch.autograd.Function):
    """Zeroes a share `DROPOUT`, to a part in 65,536; what is left is not yet scaled up."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        """Of any shape."""
        bits = _chance.bits.integers(-(2**63), 2**63 - 1, -(-x.numel() // 4), np.int64)
        numbers = torch.from_numpy(bits).view(torch.int16)[: x.numel()].view(x.shape)
        dropped = numbers < round(DROPOUT * 2**16) - 2**15
        context.save_for_backward(dropped)
        return x.masked_fill(dropped, 0.0)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        """Nothing goes back to what was dropped."""
        (dropped,) = context.saved_tensors
        return gradient.masked_fill(dropped, 0.0)


class QuickBlock(SeedBlock):
    """The same function of the same weights, but for the order of sums and the masks."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        b, t, _ = x.shape
        drop = QuickDropout.apply if self.training else lambda y: y
        kept = 1 - DROPOUT if self.training else 1.0
        parts = self.qkv(self.norms[0](x)).view(b, t, HEADS, 3, -1).permute(3, 0, 2, 1, 4)
        q, k, v = (part.reshape(b * HEADS, t, -1) for part in parts)
        q, v = q * k.shape[-1] ** -0.5, v / kept
        blocks = []
        for start in range(0, t, 64):
            end = min(start + 64, t)
            scores = q[:, start:end] @ k[:, :end].mT
            scores[:, :, start:].masked_fill_(self.mask[: end - start, : end - start], -math.inf)
            blocks.append(drop(scores.softmax(dim=-1)) @ v[:, :end])
        y = torch.cat(blocks, dim=1).view(b, HEADS, t, -1).transpose(1, 2).reshape(b, t, -1)
        x = x + drop(self.proj(y)) / kept
        y = self.down(F.relu(self.up(self.norms[1](x)), inplace=True))
        return x + drop(y) / kept


class QuickRun(SeedRun):
    """The same training: each of two threads takes half of the batch, eight rows at a time."""

    block = QuickBlock

    def __init__(self, train: Ids, validation: Ids) -> None:
        super().__init__(train, validation)
        torch.set_num_threads(1)
        self.weights = list(self.network.parameters())
        self.threads = ThreadPoolExecutor(2)

    def step(self) -> float:
        """One step of training; its loss."""
        self.network.train()
        rows = torch.randint(len(self.train), (BATCH,), generator=self.chance)
        (nats, gradients), (others_nats, others) = self.threads.map(self._half, rows.chunk(2), "01")
        torch._foreach_add_(gradients, others)
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = gradient
        self.optimiser.step()
        self.done += 1
        return nats + others_nats

    def _half(self, rows: Tensor, half: str) -> tuple[float, list[Tensor]]:
        """What some rows add to the mean loss and to its gradients."""
        _chance.bits = np.random.Generator(np.random.SFC64([1337, self.done, int(half)]))
        nats, gradients = 0.0, [torch.zeros_like(weight) for weight in self.weights]
        for part in rows.split(8):
            loss = self.network.loss(self.train[part], "sum") / (BATCH * CONTEXT)
            torch._foreach_add_(gradients, torch.autograd.grad(loss, self.weights))
            nats += loss.item()
        return nats, gradients


def run_seed(args: argparse.Namespace) -> None:
    """Train the seed's network; `metrics.jsonl` and `last.pt` in the folder."""
    run = (QuickRun if args.quick else SeedRun)(*read_text(args.data))
    args.out.mkdir(parents=True, exist_ok=True)
    saved = args.out / "last.pt"
    if saved.exists():
        if not args.resume:
            raise SystemExit(f"{saved} exists: --resume goes on with it")
        run.load(saved)
    with (args.out / "metrics.jsonl").open("a") as metrics:

        def record(train_loss: float | None, step_s: float | None) -> None:
            line = {"step": run.done, "train_loss": train_loss, "val_loss": run.evaluate(),
                    "step_s": step_s, "quick": args.quick,
                    "published": PUBLISHED.get(run.done)}  # fmt: skip
            print(json.dumps(line), file=metrics, flush=True)
            print(line, flush=True)

        if not run.done:
            record(None, None)
        while run.done < args.steps:
            start = time.monotonic()
            steps = min(EVERY - run.done % EVERY, args.steps - run.done)
            losses = [run.step() for _ in range(steps)]
            record(statistics.fmean(losses), (time.monotonic() - start) / steps)
            run.save(saved)


# Tunesmith's training on the same protocol.


class Told(Recall):
    """The characters before this one, each a row of its own in a table.

    Nothing is compared, so nothing in it is the same in another key; the copies that Tunesmith
    recalls otherwise are left out.

    Args:
        batch: B.
        count: how many of the characters before.
    """

    channels = 1  # of no trust

    def __init__(self, batch: int, count: int) -> None:
        self._count = count
        self._before = Before(batch, 14, count)
        self.places = self._before.places

    def push(self, ids: NDArray[np.int64]) -> Recalled:
        """Read the next character of each row, (B,)."""
        none = np.zeros((len(ids), 1), np.int64)
        return Recalled(none, none, self._before.push(ids))

    def select(self, rows: Sequence[int]) -> Told:
        """Of some of the rows."""
        other = Told(0, self._count)
        other._before = self._before.select(rows)
        return other


class AsTheyStand(LettersVocabulary):
    """The seed's letters without drawn transpositions, and with what `Told` tells."""

    told: int

    def augment(self, ids: Ids, rng: np.random.Generator) -> Ids:
        """No change."""
        return ids

    def recall(self, batch: int) -> Told:  # type: ignore[override]
        """What is told of so many rows."""
        return Told(batch, self.told)


def token_data(rows: Sequence[Ids]) -> TokenData:
    """Windows as if they were tunes; their first character is not charged."""
    return TokenData(np.concatenate(rows), np.cumsum([0, *map(len, rows)]))


def passes(train: Ids, context: int, count: int = 16) -> list[Ids]:
    """The training text cut into windows so many times, from another place each time."""
    starts = np.random.default_rng(1).integers(context, size=count)
    return [w for s in starts for w in windows(train[s:], context) if len(w) == context + 1]


def our_work(train: Ids, validation: Ids, o: argparse.Namespace) -> Work:
    """Our training's data and network. The context in training may be longer than 256."""
    vocabulary = AsTheyStand()
    vocabulary.told = o.before
    config = ModelConfig(
        vocab_size=vocabulary.size,
        hidden_size=o.width,
        intermediate_size=o.inner,
        num_hidden_layers=o.layers,
        num_attention_heads=o.heads,
        num_key_value_heads=o.heads // o.shared,
        head_dim=o.head,
        max_position_embeddings=max(o.context, CONTEXT),
    )
    if o.before:
        config = replace(config, **vocabulary.recall_fields)  # type: ignore[arg-type]
    return Work(
        token_data(passes(train, o.context)), token_data(windows(validation, CONTEXT)),
        vocabulary, config,
        Recipe(batch_tokens=o.batch, matrix_rate=o.matrix_rate, other_rate=o.other_rate,
               weight_decay=o.decay, dropout=o.dropout),
        o.seed, *find_device("cpu"), None,
    )  # fmt: skip


def run_ours(args: argparse.Namespace) -> None:
    """Train our network; print what came of it as one line of JSON."""
    began = time.monotonic()
    work = our_work(*read_text(args.data), args)
    network, optimiser = work.beginning(args.dropout)
    parameters = sum(w.numel() for w in network.parameters())
    if parameters > MOST_PARAMETERS:
        raise SystemExit(f"{parameters} parameters are more than {MOST_PARAMETERS}")
    started, nats, charged = time.monotonic(), 0.0, 0
    for number, parts in enumerate(islice(work.batches(0), args.steps)):
        loss, count = work.gradients(network, parts, number)
        optimiser.step(number, args.steps)
        nats, charged = nats + loss, charged + count
    trained = time.monotonic()
    val_loss = work.evaluate(network) / work.validation.charged
    ended = time.monotonic()
    print(json.dumps({
        "val_loss": round(val_loss, 4), "seconds": round(ended - began, 2),
        "step_s": round((trained - started) / args.steps, 4), "steps": args.steps,
        "characters": charged, "charged": work.validation.charged,
        "train_loss": round(nats / charged, 4), "parameters": parameters,
        "start_s": round(started - began, 2), "evaluation_s": round(ended - trained, 2),
        "cpu_s": round(time.process_time(), 1),
    }), flush=True)  # fmt: skip


OURS: dict[str, Any] = {
    "steps": 800, "width": 128, "layers": 1, "heads": 8, "shared": 1, "head": 32, "inner": 512,
    "context": 256, "batch": 1024, "matrix_rate": 0.02, "other_rate": 0.01, "decay": 0.1,
    "dropout": 0.0, "seed": 1, "before": 8,
}  # fmt: skip


# Both in one run.


def run_pace(args: argparse.Namespace) -> None:
    """Time steps of the seed, or of our training at the seed's shape; print one line of JSON."""
    texts = read_text(args.data)
    if args.whose == "seed":
        run = SeedRun(*texts)
        times = _timed((run.step() for _ in iter(int, 1)), args.count)
        characters, parameters = BATCH * CONTEXT, PARAMETERS
    else:
        shape = SEED_SHAPE if args.whose == "ours" else SEED_SHAPE | FEWER
        work = our_work(*texts, argparse.Namespace(**OURS | shape))
        network, optimiser = work.beginning(dropout=0.0)
        characters, parameters = BATCH * CONTEXT, sum(w.numel() for w in network.parameters())
        batches = work.batches(0)

        def steps() -> Iterator[float]:
            while True:
                nats, charged = work.gradients(network, next(batches), 0)
                optimiser.step(0, 100)
                yield nats / charged

        times = _timed(steps(), args.count)
    # 6 products for each weight and character (Kaplan et al. 2020), and attention, of which
    # the causal half counts: two products of T / 2 x D forward, twice that backward.
    flops = characters * (6 * parameters + 6 * LAYERS * CONTEXT * WIDTH)
    step_s = statistics.fmean(times)
    print(json.dumps({"step_s": step_s, "characters_per_s": characters / step_s,
                      "flops_per_s": flops / step_s}))  # fmt: skip


def _timed(steps: Iterator[float], count: int) -> list[float]:
    """Seconds of so many steps, after two to warm up."""
    times = []
    for _ in range(count + 2):
        start = time.monotonic()
        next(steps)
        times.append(time.monotonic() - start)
    return times[2:]


def run_peak(args: argparse.Namespace) -> None:
    """The best of several sizes of products of square matrices, in operations a second."""
    best = {}
    for kind in (torch.bfloat16, torch.float32):
        speeds = []
        for n in (512, 1024, 1536, 2048, 3072, 4096):
            a, b = torch.randn(n, n).to(kind), torch.randn(n, n).to(kind)
            torch.mm(a, b)
            count, start, took = 0, time.monotonic(), 0.0
            while took < 0.5:
                torch.mm(a, b)
                count, took = count + 1, time.monotonic() - start
            speeds.append(2 * n**3 * count / took)
            if took > count:  # longer would not be faster, where the processor has no such products
                break
        best[str(kind).removeprefix("torch.")] = max(speeds)
    print(json.dumps(best))


def _apart(data: Path, *words: str, spin: bool = False) -> dict[str, Any]:
    """A part of this program as a process of its own: its line of JSON, and `wall_s` in all."""
    policy = {"OMP_WAIT_POLICY": "ACTIVE" if spin else "PASSIVE"}
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, __file__, *words, "--data", str(data)],
        env=os.environ | policy, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer | {"wall_s": time.monotonic() - start}


def run_compare(args: argparse.Namespace) -> None:
    """Everything in turn, so many times; a line of JSON for each, and the medians."""
    jobs: dict[str, tuple[list[str], bool]] = {
        "peak": (["peak"], False),
        "seed": (["pace", "seed"], False),
        "seed, threads spin": (["pace", "seed"], True),
        "ours at the seed's shape": (["pace", "ours"], False),
        "ours with fewer weights": (["pace", "fewer"], False),
        "ours": (["ours"], False),
        "ours with fewer weights, learning": (["ours", *_words(SEED_SHAPE | FEWER)], False),
    }
    if not args.spin:
        del jobs["seed, threads spin"]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in jobs}
    for repeat in range(args.repeats):
        for name, (words, spin) in jobs.items():
            if words[0] == "ours":
                words = [*words, "--seed", str(repeat + 1)]
            elif words[0] == "pace":
                words = [*words, "--count", str(args.count)]
            answer = _apart(args.data, *words, spin=spin) | {"load": os.getloadavg()[0]}
            found[name].append(answer)
            print(json.dumps({"what": name} | answer), flush=True)

    def median(name: str, key: str) -> float:
        return float(statistics.median(a[key] for a in found[name]))

    seeds = [name for name in found if name.startswith("seed")]
    seed = min(seeds, key=lambda name: median(name, "step_s"))
    shape = "ours at the seed's shape"
    whole = SEED_STEPS * median(seed, "step_s")
    print(f"faster for the seed: {seed}: {median(seed, 'step_s'):.3f} s a step, {whole:.0f} s")
    losses = [a["val_loss"] for a in found["ours"]]
    reached = "reached" if max(losses) <= TARGET else "NOT REACHED"
    print(
        f"{TARGET} {reached} ({', '.join(map(str, losses))}) in "
        f"{median('ours', 'wall_s'):.1f} s: {whole / median('ours', 'wall_s'):.1f} times faster"
    )
    fewer = "ours with fewer weights"
    speeds = [median(name, "characters_per_s") for name in (seed, shape, fewer)]
    print(
        f"characters/s: the seed {speeds[0]:.0f}, as many weights {speeds[1]:.0f}"
        f" ({speeds[1] / speeds[0]:.2f} times), fewer {speeds[2]:.0f} ({speeds[2] / speeds[0]:.2f})"
    )
    learnt = [a["val_loss"] for a in found[f"{fewer}, learning"]]
    print(
        f"with fewer weights ({found[f'{fewer}, learning'][0]['parameters']}): {learnt} in "
        f"{median(f'{fewer}, learning', 'wall_s'):.1f} s"
    )
    for kind in ("bfloat16", "float32"):
        peak = median("peak", kind)
        shares = [f"{median(name, 'flops_per_s') / peak:.1%}" for name in (shape, seed)]
        print(f"{kind}: peak {peak / 1e9:.0f} GFLOP/s; ours {shares[0]}, the seed {shares[1]}")


SEED_SHAPE = {
    "width": WIDTH, "layers": LAYERS, "heads": HEADS, "shared": 1, "head": WIDTH // HEADS,
    "inner": 512, "batch": BATCH * CONTEXT, "before": 0,
}  # fmt: skip
"""As many weights in the layers as the seed's: 3 x 512 in the gated layer for 2 x 768."""
FEWER = {"heads": 2, "shared": 2, "head": 48, "inner": 96}
"""Two heads of queries, one of keys and values, and a narrow gated layer: under a third of the
weights, and half of the scores of attention."""


def _words(shape: dict[str, Any]) -> list[str]:
    """The options of `ours` for a shape, but for batches and what it is told."""
    shape = {k: v for k, v in shape.items() if k not in ("batch", "before")}
    return [word for k, v in shape.items() for word in (f"--{k}", str(v))]


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    data = Path(os.environ.get("TUNESMITH_DATA", "data")) / "seed/melodies_letters_augmented.txt"
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("seed")
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--steps", type=int, default=SEED_STEPS)
    verb.add_argument("--resume", action="store_true")
    verb.add_argument("--quick", action="store_true", help="the same sums in less time")
    verb.set_defaults(run=run_seed)
    verb = verbs.add_parser("ours")
    for name, value in OURS.items():
        verb.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    verb.set_defaults(run=run_ours)
    verb = verbs.add_parser("compare")
    verb.add_argument("--repeats", type=int, default=3)
    verb.add_argument("--count", type=int, default=20)
    verb.add_argument("--spin", action="store_true", help="time the seed with spinning threads too")
    verb.set_defaults(run=run_compare)
    verb = verbs.add_parser("pace")
    verb.add_argument("whose", choices=("seed", "ours", "fewer"))
    verb.add_argument("--count", type=int, default=20)
    verb.set_defaults(run=run_pace)
    verbs.add_parser("peak").set_defaults(run=run_peak)
    for verb in verbs.choices.values():
        verb.add_argument("--data", type=Path, default=data)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
