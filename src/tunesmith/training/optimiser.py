"""Muon for the matrices and AdamW for embeddings and norms, with a state that saves as arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
BETAS = (0.9, 0.95)
EPSILON = 1e-8
CLIP = 1.0
"""Gradients of a greater norm than this are scaled down to it."""


def rate(step: int, steps: int) -> float:
    """The share of the full learning rate at step 0 to `steps` - 1.

    It rises over the first twentieth, at most 100 steps, and falls linearly to
    zero at the end (Defazio et al. 2023 on linear decay).
    """
    warm_up = max(1, min(100, steps // 20))
    return min((step + 1) / warm_up, (steps - step) / max(1, steps - warm_up))


class Optimiser:
    """Both rules over the weights of a network.

    Matrices move by Muon (Jordan et al. 2024): the momentum's gradient made
    orthogonal, scaled by 0.2 sqrt(longer side) so that one learning rate and
    weight decay fits both rules (Liu et al. 2025). Matrices of one shape are
    handled in one go. The rest moves by AdamW, without weight decay.

    Args:
        network: its weights are changed in place.
        matrix_rate, other_rate: full learning rates.
        decay: weight decay of the matrices, times the learning rate at each step.
        dtype: in which matrices are made orthogonal.
        each: like `map`; may call the function beside itself for matrices of other shapes.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        matrix_rate: float,
        other_rate: float,
        decay: float,
        dtype: torch.dtype = torch.float32,
        each: Callable[
            [Callable[[tuple[int, ...]], None], Iterable[tuple[int, ...]]], Iterable[None]
        ] = map,
    ) -> None:
        self._each, self._dtype = each, dtype
        self.matrix_rate, self.other_rate, self.decay = matrix_rate, other_rate, decay
        named = dict(network.named_parameters())
        self._others = {n: p for n, p in named.items() if p.ndim < 2 or "embed" in n}
        self._groups: dict[tuple[int, ...], dict[str, Tensor]] = {}
        for name, weight in named.items():
            if name not in self._others:
                self._groups.setdefault(tuple(weight.shape), {})[name] = weight
        self.state: dict[str, Tensor] = {}
        for name, weight in named.items():
            kinds = ("first", "second") if name in self._others else ("momentum",)
            self.state |= {f"{kind}.{name}": torch.zeros_like(weight) for kind in kinds}
        self._all = list(named.values())
        self._adamw = torch.optim.AdamW(
            self._others.values(), betas=BETAS, eps=EPSILON, weight_decay=0, fused=True
        )
        for name, weight in self._others.items():
            self._adamw.state[weight] = {
                "step": torch.zeros((), device=weight.device),
                "exp_avg": self.state[f"first.{name}"],
                "exp_avg_sq": self.state[f"second.{name}"],
            }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over a saved state."""
        for name, tensor in self.state.items():
            tensor.copy_(state[name])

    @torch.no_grad()
    def step(self, number: int, steps: int) -> float:
        """Move the weights by their gradients, which are then forgotten.

        Args:
            number: 0 to `steps` - 1.
            steps: of the whole run.

        Returns:
            The share of the full learning rate that was used.
        """
        share = rate(number, steps)
        nn.utils.clip_grad_norm_(self._all, CLIP)

        @torch.no_grad()  # a thread of its own would not know
        def move(shape: tuple[int, ...]) -> None:
            self._muon(shape, self._groups[shape], share * self.matrix_rate)

        done = self._each(move, sorted(self._groups, key=math.prod, reverse=True))
        self._adam(share * self.other_rate, number)
        for _ in done:
            pass
        for weight in self._all:
            weight.grad = None
        return share

    def _muon(self, shape: tuple[int, ...], weights: dict[str, Tensor], rate: float) -> None:
        updates = []
        for name, weight in weights.items():
            assert weight.grad is not None
            momentum = self.state[f"momentum.{name}"]
            momentum.lerp_(weight.grad, 1 - MOMENTUM)
            updates.append(weight.grad.lerp(momentum, MOMENTUM))  # Nesterov
        moves = orthogonal(torch.stack(updates).to(self._dtype))
        size = 0.2 * math.sqrt(max(shape))
        for weight, move in zip(weights.values(), moves, strict=True):
            weight.mul_(1 - rate * self.decay).add_(move, alpha=-rate * size)

    def _adam(self, rate: float, number: int) -> None:
        for group in self._adamw.param_groups:
            group["lr"] = rate
        for state in self._adamw.state.values():
            state["step"].fill_(number)
        self._adamw.step()


def orthogonal(matrices: Tensor) -> Tensor:
    """(N, R, C) matrices with their singular values brought near 1.

    Five steps of the quintic Newton-Schulz iteration with the coefficients of
    Jordan et al. (2024), which end between about 0.7 and 1.2.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT
