"""Video files: decoded, upscaled frame by frame, encoded, and joined with the other streams."""
