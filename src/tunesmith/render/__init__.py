"""Scores, sound and plots of a melody."""
