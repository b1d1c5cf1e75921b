"""Attention and norms for training on a processor, in torch.

torch's own attention does its products on a processor in single precision, or slower in
half, and works the weights of attention out again on the way back; this one goes through
the queries in blocks and keeps them. Norms and rotation of queries and keys are done on the
way. torch's norm is made of many operations and gives single precision, which under autocast
each product that follows makes shorter anew.

Shapes: B sequences, T positions, D width, H query heads, K key and value heads, G = H / K,
N = B K, E width of a head.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

MOST_KEPT = 1 << 25
"""Bytes of weights of attention that a layer may keep for the way back."""
_BLOCK_BYTES = 256  # of a column of scores: so many queries are taken at once


def is_for(x: Tensor, weight: Tensor) -> bool:
    """Whether what is here can be used: on a processor, with weights in single precision."""
    return x.device.type == "cpu" and weight.dtype == torch.float32


def keeps(q: Tensor, head: int) -> bool:
    """Whether the weights of attention of (B, T, H E) queries, E being `head`, are few enough."""
    b, t, width = q.shape
    return b * width // head * t * t // 2 * q.itemsize <= MOST_KEPT


def normed(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """(…, D) with a root mean square of 1, times (D,) `weight`, in the products' precision.

    The formula is that of `torch.nn.RMSNorm`.
    """
    shorter = torch.is_autocast_enabled("cpu")
    dtype = torch.get_autocast_dtype("cpu") if shorter else torch.float32
    y: Tensor = _Norm.apply(x, weight, epsilon, dtype)  # type: ignore[no-untyped-call]
    return y


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float, dtype: torch.dtype) -> Tensor:
        hat, scale = _normed(x, epsilon)
        ctx.save_for_backward(hat, scale, weight)
        return torch.mul(hat, weight, out=torch.empty_like(hat, dtype=dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        g = gradients[0].to(torch.float32, copy=True)
        x, weight = _normed_back(g, *ctx.saved_tensors)
        return x, weight, None, None


def thinned(x: Tensor, dropout: float, chance: torch.Generator) -> Tensor:
    """What x is to be multiplied with for dropout, of its shape and type.

    A byte of chance for each place is ten times faster than torch's own draw; the share is
    rounded to a 256th.
    """
    count = x.numel()
    words = torch.empty(-(-count // 8), dtype=torch.int64)
    drawn = words.random_(-(2**63), None, generator=chance).view(torch.uint8)[:count]
    dropped = max(1, round(256 * dropout))
    return (drawn.view(x.shape) >= dropped).to(x.dtype).mul_(256 / (256 - dropped))


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    q_weight: Tensor,
    k_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    epsilon: float,
) -> Tensor:
    """Causal grouped-query attention with normalised and rotated queries and keys.

    The formula is that of `network.Attention`.

    Args:
        q: (B, T, H E) in the precision of the products.
        k: (B, T, K E).
        v: (B, T, K E).
        q_weight: (E,) of the norm of the queries.
        k_weight: (E,) of the norm of the keys.
        cos: (T, E).
        sin: (T, E).
        epsilon: of the norms.

    Returns:
        (B, T, H E).
    """
    back = torch.is_grad_enabled()  # in the function itself it is not
    y: Tensor = _Attend.apply(q, k, v, q_weight, k_weight, cos, sin, epsilon, back)  # type: ignore[no-untyped-call]
    return y


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        q, k, v, q_weight, k_weight, cos, sin, epsilon, back = given  # as `attend` has them
        b, t, _ = q.shape
        e = len(q_weight)
        with torch.autocast(q.device.type, enabled=False):
            q_hat, q_scale = _normed(q.view(b, t, -1, e), epsilon)
            k_hat, k_scale = _normed(k.view(b, t, -1, e), epsilon)
            h, n = q_hat.shape[2], b * k_hat.shape[2]
            sin = _signed(sin)
            queries = _by_head(_turned(q_hat, q_weight * e**-0.5, cos, sin), q.dtype)
            queries = queries.view(n, -1, t, e)
            keys = _by_head(_turned(k_hat, k_weight, cos, sin), q.dtype).view(n, t, e)
            across = keys.mT.contiguous()  # (N, E, T)
            values = v.view(b, t, -1, e).transpose(1, 2).reshape(n, t, e)
            size = _BLOCK_BYTES // queries.itemsize
            later = queries.new_full((size, size), -math.inf).triu_(1)
            y, shares = torch.empty_like(queries), []
            for first in range(0, t, size):
                last = min(t, first + size)
                block = queries[:, :, first:last].reshape(n, -1, e)
                scores = torch.bmm(block, across[:, :, :last])
                width = last - first
                scores.view(n, -1, width, last)[..., first:] += later[:width, :width]
                share = torch.softmax(scores, dim=-1)
                if back:
                    shares.append(share)
                found = torch.bmm(share, values[:, :last])
                y[:, :, first:last] = found.view(n, -1, width, e)
        ctx.save_for_backward(
            q_hat, q_scale, k_hat, k_scale, queries, keys, values, y,
            q_weight, k_weight, cos, sin, *shares,
        )  # fmt: skip
        return y.view(b, h, t, e).transpose(1, 2).reshape(b, t, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (q_hat, q_scale, k_hat, k_scale, queries, keys, values, y,
         q_weight, k_weight, cos, sin, *shares) = ctx.saved_tensors  # fmt: skip
        b, t, h, e = q_hat.shape
        n = len(keys)
        g = gradients[0].view(b, t, h, e).transpose(1, 2).reshape(queries.shape)
        # Each row of shares times its gradients, summed: the same as outputs times theirs.
        delta = (g * y) @ g.new_ones(e, 1)  # (N, G, T, 1)
        to_queries = torch.empty_like(queries)
        # These two are (N, E, T), so that no product needs the large arrays across.
        to_keys = keys.new_zeros(n, e, t, dtype=torch.float32)
        to_values = torch.zeros_like(to_keys)
        across = values.mT.contiguous()
        size = _BLOCK_BYTES // queries.itemsize
        for first, share in zip(range(0, t, size), shares, strict=True):
            last = min(t, first + size)
            now = g[:, :, first:last].reshape(n, -1, e)
            to_values[:, :, :last] += torch.bmm(now.mT, share)
            scores = torch.bmm(now, across[:, :, :last])
            scores.sub_(delta[:, :, first:last].reshape(n, -1, 1)).mul_(share)
            found = torch.bmm(scores, keys[:, :last])
            to_queries[:, :, first:last] = found.view(n, -1, last - first, e)
            block = queries[:, :, first:last].reshape(n, -1, e)
            to_keys[:, :, :last] += torch.bmm(block.mT, scores)
        back = to_queries.view(b, h, t, e).transpose(1, 2)
        q, q_weight_gradient = _unturned(back, q_hat, q_scale, q_weight * e**-0.5, cos, sin)
        back = to_keys.view(b, -1, e, t).permute(0, 3, 1, 2)
        k, k_weight_gradient = _unturned(back, k_hat, k_scale, k_weight, cos, sin)
        v = to_values.view(b, -1, e, t).permute(0, 3, 1, 2).reshape(b, t, -1)
        dtype = queries.dtype
        return (
            q.to(dtype), k.to(dtype), v.to(dtype),
            q_weight_gradient * e**-0.5, k_weight_gradient, None, None, None, None,
        )  # fmt: skip


def _normed(x: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """(…, E) with a root mean square of 1, in single precision, and what it was scaled by."""
    x = x.float()
    scale = (torch.linalg.vector_norm(x, dim=-1, keepdim=True).square() / x.shape[-1]).add_(epsilon)
    scale.rsqrt_()
    return x * scale, scale


def _normed_back(g: Tensor, hat: Tensor, scale: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The way back through `_normed` and the weight: the gradients of x, (…, E), and of (E,).

    The first is written over `g`.
    """
    by_weight = g * hat
    to_weight = by_weight.reshape(-1, len(weight)).sum(dim=0)
    along = (by_weight @ weight)[..., None].div_(-len(weight))
    return g.mul_(weight).addcmul_(hat, along).mul_(scale), to_weight


