"""Video files: streams, colours, settings of their encoding. See `superres.video` for frames."""
