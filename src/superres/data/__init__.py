"""Training data: found on disk, packed to travel, resident in memory. This file imports nothing."""