def _by_head(x: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, T, H, E) as (B, H, T, E), in that precision."""
    b, t, h, e = x.shape
    return torch.empty(b, h, t, e, dtype=dtype, device=x.device).copy_(x.transpose(1, 2))


def _swapped(x: Tensor) -> Tensor:
    """(…, E) with its halves exchanged. Whole rows are several times as fast as halves."""
    left, right = x.chunk(2, dim=-1)
    return torch.cat([right, left], dim=-1)


def _signed(sin: Tensor) -> Tensor:
    """(T, E) sines by which the exchanged halves are multiplied."""
    left, right = sin.chunk(2, dim=-1)
    return torch.cat([-left, right], dim=-1)


def _turned(x: Tensor, weight: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """(B, T, H, E) times (E,) `weight`, rotated; `sin` is `_signed`."""
    out = x * (cos * weight)[:, None]
    return out.addcmul_(_swapped(x), (sin * _swapped(weight))[:, None])


def _unturned(
    g: Tensor, hat: Tensor, scale: Tensor, weight: Tensor, cos: Tensor, sin: Tensor
) -> tuple[Tensor, Tensor]:
    """The way back through `_turned` and `_normed`.

    Args:
        g: (B, T, H, E) gradient behind the rotation, in any order in memory.
        hat: (B, T, H, E) as normalised.
        scale: (B, T, H, 1) by which.
        weight: (E,) that it was multiplied with.
        cos: (T, E).
        sin: (T, E), `_signed`.

    Returns:
        (B, T, H E) gradient before the norm; (E,) that of the weight.
    """
    b, t, _, _ = hat.shape
    g = torch.empty_like(hat).copy_(g)
    other = _swapped(g)
    g.mul_(cos[:, None]).addcmul_(other, sin[:, None], value=-1)
    x, to_weight = _normed_back(g, hat, scale, weight)
    return x.view(b, t, -1), to_weight
