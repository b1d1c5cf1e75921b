"""Training: it learns, it stops, it goes on to the bit, and it says what is wrong."""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from queue import SimpleQueue

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.numpy import load_file  # noqa: E402

from tunesmith.errors import InputError, OutputError, TunesmithError, UsageError  # noqa: E402
from tunesmith.melody import Key, Melody, Note  # noqa: E402
from tunesmith.model.checkpoint import load_checkpoint  # noqa: E402
from tunesmith.model.config import ModelConfig  # noqa: E402
from tunesmith.model.inference import Network  # noqa: E402
from tunesmith.model.processor import thinned  # noqa: E402
from tunesmith.tokens import make_vocabulary  # noqa: E402
from tunesmith.tokens.table import TURNED0  # noqa: E402
from tunesmith.training import Recipe, TokenData, train  # noqa: E402
from tunesmith.training.data import columns, grouped, training_batches  # noqa: E402
from tunesmith.training.optimiser import Optimiser, orthogonal, rate  # noqa: E402
from tunesmith.training.work import Work, _begin, divided  # noqa: E402

LETTERS = make_vocabulary("letters")
CONFIG = ModelConfig(
    vocab_size=14, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=2, num_key_value_heads=1, head_dim=16, max_position_embeddings=48,
    **make_vocabulary("letters").recall_fields,
)  # fmt: skip
RECIPE = Recipe(batch_tokens=512)


def repeating(tunes, seed=0, shortest=2, longest=7):
    """Tunes of some random letters, said four times: to be learnt by copying."""
    rng = np.random.default_rng(seed)
    pieces = [
        np.array([13, *np.tile(rng.integers(0, 12, n), 4), 13], np.uint16)
        for n in rng.integers(shortest, longest + 1, tunes)
    ]
    return TokenData(np.concatenate(pieces), np.cumsum([0, *map(len, pieces)]))


