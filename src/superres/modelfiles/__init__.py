"""Model files: cards, weights, checkpoints. This file imports nothing."""
