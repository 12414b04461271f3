"""Picture files and pixels: read, write, resize. This file imports nothing."""
