"""Batches, optimiser and the training loop; with the network, the only part that needs torch."""

import os

# Threads that wait for each other by spinning lose a time slice at every operation when
# anything else runs on the machine (measured: 40 times slower). It must be said before
# torch loads its threads; what the user has set stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from tunesmith.training.data import TokenData
from tunesmith.training.loop import train
from tunesmith.training.work import Recipe

__all__ = ["Recipe", "TokenData", "train"]
