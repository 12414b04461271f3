"""Video files: decoded, enlarged frame by frame, encoded, and joined with all else they hold."""
