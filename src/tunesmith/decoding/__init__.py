"""The samplers and the loop that turn a model and a grammar into tunes of ids."""

from tunesmith.decoding.generating import Generated, generate_ids
from tunesmith.decoding.sampling import Sampling

__all__ = ["Generated", "Sampling", "generate_ids"]
