"""The network three ways (numpy, torch, transformers), and checkpoints that survive anything."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from tunesmith.errors import InputError, OutputError, UsageError
from tunesmith.files import recover_folder
from tunesmith.model import checkpoint as checkpoints
from tunesmith.model.checkpoint import load_checkpoint, save_checkpoint
from tunesmith.model.config import SIZES, ModelConfig
from tunesmith.model.inference import KEPT, Network
from tunesmith.tokens.recall import LEVELS, LineRecall
from tunesmith.tokens.table import FIRST_EVENT

TINY = ModelConfig(
    vocab_size=23, hidden_size=24, intermediate_size=40, num_hidden_layers=3,
    num_attention_heads=6, num_key_value_heads=2, head_dim=8, max_position_embeddings=64,
    recall_channels=4, recall_levels=LEVELS, recall_places=69,
)  # fmt: skip
RNG = np.random.default_rng(5)


def recall_of(batch):
    return LineRecall(batch, 23, 20, 12)


def weights_of(config, seed=0):
    """Weights large enough that every part of the network matters."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(size=shape) * 0.5 + (len(shape) == 1)).astype(np.float32)
        for name, shape in config.shapes().items()
    }


def ids_of(*shape, config=TINY):
    return RNG.integers(0, config.vocab_size, shape)


NETWORK = Network(weights_of(TINY), TINY, recall_of)


def recalled(ids):
    """What ids recall, for torch."""
    import torch

    return tuple(map(torch.from_numpy, recall_of(len(ids)).read(ids)))


# -- sizes and settings -------------------------------------------------------


@pytest.mark.parametrize(
    "size, low, high",
    [("nano", 0.5, 0.95), ("small", 1.5, 4.5), ("base", 8, 14), ("large", 24, 40)],
)
def test_sizes(size, low, high):
    shapes = ModelConfig.from_size(size, 373).shapes()
    millions = sum(math.prod(s) for s in shapes.values()) / 1e6
    assert low < millions < high
    assert size in SIZES


def test_settings_round_trip_and_refusals():
    assert ModelConfig.from_dict(TINY.to_dict()) == TINY
    with pytest.raises(InputError, match="recall_channels"):
        ModelConfig.from_dict(TINY.to_dict() | {"recall_channels": -1})
    with pytest.raises(UsageError, match="huge"):
        ModelConfig.from_size("huge", 10)
    with pytest.raises(InputError, match="rope_scalding"):
        ModelConfig.from_dict(TINY.to_dict() | {"rope_scalding": 1})
    with pytest.raises(InputError, match="model_type"):
        ModelConfig.from_dict(TINY.to_dict() | {"model_type": "llama"})
    with pytest.raises(InputError, match="missing"):
        ModelConfig.from_dict({k: v for k, v in TINY.to_dict().items() if k != "vocab_size"})
    with pytest.raises(InputError, match="head"):
        ModelConfig.from_dict(TINY.to_dict() | {"num_key_value_heads": 4})


# -- one network, three implementations ----------------------------------------


def test_cached_is_uncached():
    ids = ids_of(3, 40)
    whole = NETWORK.forward(ids)
    cache = NETWORK.new_cache(3, 40)
    steps = [NETWORK.step(ids[:, t], cache) for t in range(40)]
    np.testing.assert_allclose(np.stack(steps, axis=1), whole, atol=1e-4)
    cache = NETWORK.new_cache(3, 40)
    parts = [NETWORK.prefill(ids[:, a:b], cache) for a, b in ((0, 7), (7, 8), (8, 40))]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-4)


def test_a_cache_of_some_rows_goes_on_as_they_would():
    ids = ids_of(4, 20)
    cache = NETWORK.new_cache(4, 64)
    NETWORK.prefill(ids[:, :12], cache)
    kept = cache.select([1, 3])
    rest = NETWORK.prefill(ids[[1, 3], 12:], kept)
    np.testing.assert_allclose(rest, NETWORK.forward(ids)[[1, 3], 12:], atol=1e-4)


