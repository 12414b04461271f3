"""`python -m superres`: the command, where its script is not on the path."""

from superres.cli.main import run

run()
