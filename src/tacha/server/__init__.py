"""The HTTP service: `tacha serve`."""
