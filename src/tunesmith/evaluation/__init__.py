"""Baselines and measures of models and melodies."""