TRAIN, VALIDATION = repeating(120), repeating(20, seed=1)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """Also where the tests run beside something else, with Ctrl-C ignored."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


def run(out, data=TRAIN, validation=VALIDATION, **how):
    how = {"steps": 20, "recipe": RECIPE} | how
    if "minutes" in how:
        del how["steps"]
    return train(data, validation, LETTERS, CONFIG, out, **how)


def records(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def without_times(records):
    return [{k: v for k, v in r.items() if k not in ("tokens_per_s", "seconds_left")}
            for r in records]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of 20 steps that nothing interrupts."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("whole") / "run"
    told = []
    run(out, log=told.append)
    return out, told


def same_run(a, b):
    for file in ("best/model.safetensors", "last/model.safetensors", "last/optimiser.safetensors",
                 "last/progress.json", "last/provenance.json"):  # fmt: skip
        assert (a / file).read_bytes() == (b / file).read_bytes(), file
    assert without_times(records(a)) == without_times(records(b))


# -- batches ---------------------------------------------------------------------


def batches(start, count, seed=3):
    how = {"context": 48, "tokens": 200, "shards": 2, "seed": seed, "start": start}
    return list(islice(training_batches(TRAIN, LETTERS, **how), count))


def flat(batch):
    return [*batch[:-1], *batch.seen]


def test_batch_k_depends_on_seed_and_k_only():
    whole = batches(0, 40)
    for parts, again in zip(whole[23:], batches(23, 17), strict=True):
        for a, b in zip(parts, again, strict=True):
            assert all(np.array_equal(x, y) for x, y in zip(flat(a), flat(b), strict=True))
    (one, *_), (other, *_) = whole[0], batches(0, 1, seed=4)[0]
    assert other.inputs.shape != one.inputs.shape or (other.inputs != one.inputs).any()


def test_an_epoch_takes_every_tune_once_and_augments_anew():
    seen, first = [], {}
    steps = batches(0, 40)
    assert max(map(len, steps)) == 2
    for batch in (part for parts in steps for part in parts):
        assert batch.inputs.size <= 100
        for row, tune in enumerate(batch.tunes):
            first.setdefault(int(tune), []).append(batch.inputs[row])
        seen += batch.tunes.tolist()
    assert sorted(seen[: len(TRAIN)]) == list(range(len(TRAIN)))
    assert sorted(seen[len(TRAIN) : 2 * len(TRAIN)]) == list(range(len(TRAIN)))
    again = [v for v in first.values() if len(v) > 1]
    assert sum((v[0][1] != v[1][1]) for v in again) > len(again) / 2


def test_targets_are_the_next_ids_where_charged():
    batch = batches(0, 1)[0][0]
    for row, tune in enumerate(batch.tunes):
        n = len(TRAIN[int(tune)]) - 1
        assert batch.targets[row, : n - 1].tolist() == batch.inputs[row, 1:n].tolist()
        assert batch.targets[row, n - 1] == LETTERS.end
        assert (batch.targets[row, n:] == -1).all()


def test_grouping_keeps_to_the_tokens():
    lengths = np.array([5, 5, 6, 30, 7])
    groups = grouped(np.arange(5), lengths, 18)
    assert [g.tolist() for g in groups] == [[0, 1, 2], [3], [4]]


def test_batches_have_few_shapes_and_little_to_spare():
    widths = [columns(n) for n in range(1, 2049)]
    assert all(n <= w <= max(n + 1, 1.125 * n) for n, w in enumerate(widths, 1))
    assert len(set(widths)) < 80
    shapes = {part.inputs.shape[1] for parts in batches(0, 40) for part in parts}
    assert shapes <= {columns(n) for n in range(1, 49)}


def test_dropout_drops_its_share_and_keeps_the_mean():
    kept = thinned(torch.ones(1000, 193), 0.2, torch.Generator().manual_seed(1))
    assert len(kept.unique()) == 2
    assert (kept == 0).float().mean() == pytest.approx(0.2, abs=0.005)
    assert kept.mean() == pytest.approx(1, abs=0.005)
    again = thinned(torch.ones(1000, 193), 0.2, torch.Generator().manual_seed(1))
    assert torch.equal(kept, again)


def test_tunes_turned_about_resume_too():
    notes = make_vocabulary("notes", ("folk",))
    notes_of = [tuple(Note(480 * i, 480, 60 + n + i % 5) for i in range(16)) for n in range(12)]
    tunes = [notes.encode(Melody(n, key=Key("C", "major")), "folk").ids for n in notes_of]
    data = TokenData(np.concatenate(tunes), np.cumsum([0, *map(len, tunes)]))
    how = {"context": 99, "tokens": 300, "shards": 1, "seed": 2, "turned": 0.5}
    whole = list(islice(training_batches(data, notes, start=0, **how), 12))
    later = list(islice(training_batches(data, notes, start=5, **how), 7))
    for a, b in zip(whole[5:], later, strict=True):
        assert np.array_equal(a[0].inputs, b[0].inputs)
    marks = np.concatenate([part.inputs[:, 1] for parts in whole for part in parts])
    assert 0.3 < np.mean(marks >= TURNED0) < 0.7


def test_letters_are_not_turned_about(tmp_path):
    with pytest.raises(UsageError, match="cannot be turned about"):
        run(tmp_path / "x", recipe=replace(RECIPE, turned=0.5))


# -- optimiser ---------------------------------------------------------------------


def test_orthogonal():
    torch.manual_seed(0)
    for shape in ((3, 8, 20), (2, 20, 8)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert values.min() > 0.5 and values.max() < 1.3


def test_the_rate_rises_and_falls_to_zero():
    rates = [rate(i, 200) for i in range(200)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == max(rates) == 1
    assert rates[105] == pytest.approx(0.5)
    assert rates[199] == pytest.approx(1 / 190)
    assert rate(0, 1) == 1


def test_two_steps_of_the_optimiser_by_their_formulas():
    torch.manual_seed(3)
    module = torch.nn.Module()
    of = {"matrix": (3, 5), "embed": (4, 3), "norm": (5,)}
    for name, shape in of.items():
        module.register_parameter(name, torch.nn.Parameter(torch.randn(shape)))
    now = {n: p.detach().clone() for n, p in module.named_parameters()}
    rates = {"matrix_rate": 0.3, "other_rate": 0.2, "decay": 0.5}
    optimiser = Optimiser(module, **rates)
    first = {n: torch.zeros(s) for n, s in of.items()}
    second = {n: torch.zeros(s) for n, s in of.items()}
    for number, size in ((0, 0.1), (1, 10.0)):  # the second is clipped
        given = {n: size * torch.randn(s) for n, s in of.items()}
        for name, weight in module.named_parameters():
            weight.grad = given[name].clone()
        share = optimiser.step(number, 40)
        assert share == rate(number, 40) and all(p.grad is None for p in module.parameters())
        norm = math.sqrt(sum(float(g.square().sum()) for g in given.values()))
        assert (norm > 1) == (number == 1)
        for name, g in given.items():
            g = g * min(1, 1 / norm)
            if name == "matrix":
                first[name] = 0.95 * first[name] + 0.05 * g
                move = orthogonal((0.05 * g + 0.95 * first[name])[None])[0]
                now[name] = now[name] * (1 - share * 0.3 * 0.5)
                now[name] = now[name] - share * 0.3 * 0.2 * 5**0.5 * move
            else:
                first[name] = 0.9 * first[name] + 0.1 * g
                second[name] = 0.95 * second[name] + 0.05 * g * g
                mean = first[name] / (1 - 0.9 ** (number + 1))
                power = second[name] / (1 - 0.95 ** (number + 1))
                now[name] = now[name] - share * 0.2 * mean / (power.sqrt() + 1e-8)
        for name, weight in module.named_parameters():
            torch.testing.assert_close(weight.detach(), now[name], rtol=1e-4, atol=1e-5)


def work(precision="fp32", **how):
    recipe = replace(RECIPE, **how)
    place = torch.device("cpu")
    return Work(TRAIN, VALIDATION, LETTERS, CONFIG, recipe, 1, place, precision, None)


def off_zero(network):
    """A network whose projections into the stream are not zero, as they begin."""
    torch.manual_seed(5)
    for weight in network.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.1)
    return network


@pytest.mark.parametrize(("precision", "near"), [("fp32", 1e-5), ("bf16", 0.03)])
def test_gradients_of_parts_are_those_of_the_whole(precision, near):
    of = work(precision)
    network = off_zero(of.beginning(0.0)[0])
    parts = next(of.batches(start=0))
    assert len(parts) == 2 and parts[0].inputs.shape != parts[1].inputs.shape
    nats, charged = of.gradients(network, parts, 0)
    found = [p.grad for p in network.parameters()]
    loss = sum(network.loss_sum(*of._there(part)) for part in parts)
    assert charged == sum(int((p.targets >= 0).sum()) for p in parts)
    assert nats == pytest.approx(loss.item(), rel=near)
    wanted = torch.autograd.grad(loss / charged, list(network.parameters()))
    for one, other in zip(found, wanted, strict=True):
        assert (one - other).norm() <= near * other.norm()


def test_dropout_is_another_in_each_part_and_step():
    of = work()
    drawn = [of._chance(n, p).initial_seed() for n in range(3) for p in range(2)]
    assert len({*drawn}) == 6
    assert drawn == [of._chance(n, p).initial_seed() for n in range(3) for p in range(2)]


def test_where_the_weights_of_attention_take_too_much_memory_torch_works(monkeypatch):
    from tunesmith.model import network, processor

    used = []
    attend = network.attend
    monkeypatch.setattr(network, "attend", lambda *how: used.append(1) or attend(*how))
    of = off_zero(network.TrainingNetwork(CONFIG))
    ids = torch.arange(40)[None] % 14
    seen = LETTERS.recall(1).read_all(ids.numpy(), np.array([40]))
    seen = [torch.from_numpy(x) for x in seen]
    ours = of(ids, seen)
    assert len(used) == CONFIG.num_hidden_layers
    monkeypatch.setattr(processor, "MOST_KEPT", 2 * 40 * 40 // 2 * 4)  # two heads, 4 bytes
    of(ids, seen)
    assert len(used) == 2 * CONFIG.num_hidden_layers
    monkeypatch.setattr(processor, "MOST_KEPT", 2 * 40 * 40 // 2 * 4 - 1)
    torch.testing.assert_close(of(ids, seen), ours, rtol=1e-4, atol=1e-5)
    assert len(used) == 2 * CONFIG.num_hidden_layers
    assert not processor.is_for(ids, of.double().model.norm.weight)  # no precision of ours


# -- learning ------------------------------------------------------------------------


def test_it_learns_to_copy(tmp_path):
    data, held_out = repeating(300, 0, 6, 6), repeating(20, 1, 6, 6)
    last = run(tmp_path / "run", data, held_out, steps=80, recipe=Recipe(batch_tokens=4096))
    # No tune is known beforehand: a letter costs log 12 = 2.5, but only the first six do.
    assert last["val_loss"] < 1
    assert last["step"] == 80 and last["seconds_left"] == 0


def test_every_figure_of_a_record_by_hand(whole):
    out, told = whole
    assert told == records(out)
    assert [r["step"] for r in told] == [*range(2, 21, 2)]
    last = told[-1]
    checkpoint = load_checkpoint(out / "last")
    tunes = [VALIDATION[i] for i in range(len(VALIDATION))]
    network = Network(checkpoint.weights, checkpoint.config, make_vocabulary("letters").recall)
    logs = network.log_probabilities(tunes)
    nats = -sum(x.sum() for x in logs)
    assert last["val_loss"] == pytest.approx(nats / sum(map(len, logs)), rel=1e-4)
    assert last["perplexity"] == pytest.approx(math.exp(last["val_loss"]))
    notes = sum(len(t) - 2 for t in tunes)
    assert last["bits_per_note"] == pytest.approx(nats / math.log(2) / notes, rel=1e-4)
    assert last["learning_rate"] == pytest.approx(RECIPE.matrix_rate * rate(19, 20))
    assert last["tokens_per_s"] > 0
    assert all(r["seconds_left"] > 0 for r in told[:-1])
    of = work(dropout=0.0)
    network, _ = of.beginning(0.0)
    parts = next(of.batches(start=0))
    with torch.no_grad():
        nats = sum(float(network.loss_sum(*of._there(part))) for part in parts)
    charged = sum(int((p.targets >= 0).sum()) for p in parts)
    one = run(out.parent / "one", steps=1, recipe=of.recipe)
    assert one["train_loss"] == pytest.approx(nats / charged, rel=1e-5)
    best = min(told, key=lambda r: r["val_loss"])
    assert load_checkpoint(out).provenance["scores"]["val_loss"] == best["val_loss"]


def test_the_same_seed_gives_the_same_and_another_another(whole, tmp_path):
    run(tmp_path / "same")
    same_run(whole[0], tmp_path / "same")
    run(tmp_path / "other", seed=2)
    assert records(tmp_path / "other")[-1]["val_loss"] != records(whole[0])[-1]["val_loss"]


def test_minutes_become_steps_once(tmp_path):
    run(tmp_path / "run", minutes=0.05)
    plan = json.loads((tmp_path / "run" / "run.json").read_text())
    assert plan["minutes"] == 0.05 and plan["steps"] >= 1
    assert records(tmp_path / "run")[-1]["step"] == plan["steps"]
    again = run(tmp_path / "run", minutes=0.05, resume=True)
    assert again == records(tmp_path / "run")[-1]


def test_start_from_another_model(whole, tmp_path):
    start = load_checkpoint(whole[0])
    run(tmp_path / "tuned", start_from=start, steps=2)
    assert records(tmp_path / "tuned")[0]["train_loss"] < records(whole[0])[0]["train_loss"] - 0.3
    other = ModelConfig(**{**vars(CONFIG), "num_hidden_layers": 1})
    with pytest.raises(InputError, match="shape"):
        train(TRAIN, VALIDATION, LETTERS, other, tmp_path / "x", steps=2, start_from=start)


# -- stopping and going on -------------------------------------------------------------

SCRIPT = """
import signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_training as t
t.torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)
def log(record): print(record.get("step"), flush=True)
last = t.run(Path({out!r}), resume=True, log=log, recipe={recipe}, steps={steps})
print("stopped" if last.get("stopped") else "done", flush=True)
"""


def start(out, steps=20, recipe="t.RECIPE"):
    from pathlib import Path

    tests = str(Path(__file__).parent)
    code = SCRIPT.format(tests=tests, out=str(out), steps=steps, recipe=recipe)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def kill_when(process, seen):
    """Kill the process as soon as `seen` is true."""
    while process.poll() is None and not seen():
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_killed_at_many_moments_it_ends_the_same(whole, tmp_path):
    out = tmp_path / "run"
    moments = [
        lambda: out.exists(),
        lambda: (out / "run.json").exists(),
        lambda: (out / "last" / "progress.json").exists(),
        lambda: any(out.glob(".*.draft.*")),
        lambda: len(records(out)) >= 5 if (out / "metrics.jsonl").exists() else False,
    ]
    for moment in moments:
        with contextlib.suppress(ValueError):  # a record half written when we looked
            kill_when(start(out), moment)
    process = start(out)
    assert "done" in process.communicate(timeout=60)[0]
    same_run(whole[0], out)
    assert not list(out.glob(".*"))


def test_ctrl_c_stops_after_the_step_and_resumes(tmp_path):
    steps, recipe = 3000, "t.Recipe(batch_tokens=64)"
    process = start(tmp_path / "run", steps, recipe)
    assert process.stdout.readline().strip() == "300"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0].splitlines()[-1] == "stopped"
    assert process.returncode == 0
    stopped = json.loads((tmp_path / "run" / "last" / "progress.json").read_text())
    assert 300 <= stopped["step"] < 3000


def test_ctrl_c_that_is_ignored_stays_so(tmp_path):
    def press(record):
        os.kill(os.getpid(), signal.SIGINT)

    former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as what a shell runs beside
    try:
        assert run(tmp_path / "run", steps=4, log=press)["step"] == 4
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, former)


def test_stopped_between_records_it_ends_the_same(whole, tmp_path):
    out = tmp_path / "run"

    def interrupt(record):
        signal.raise_signal(signal.SIGINT)

    for expected in (4, 6, 8):
        last = run(out, resume=True, log=interrupt if expected < 8 else None)
        if expected == 4:
            assert last["stopped"] and last["step"] == 2
        elif expected == 6:
            assert last["stopped"] and last["step"] == 4
    same_run(whole[0], out)


def test_a_step_between_records_is_kept(whole, tmp_path, monkeypatch):
    from tunesmith.training.work import Work

    real, calls = Work.gradients, iter(range(100))

    def gradients(self, network, parts, number):
        if next(calls) == 4:  # in the fifth step, after two records
            signal.raise_signal(signal.SIGINT)
        return real(self, network, parts, number)

    monkeypatch.setattr(Work, "gradients", gradients)
    last = run(tmp_path / "run")
    assert last["stopped"] and last["step"] == 5
    assert json.loads((tmp_path / "run/last/progress.json").read_text())["loss_count"] > 0
    run(tmp_path / "run", resume=True)
    same_run(whole[0], tmp_path / "run")


def test_resuming_with_other_settings_names_them(whole, tmp_path):
    for how, name in (
        ({"seed": 9}, "seed"),
        ({"steps": 21}, "steps"),
        ({"recipe": Recipe(batch_tokens=512, dropout=0.1)}, "recipe.dropout"),
        ({"data": repeating(121)}, "data.train.sha256"),
    ):
        with pytest.raises(UsageError, match=name):
            run(whole[0], resume=True, **how)
    finished = train(TRAIN, VALIDATION, LETTERS, CONFIG, whole[0], resume=True, recipe=RECIPE)
    assert finished == records(whole[0])[-1]


@pytest.mark.parametrize("rate", [0.0, -0.01, float("nan"), float("inf")])
def test_a_learning_rate_must_be_above_zero(tmp_path, rate):
    with pytest.raises(UsageError, match="not above 0"):
        run(tmp_path / "run", recipe=Recipe(batch_tokens=512, matrix_rate=rate))
    assert not (tmp_path / "run").exists()


def test_dropout_resumes_too(tmp_path):
    recipe = Recipe(batch_tokens=512, dropout=0.2)
    run(tmp_path / "a", steps=6, recipe=recipe)
    stops = iter([True, False])

    def interrupt(record):
        if next(stops, False):
            signal.raise_signal(signal.SIGINT)

    assert run(tmp_path / "b", steps=6, recipe=recipe, log=interrupt)["stopped"]
    run(tmp_path / "b", steps=6, recipe=recipe, resume=True)
    same_run(tmp_path / "a", tmp_path / "b")


def test_minutes_end_where_the_tunes_would_be_learnt_by_heart(tmp_path):
    few, notes = repeating(30), []
    run(tmp_path / "run", data=few, minutes=5, log=notes.append)
    plan = json.loads((tmp_path / "run" / "run.json").read_text())
    assert plan["steps"] == math.ceil(LETTERS.passes * len(few.ids) / 512)
    assert plan["dropout"] == 0.2
    assert "is enough" in notes[0]["note"]


def test_dropout_goes_with_the_passes_if_it_is_not_asked_for(tmp_path):
    share, losses = 20 * 512 / len(TRAIN.ids) / LETTERS.passes, set()
    for asked, dropout in ((None, round(0.2 * share, 2)), (0.3, 0.3), (0.0, 0.0)):
        recipe = Recipe(batch_tokens=512, dropout=asked)
        run(tmp_path / str(asked), recipe=recipe)
        assert json.loads((tmp_path / str(asked) / "run.json").read_text())["dropout"] == dropout
        losses.add(records(tmp_path / str(asked))[-1]["train_loss"])
    assert 0 < share < 1 and len(losses) == 3


# -- trouble ------------------------------------------------------------------------------


def test_an_existing_run_is_not_overwritten_without_force(tmp_path):
    run(tmp_path / "run", steps=2)
    before = load_file(tmp_path / "run" / "last" / "model.safetensors")
    with pytest.raises(OutputError, match="--force"):
        run(tmp_path / "run", steps=3)
    after = load_file(tmp_path / "run" / "last" / "model.safetensors")
    assert all(np.array_equal(before[n], after[n]) for n in before)
    (tmp_path / "run" / "mine.txt").write_text("keep")
    run(tmp_path / "run", steps=3, force=True)
    assert records(tmp_path / "run")[-1]["step"] == 3
    assert (tmp_path / "run" / "mine.txt").exists()


@pytest.mark.parametrize("tunes, held_out", [(1, 5), (0, 5), (5, 0)])
def test_too_few_tunes(tmp_path, tunes, held_out):
    nothing = TokenData(np.zeros(0, np.uint16), np.zeros(1, np.int64))
    data, validation = (repeating(n) if n else nothing for n in (tunes, held_out))
    with pytest.raises(InputError, match="more tunes"):
        run(tmp_path / "run", data, validation)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_is_reported(tmp_path):
    with pytest.raises(TunesmithError, match="at step"):
        run(tmp_path / "run", recipe=Recipe(batch_tokens=512, matrix_rate=1e30, other_rate=1e30))


def test_weights_that_went_astray_are_not_saved(tmp_path):
    wild = replace(RECIPE, matrix_rate=1e30, other_rate=1e30)
    with pytest.raises(TunesmithError, match="at step 1"):  # the loss of the step itself was fine
        run(tmp_path / "run", steps=1, recipe=wild)
    assert not (tmp_path / "run" / "last").exists() and not records(tmp_path / "run")


def test_nothing_is_deleted_for_a_run_that_cannot_begin(tmp_path):
    run(tmp_path / "run", steps=2)
    rests = TokenData(np.array([13, 12, 12, 13], np.uint16), np.array([0, 4]))
    with pytest.raises(InputError, match="no note"):
        run(tmp_path / "run", validation=rests, force=True)
    assert load_checkpoint(tmp_path / "run")


def test_a_full_disk_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    from pathlib import Path

    real = Path.write_bytes

    def limited(self, data):
        if self.name == "optimiser.safetensors" and len(records(tmp_path / "run")) == 3:
            raise OSError(28, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", limited)
    with pytest.raises(OutputError, match="disk is full"):
        run(tmp_path / "run")
    monkeypatch.undo()
    assert load_checkpoint(tmp_path / "run" / "last").provenance["scores"]["step"] == 4
    assert run(tmp_path / "run", resume=True)["step"] == 20


def test_a_damaged_state_is_named(tmp_path):
    run(tmp_path / "run", steps=2)
    (tmp_path / "run" / "last" / "optimiser.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="damaged"):
        run(tmp_path / "run", steps=2, resume=True)
    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        run(tmp_path / "run", steps=2, resume=True)


@pytest.mark.parametrize(
    "how", [{"steps": 0}, {"minutes": -1}, {"seed": -1}, {"seed": 2**64}, {"device": "abacus"},
            {"recipe": Recipe(dropout=1)}],
)  # fmt: skip
def test_wrong_settings(tmp_path, how):
    with pytest.raises(UsageError):
        run(tmp_path / "run", **how)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no binding to processors here")
@pytest.mark.parametrize(("there", "shares"), [
    ({0, 1}, [{0}, {1}]),
    ({1, 2, 5, 6}, [{1, 2}, {5, 6}]),
    ({0, 3, 4}, [{0}, {3}]),
    ({7}, [set(), set()]),
])  # fmt: skip
def test_workers_have_processors_of_their_own(monkeypatch, there, shares):
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: there)
    assert divided(2) == shares


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no binding to processors here")
def test_only_workers_are_bound(tmp_path):
    before = os.sched_getaffinity(0)
    run(tmp_path / "run", steps=2)
    assert os.sched_getaffinity(0) == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no binding to processors here")
def test_a_worker_is_bound_to_its_share():
    share, threads = {min(os.sched_getaffinity(0))}, torch.get_num_threads()
    shares = SimpleQueue()
    shares.put(share)
    with ThreadPoolExecutor(1, initializer=_begin, initargs=(threads, shares)) as workers:
        assert workers.submit(os.sched_getaffinity, 0).result() == share
