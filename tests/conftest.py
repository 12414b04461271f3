"""Fixtures that tests of several rooms share."""

pytest_plugins = ["burst_scenes", "small_models", "video_networks"]
