"""The one exception a user is meant to read."""


class TachaError(Exception):
    """A problem its reader can mend: one line that names the culprit and the remedy."""
