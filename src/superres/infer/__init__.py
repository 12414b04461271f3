"""Runs networks on pictures of any size: tiles, backends, number formats."""
