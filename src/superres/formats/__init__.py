"""Picture formats: recognition, reading, writing. This file imports nothing."""
