"""Flaws of files that cost no pixel, put right for the decoder. This file imports nothing."""
