"""Derives from a codec's setting ``coding`` what depends on it."""

from harness.core.types import Work


class Coded:
    """A codec whose symbols are ``packed`` in a fixed number of bits each, or coded in any other way."""

    coding: str

    @property
    def is_entropy_coded(self) -> bool:
        """Unless symbols are packed."""
        return self.coding != "packed"

    @property
    def work(self) -> Work:
        """Coding of symbols outlasts all that comes before it."""
        return "serial" if self.is_entropy_coded else "memory"
