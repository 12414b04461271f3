"""Recognition and translation of community checkpoints. This file imports nothing."""