def test_a_cache_grows_beyond_its_first_room():
    config = ModelConfig(**{**vars(TINY), "max_position_embeddings": 700, "num_hidden_layers": 1})
    network = Network(weights_of(config), config, recall_of)
    ids = ids_of(1, 600)
    cache = network.new_cache(1, 700)
    parts = [network.prefill(ids[:, a : a + 100], cache) for a in range(0, 600, 100)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), network.forward(ids), atol=1e-4)


def test_a_full_cache_slides_as_if_all_had_been_read_anew():
    ids = ids_of(3, 64 + 2 * 21)
    cache = NETWORK.new_cache(3, 64)
    for t in range(64):
        NETWORK.step(ids[:, t], cache)
    cache, ids = NETWORK.slid(ids[:, :64], cache, KEPT).select([0, 2]), ids[[0, 2]]
    full = 64 - KEPT - 32
    for length in (64, 64 + full):  # once, and once more
        anew = NETWORK.new_cache(2, 64)
        assert anew.recall
        seen = anew.recall.read(ids[:, :length])
        places = np.r_[:KEPT, length - 32 : length]
        NETWORK.prefill(ids[:, places], anew, tuple(part[:, places] for part in seen))
        for t in range(length, length + full):
            steps = [NETWORK.step(ids[:, t], one) for one in (cache, anew)]
            np.testing.assert_allclose(*steps, atol=1e-4)
        if length == 64:
            cache = NETWORK.slid(ids[:, : length + full], cache, KEPT)


def test_numpy_is_torch():
    torch = pytest.importorskip("torch")
    ids = ids_of(3, 40)
    with torch.inference_mode():
        logits = torch_network()(torch.from_numpy(ids), recalled(ids)).numpy()
    np.testing.assert_allclose(NETWORK.forward(ids), logits, atol=1e-4)


def torch_network():
    import torch

    from tunesmith.model.network import TrainingNetwork

    network = TrainingNetwork(TINY)
    assert {n: tuple(p.shape) for n, p in network.named_parameters()} == TINY.shapes()
    network.load_state_dict({n: torch.from_numpy(w) for n, w in weights_of(TINY).items()})
    return network


@pytest.mark.parametrize(("kind", "near"), [("float32", 1e-4), ("bfloat16", 0.03)])
def test_attention_for_training_is_that_of_the_formula(kind, near, monkeypatch):
    torch = pytest.importorskip("torch")
    from tunesmith.model import network
    from tunesmith.model.network import Attention, rotary_tables
    from tunesmith.model.processor import attend

    torch.manual_seed(1)
    config = ModelConfig.from_size("nano", 50)
    length = 300  # several blocks of queries and a part of one
    monkeypatch.setattr(network, "keeps", lambda *_: False)  # so `of` asks torch
    tables = rotary_tables(config, length)
    of = Attention(config)
    of.o_proj = torch.nn.Identity()
    for norm in (of.q_norm, of.k_norm):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    x = torch.randn(2, length, config.hidden_size)
    weights = [of.q_proj.weight, of.k_proj.weight, of.v_proj.weight, of.q_norm.weight]
    weights.append(of.k_norm.weight)
    given = torch.randn(2, length, 128)
    plain = of(x, *tables)
    parts = [p(x).to(getattr(torch, kind)) for p in (of.q_proj, of.k_proj, of.v_proj)]
    ours = attend(*parts, of.q_norm.weight, of.k_norm.weight, *tables, config.rms_norm_eps)
    torch.testing.assert_close(ours.float(), plain, atol=near, rtol=near)
    wanted = torch.autograd.grad(plain, weights, given)
    for one, other in zip(torch.autograd.grad(ours.float(), weights, given), wanted, strict=True):
        assert (one - other).norm() < near * other.norm()


