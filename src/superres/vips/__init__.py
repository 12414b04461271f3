"""libvips, driven row by row. This file imports nothing."""
