"""Repair of file flaws that cost no pixel, for the decoder. This file imports nothing."""
