"""Fusion of several small frames of one scene. This file imports nothing."""
