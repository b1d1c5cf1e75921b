"""The network for training, in torch. `inference.py` computes the same with numpy.

Shapes: B sequences, T positions, D width, H query heads, K key and value heads,
E width of a head, F inner width, V tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tunesmith.model.config import ModelConfig
from tunesmith.model.processor import attend, is_for, keeps, normed, thinned

Recalled = tuple[Tensor, Tensor, Tensor]
"""What a tune recalls at each id: candidates (B, T, C), trust (B, T, C), places (B, T, P)."""


def rotary_tables(config: ModelConfig, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary positions (Su et al. 2021), each (T, E)."""
    half = torch.arange(0, config.head_dim, 2, dtype=torch.float32)
    frequencies = config.rope_theta ** (-half / config.head_dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)  # (T, E/2)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-right, left], dim=-1) * sin


class Norm(nn.RMSNorm):
    """RMSNorm; on a processor straight in the precision of the products."""

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) to (…, D)."""
        if is_for(x, self.weight) and self.eps:
            return normed(x, self.weight, self.eps)
        return super().forward(x)


class Attention(nn.Module):
    """Causal grouped-query attention with normalised queries and keys."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        d, e = config.hidden_size, config.head_dim
        h, k = config.num_attention_heads, config.num_key_value_heads
        self.q_proj = nn.Linear(d, h * e, bias=False)
        self.k_proj = nn.Linear(d, k * e, bias=False)
        self.v_proj = nn.Linear(d, k * e, bias=False)
        self.o_proj = nn.Linear(h * e, d, bias=False)
        self.q_norm = nn.RMSNorm(e, config.rms_norm_eps)
        self.k_norm = nn.RMSNorm(e, config.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        b, t, _ = x.shape
        e = self.config.head_dim
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        if is_for(x, self.q_norm.weight) and keeps(q, e):
            y = attend(
                q, k, v, self.q_norm.weight, self.k_norm.weight, cos, sin, self.config.rms_norm_eps
            )
            return self.o_proj(y)  # type: ignore[no-any-return]
        q = self.q_norm(q.float().view(b, t, -1, e)).transpose(1, 2)  # (B, H, T, E)
        k = self.k_norm(k.float().view(b, t, -1, e)).transpose(1, 2)  # (B, K, T, E)
        v = v.float().view(b, t, -1, e).transpose(1, 2)
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        # Long sequences on a processor: torch's attention is faster there in fp32 even where
        # products are faster in bf16; elsewhere autocast has its way.
        with torch.autocast("cpu", enabled=False):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        out: Tensor = self.o_proj(y.transpose(1, 2).reshape(b, t, -1))
        return out


class GatedLayer(nn.Module):
    """SwiGLU (Shazeer 2020)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d, f = config.hidden_size, config.intermediate_size
        self.gate_proj = nn.Linear(d, f, bias=False)
        self.up_proj = nn.Linear(d, f, bias=False)
        self.down_proj = nn.Linear(f, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    """A pre-norm block: attention, then the gated layer."""

    def __init__(self, config: ModelConfig, dropout: float) -> None:
        super().__init__()
        self.input_layernorm = Norm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = Norm(config.hidden_size, config.rms_norm_eps)
        self.mlp = GatedLayer(config)
        self.dropout = dropout

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, chance: torch.Generator | None
    ) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        x = x + self._drop(self.self_attn(self.input_layernorm(x), cos, sin), chance)
        return x + self._drop(self.mlp(self.post_attention_layernorm(x)), chance)

    def _drop(self, x: Tensor, chance: torch.Generator | None) -> Tensor:
        if chance is None or not self.dropout:
            return x
        if x.device.type == "cpu":
            return x * thinned(x, self.dropout, chance)
        kept = torch.empty_like(x).bernoulli_(1 - self.dropout, generator=chance)
        return x * kept.div_(1 - self.dropout)


class Stack(nn.Module):
    """Embedding, layers and the last norm; named as Hugging Face does."""

    def __init__(self, config: ModelConfig, dropout: float) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, dropout) for _ in range(config.num_hidden_layers))
        self.norm = Norm(config.hidden_size, config.rms_norm_eps)


class RecallEmbedding(nn.Module):
    """What a tune recalls, as a vector to add to the embedding of an id.

    Each candidate enters through its own embedding, so that the output, which is tied to
    that, leans towards it from the first step; how far is learned for each channel and level.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c, levels, d = config.recall_channels, config.recall_levels, config.hidden_size
        self.levels = c * levels
        self.embed_gain = nn.Embedding(c * levels, d)
        self.embed_state = nn.Embedding(c * levels + config.recall_places, d)
        ramp = torch.arange(levels, dtype=torch.float32).repeat(c) / (2 * levels)
        self.embed_gain.weight = nn.Parameter(ramp[:, None].repeat(1, d))
        nn.init.normal_(self.embed_state.weight, std=0.3 * d**-0.5)

    def forward(self, ids: Tensor, seen: Recalled, tokens: nn.Embedding) -> Tensor:
        """(B, T) ids and what they recall to (B, T, D), by the tokens' embeddings."""
        candidates, trust, places = seen
        # One look into the table for both: three shares of its gradient, with that of the
        # output, would be added up in no fixed order.
        found = tokens(torch.cat([ids[..., None], candidates], dim=2))
        x = found[:, :, 0] + (found[:, :, 1:] * self.embed_gain(trust)).sum(dim=2)
        rows = torch.cat([trust, places + self.levels], dim=2)
        out: Tensor = x + self.embed_state(rows).sum(dim=2)
        return out


class TrainingNetwork(nn.Module):
    """The decoder with tied embeddings, its weights drawn from torch's generator.

    The projections that write into the stream start at zero, so that training
    starts from the identity (as in the maximal-update rule of Yang et al. 2022).

    Args:
        config: the shape.
        dropout: share of what each block writes that is dropped in training.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config, self.dropout = config, dropout
        self.model = Stack(config, dropout)
        self.recall = RecallEmbedding(config) if config.recall_channels else None
        cos, sin = rotary_tables(config, config.max_position_embeddings)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, weight in self.named_parameters():
            if weight.ndim == 1 or name.startswith("recall."):
                continue
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(weight)
            elif "embed" in name:
                nn.init.normal_(weight, std=config.hidden_size**-0.5)
            else:
                nn.init.normal_(weight, std=weight.shape[1] ** -0.5)

    def embedded(self, ids: Tensor, seen: Recalled | None) -> Tensor:
        """(B, T) ids to (B, T, D), before the first layer."""
        x: Tensor
        if self.recall is None:
            x = self.model.embed_tokens(ids)
        else:
            assert seen is not None
            x = self.recall(ids, seen, self.model.embed_tokens)
        return x

    def hidden(
        self,
        ids: Tensor,
        seen: Recalled | None = None,
        chance: torch.Generator | None = None,
    ) -> Tensor:
        """(B, T) ids to (B, T, D), before the output layer; with dropout where chance is given."""
        t = ids.shape[1]
        x = self.embedded(ids, seen)
        for layer in self.model.layers:
            x = layer(x, self.cos[:t], self.sin[:t], chance)
        x = self.model.norm(x)
        assert isinstance(x, Tensor)
        return x

    def forward(self, ids: Tensor, seen: Recalled | None = None) -> Tensor:
        """(B, T) ids, and what they recall, to (B, T, V) logits.

        Sequences may be padded on the right: no position looks ahead.
        """
        return F.linear(self.hidden(ids, seen), self.model.embed_tokens.weight)

    def loss_sum(
        self,
        ids: Tensor,
        targets: Tensor,
        seen: Recalled | None = None,
        chance: torch.Generator | None = None,
    ) -> Tensor:
        """Summed cross-entropy in nats of (B, T) targets; -1 does not count."""
        logits = F.linear(self.hidden(ids, seen, chance), self.model.embed_tokens.weight)
        return F.cross_entropy(
            logits.float().flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum"
        )
