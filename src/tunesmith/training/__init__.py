"""Batches, optimiser and the training loop."""
