"""Pixels: resizing, kernels, colour under alpha, flaws. This file imports nothing."""
