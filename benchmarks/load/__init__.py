"""Servers side by side in one run, each under the same load: ``python -m benchmarks.load --help``."""
