"""Batches, optimiser and the training loop; with the network, the only part that needs torch."""

from tunesmith.training.data import TokenData
from tunesmith.training.loop import train
from tunesmith.training.work import Recipe

__all__ = ["Recipe", "TokenData", "train"]
