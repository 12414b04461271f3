"""Checkpoints of the community, recognised and translated. This file imports nothing."""
