"""Layers and protocols that networks share. This file imports nothing."""
