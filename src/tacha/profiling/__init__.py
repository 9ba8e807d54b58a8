"""Where a verdict's time goes: its stages, their operators, an engine's layers."""
