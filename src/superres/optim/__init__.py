"""Optimisers and schedules. This file imports nothing."""
