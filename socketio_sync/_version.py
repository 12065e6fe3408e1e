"""The version, in one place for the packaging and the code."""

__version__ = "0.1.0"
