"""Decoding of picture files without libvips. This file imports nothing."""
