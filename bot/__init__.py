"""Causerie: a self-hosted Discord chat bot with a small neural model of its own."""

__version__ = "0.1.0"
