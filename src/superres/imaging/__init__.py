"""Image formation: sampling, motion, forward model, reconstruction. This file imports nothing."""