@pytest.mark.parametrize(("kind", "near"), [("float32", 1e-5), ("bfloat16", 0.02)])
def test_the_norm_for_training_is_that_of_the_formula(kind, near):
    torch = pytest.importorskip("torch")
    from tunesmith.model.network import Norm

    torch.manual_seed(2)
    of, plain = Norm(64, 1e-6), torch.nn.RMSNorm(64, 1e-6)
    torch.nn.init.uniform_(of.weight, 0.5, 1.5)
    plain.load_state_dict(of.state_dict())
    x = torch.randn(2, 50, 64, requires_grad=True)
    given = torch.randn(2, 50, 64)
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == "bfloat16"):
        found = of(x)
    assert found.dtype == getattr(torch, kind)
    torch.testing.assert_close(found.float(), plain(x), atol=near, rtol=near)
    ours = torch.autograd.grad(found.float(), [x, of.weight], given)
    wanted = torch.autograd.grad(plain(x), [x, plain.weight], given)
    for one, other in zip(ours, wanted, strict=True):
        assert (one - other).norm() < near * other.norm()


def test_transformers_opens_a_checkpoint(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    save_checkpoint(tmp_path / "model", weights_of(TINY), TINY, {}, {})
    network, loaded = transformers.Qwen3ForCausalLM.from_pretrained(
        tmp_path / "model", output_loading_info=True
    )
    assert not loaded["missing_keys"]
    assert all(name.startswith("recall.") for name in loaded["unexpected_keys"])
    ids = ids_of(2, 40)
    with torch.inference_mode():  # all but the sum that enters the first layer is theirs
        embedded = torch_network().embedded(torch.from_numpy(ids), recalled(ids))
        theirs = network(inputs_embeds=embedded).logits.numpy()
    np.testing.assert_allclose(NETWORK.forward(ids), theirs, atol=1e-4)


def test_a_tune_sees_neither_its_neighbours_nor_the_padding():
    torch = pytest.importorskip("torch")
    network = torch_network()
    ids = ids_of(3, 30)
    changed = ids.copy()
    changed[0], changed[1, 20:] = ids_of(30), ids_of(10)
    with torch.inference_mode():
        a, b = (network(torch.from_numpy(i), recalled(i)).numpy() for i in (ids, changed))
    np.testing.assert_allclose(a[1, :20], b[1, :20], atol=1e-5)
    np.testing.assert_allclose(a[2], b[2], atol=1e-5)
    assert np.abs(a[1, 20:] - b[1, 20:]).max() > 0.01


def test_loss_is_the_sum_over_what_is_charged():
    torch = pytest.importorskip("torch")
    ids = ids_of(2, 21)
    targets = np.where(RNG.random((2, 20)) < 0.3, -1, ids[:, 1:])
    with torch.inference_mode():
        inputs, recall = torch.from_numpy(ids[:, :-1]), recalled(ids[:, :-1])
        loss = torch_network().loss_sum(inputs, torch.from_numpy(targets), recall)
    logs = np.stack(NETWORK.log_probabilities(list(ids)))
    assert float(loss) == pytest.approx(-logs[targets >= 0].sum(), rel=1e-4)


# -- scoring ---------------------------------------------------------------------


def by_hand(ids, recall=None):
    logits = NETWORK.forward(ids[None, :-1], recall)[0].astype(float)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return logs[np.arange(len(ids) - 1), ids[1:]]


def test_scores_of_sequences_of_any_length():
    sequences = [ids_of(n) for n in (2, 17, 64, 5, 40)]
    for ids, logs in zip(sequences, NETWORK.log_probabilities(sequences), strict=True):
        np.testing.assert_allclose(logs, by_hand(ids), atol=1e-4)


def test_the_whole_header_stays_in_view():
    assert KEPT == FIRST_EVENT


@pytest.mark.parametrize("length", [65, 85, 86, 200])
def test_scores_beyond_the_context(length):
    ids = ids_of(length)
    (logs,) = NETWORK.log_probabilities([ids])
    assert logs.shape == (length - 1,)
    np.testing.assert_allclose(logs[:63], by_hand(ids[:64]), atol=1e-4)
    # The second window: the first 11 ids, 32 before it, and 21 that it scores.
    end = min(85, length)
    seen = np.r_[:KEPT, 32:end]
    recall = tuple(part[:, seen[:-1]] for part in recall_of(1).read(ids[None]))
    window = by_hand(ids[seen], recall)  # what it recalls is of all before
    np.testing.assert_allclose(logs[63 : end - 1], window[-(end - 64) :], atol=1e-4)


# -- checkpoints -------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    folder = tmp_path / "run" / "best"
    save_checkpoint(folder, weights_of(TINY), TINY, {"kind": "x"}, {"licence": "é"})
    return folder


def test_checkpoint_round_trip(saved):
    for path in (saved, saved.parent):
        found = load_checkpoint(path)
        assert found.config == TINY
        assert (found.vocabulary, found.provenance) == ({"kind": "x"}, {"licence": "é"})
        assert len(found.sha256) == 64
        for name, weight in weights_of(TINY).items():
            assert np.array_equal(found.weights[name], weight)
    assert sorted(p.name for p in saved.parent.iterdir()) == ["best"]


def damage(saved, what):
    weights = saved / "model.safetensors"
    config = saved / "config.json"
    if what == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif what == "garbage":
        weights.write_bytes(b"not at all")
    elif what == "empty":
        weights.write_bytes(b"")
    elif what == "no config":
        config.unlink()
    elif what == "no vocabulary":
        (saved / "vocabulary.json").unlink()
    elif what == "config garbage":
        config.write_text("{")
    elif what == "config list":
        config.write_text("[]")
    elif what == "other shape":
        config.write_text(json.dumps(TINY.to_dict() | {"intermediate_size": 41}))
    elif what == "not a number":
        config.write_text(json.dumps(TINY.to_dict() | {"hidden_size": "big"}))
    elif what == "no weights":
        weights.unlink()


DAMAGES = [
    "truncated", "garbage", "empty", "no config", "no vocabulary", "config garbage",
    "config list", "other shape", "not a number", "no weights",
]  # fmt: skip


@pytest.mark.parametrize("what", DAMAGES)
def test_damaged_checkpoints_are_named(saved, what):
    damage(saved, what)
    with pytest.raises(InputError) as e:
        load_checkpoint(saved)
    assert "\n" not in str(e.value)


def test_no_checkpoint(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="tunesmith train"):
            load_checkpoint(path)


def test_a_failing_save_leaves_the_old_one(saved, monkeypatch):
    before = load_checkpoint(saved).sha256

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError, match="full"):
        save_checkpoint(saved, weights_of(TINY, 1), TINY, {}, {})
    monkeypatch.undo()
    assert load_checkpoint(saved).sha256 == before
    assert sorted(p.name for p in saved.parent.iterdir()) == ["best"]


