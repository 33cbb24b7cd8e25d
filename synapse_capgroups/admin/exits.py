"""The ends of a command of an admin's."""

OK, FOUND, CANNOT_RUN = 0, 1, 2
"""Exit codes: nothing to say; something was found; it could not be looked."""


class CannotRunError(Exception):
    """A command cannot do what it is for; the text says why and what to do."""
