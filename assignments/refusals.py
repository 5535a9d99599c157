"""What services say where a change contradicts the present state."""


class Refused(Exception):
    """The change contradicts the state of the assignment. Its text says what is, and what would be accepted."""

    code = "conflict"
