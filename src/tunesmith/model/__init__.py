"""The network, for training and for generating, and its checkpoints; knows ids only."""