def test_a_save_killed_at_each_rename_leaves_the_old_or_the_new(saved, monkeypatch):
    from pathlib import Path

    class Killed(BaseException):
        pass

    real, seed, seen = Path.rename, 1, set()
    hashes = {load_checkpoint(saved).sha256}
    for last in range(4):
        calls = iter(range(10))

        def rename(self, target, calls=calls, last=last):
            if next(calls) == last:
                raise Killed
            return real(self, target)

        seed += 1
        monkeypatch.setattr(Path, "rename", rename)
        try:
            save_checkpoint(saved, weights_of(TINY, seed), TINY, {}, {})
            seen.add("done")
        except Killed:
            seen.add("killed")
        monkeypatch.undo()
        recover_folder(saved)
        new = load_checkpoint(saved)
        norm = new.weights["model.norm.weight"]
        others = {s: weights_of(TINY, s)["model.norm.weight"] for s in range(seed + 1) if s != 1}
        same = [s for s, w in others.items() if np.array_equal(w, norm)]
        assert len(same) == 1
        hashes.add(new.sha256)
    assert seen == {"done", "killed"} and len(hashes) > 1


def test_composing_needs_no_torch():
    code = (
        "import tunesmith.model.inference, tunesmith.model.checkpoint, sys;"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_names_of_the_files():
    names = checkpoints.WEIGHTS, checkpoints.CONFIG, checkpoints.VOCABULARY, checkpoints.PROVENANCE
    assert names == ("model.safetensors", "config.json", "vocabulary.json", "provenance.json")
