"""Verdicts as images come: `tacha watch`."""
