"""`python -m superres`: the command line without its script on the path."""

from superres.cli.main import run

run()
