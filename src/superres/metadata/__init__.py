"""Metadata of picture files: EXIF, IPTC, tags, chunks. This file imports nothing."""
