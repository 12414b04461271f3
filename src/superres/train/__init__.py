"""Training: recipe, loop and outputs. This file imports nothing."""
