"""One file a verb; each has `run(arguments) -> exit code`."""
