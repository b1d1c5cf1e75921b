"""The shape of the network, under the names that Hugging Face gives it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from tunesmith.errors import InputError, UsageError

# Layers, width, heads. Heads are 32 wide, two share a key and value head, and
# the inner layer is three times as wide as the stream.
SIZES = {
    "nano": (4, 128, 4),
    "small": (4, 192, 6),
    "base": (8, 320, 10),
    "large": (12, 448, 14),
}
HEAD_DIM = 32
CONTEXT = 2048

# What `config.json` holds besides the fields below, so that it opens as Qwen3.
_HUGGING_FACE: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_act": "silu",
    "attention_bias": False,
    "attention_dropout": 0.0,
    "use_sliding_window": False,
    "torch_dtype": "float32",
}


# What the weights' shapes do not bound.
_BOUNDS: dict[str, tuple[float, float]] = {
    "num_hidden_layers": (1, 1000),
    "max_position_embeddings": (32, 2**20),
    "rms_norm_eps": (1e-12, 1),
    "rope_theta": (1, 1e9),
}


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A decoder of the shape of Qwen3.

    Attributes:
        vocab_size: V, tokens.
        hidden_size: D, width of the residual stream.
        intermediate_size: F, inner width of the gated layer.
        num_hidden_layers: L.
        num_attention_heads: H, query heads.
        num_key_value_heads: K, key and value heads; divides H.
        head_dim: width of a head; even.
        max_position_embeddings: the longest sequence seen at once.
        rms_norm_eps, rope_theta: constants of the norms and of the rotary positions.
        tie_word_embeddings: the output reuses the embedding; always true here.
        recall_channels: C, candidates for the next id that come with each id; or 0.
        recall_levels: classes of trust in a candidate.
        recall_places: rows of the table of places.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int = HEAD_DIM
    max_position_embeddings: int = CONTEXT
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10_000.0
    tie_word_embeddings: bool = True
    recall_channels: int = 0
    recall_levels: int = 0
    recall_places: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "bool":
                if not isinstance(value, bool):
                    raise InputError(f"{field.name} is {str(value)[:40]!r}, not true or false")
                continue
            if isinstance(value, bool):
                raise InputError(f"{field.name} is {str(value).lower()}, not a number")
            whole = field.type == "int"
            least = 0 if field.name.startswith("recall") else math.ulp(0.0)
            if not isinstance(value, int if whole else int | float) or not (
                least <= value < math.inf
            ):
                what = "a positive whole number" if whole else "a positive number"
                raise InputError(f"{field.name} is {str(value)[:40]!r}, not {what}")
        for name, (least, most) in _BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                raise InputError(
                    f"{name} is {str(getattr(self, name))[:40]}, not {least:g} to {most:g}"
                )
        if self.num_attention_heads % self.num_key_value_heads or self.head_dim % 2:
            raise InputError("the heads of the model do not divide evenly")
        if not self.tie_word_embeddings:
            raise InputError("models with an output layer of their own are not supported")

    @classmethod
    def from_size(cls, size: str, vocab_size: int, **recall: int) -> ModelConfig:
        """The shape that goes with nano, small, base or large.

        Args:
            size: one of them.
            vocab_size: V.
            recall: the fields that begin so, as the vocabulary has them.

        Raises:
            UsageError: for another size.
        """
        if size not in SIZES:
            raise UsageError(f"there is no size '{size}'", remedy=f"use {', '.join(SIZES)}")
        layers, width, heads = SIZES[size]
        shape = cls(
            vocab_size=vocab_size,
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads // 2,
        )
        return replace(shape, **recall)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """As kept in `config.json`."""
        return _HUGGING_FACE | asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ModelConfig:
        """The configuration of such data.

        Raises:
            InputError: if a field is missing, unknown, or says what is not supported.
        """
        names = {f.name for f in fields(cls)}
        known = names | _HUGGING_FACE.keys() | {"transformers_version", "dtype"}
        if unknown := sorted(data.keys() - known):
            raise InputError(f"unknown settings {', '.join(unknown)[:80]!r}", where="config.json")
        for name in ("model_type", "hidden_act", "attention_bias", "use_sliding_window"):
            if data.get(name, _HUGGING_FACE[name]) != _HUGGING_FACE[name]:
                raise InputError(
                    f"{name} is {str(data[name])[:40]!r}, not {_HUGGING_FACE[name]!r}",
                    where="config.json",
                )
        try:
            return cls(**{k: v for k, v in data.items() if k in names})
        except TypeError as e:
            raise InputError(f"settings are missing ({e})", where="config.json") from e

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight, as Hugging Face names them."""
        d, f, h = self.hidden_size, self.intermediate_size, self.head_dim
        q, k = self.num_attention_heads * h, self.num_key_value_heads * h
        shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (self.vocab_size, d)}
        if self.recall_channels:
            levels = self.recall_channels * self.recall_levels
            shapes["recall.embed_gain.weight"] = (levels, d)
            shapes["recall.embed_state.weight"] = (levels + self.recall_places, d)
        for i in range(self.num_hidden_layers):
            layer = f"model.layers.{i}."
            shapes |= {
                layer + "input_layernorm.weight": (d,),
                layer + "self_attn.q_proj.weight": (q, d),
                layer + "self_attn.k_proj.weight": (k, d),
                layer + "self_attn.v_proj.weight": (k, d),
                layer + "self_attn.o_proj.weight": (d, q),
                layer + "self_attn.q_norm.weight": (h,),
                layer + "self_attn.k_norm.weight": (h,),
                layer + "post_attention_layernorm.weight": (d,),
                layer + "mlp.gate_proj.weight": (f, d),
                layer + "mlp.up_proj.weight": (f, d),
                layer + "mlp.down_proj.weight": (d, f),
            }
        return shapes | {"model.norm.weight": (d,)}
