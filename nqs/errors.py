"""The two ways in which a run ends early, each with a message for the person who started it."""


class InputError(ValueError):
    """Something that was asked for cannot be done: one clear line, exit code 2."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.splitlines()))


class RunError(RuntimeError):
    """A run that began well went wrong: exit code 1."""
