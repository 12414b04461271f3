"""Degradation of training pictures. Needs torch; this file imports nothing."""
