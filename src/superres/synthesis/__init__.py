"""Synthetic bursts and clips for training. This file imports nothing."""
