"""The command line, one file a verb. Importing this imports nothing."""
