"""The command line. Importing this imports nothing."""
