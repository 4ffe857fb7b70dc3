"""Mutated inputs of every kind: ``python -m tests.fuzz --help``; ``make fuzz``."""
