"""Training data: on disk, in packs and in memory. This file imports nothing."""
