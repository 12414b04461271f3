"""Video files: decoded, upscaled frame by frame, encoded, and joined with all else they hold."""
