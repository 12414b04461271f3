"""Jobs: files in, files out, as data. This file imports nothing."""
