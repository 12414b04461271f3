"""Video files: streams, colours, encoding settings. See `superres.video` for frames."""
