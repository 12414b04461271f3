"""Training: a recipe, a loop that follows it, what it leaves behind. This file imports nothing."""
