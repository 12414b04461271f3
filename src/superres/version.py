"""The version of superres, for the package, its cards and its reports."""

__version__ = "0.1.0"
