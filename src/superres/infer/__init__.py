"""Engines, which run networks on inputs of any size, tile by tile."""
