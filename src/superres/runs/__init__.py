"""Training runs on disk: logs, listing, page. This file imports nothing."""
