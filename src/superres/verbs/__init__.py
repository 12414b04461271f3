"""The command line's verbs, a file each. This file imports nothing."""
