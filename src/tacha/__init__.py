"""Learn what good parts look like, find every flaw, know how sure you are."""

__version__ = "0.1.0"
