"""Handles the ends of every payload body: refuse a broken update, write floats, read defensively."""

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import PayloadError, UpdateError
from harness.core.types import Float32, Update
from harness.wire.packing import packed_bytes, unpack


def check_finite(update: Update) -> None:
    """Refuse an update with NaN or infinity; every codec calls this once, first, so that no caller has to.

    A codec that wraps another leaves it to the inner one: there is one scan per payload.

    Raises:
        UpdateError: names the first tensor with such an entry.
    """
    if np.isfinite(update.values).all():
        return
    for tensor, place in update.layout.slices():
        n_broken = tensor.size - int(np.isfinite(update.values[place]).sum())
        if n_broken:
            raise UpdateError(
                f"tensor {tensor.name}: {n_broken} of {tensor.size} entries are NaN or infinite, so the update was "
                f"not sent; training diverged, try a smaller lr"
            )


def float32_bytes(values: NDArray[np.floating]) -> bytes:
    """Values as little-endian float32.

    >>> float32_bytes(np.array([1.0])).hex()
    '0000803f'
    """
    return values.astype("<f4", copy=False).tobytes()


class BodyReader:
    """Reads a body from front to back and raises `PayloadError` rather than return what is not there.

    >>> reader = BodyReader(bytes.fromhex("0000803f"))
    >>> reader.float32(1, "scale").tolist()
    [1.0]
    >>> reader.finish()
    """

    def __init__(self, body: bytes) -> None:
        """Start at the first byte of `body`."""
        self._body = body
        self._offset = 0

    def take(self, n_bytes: int, what: str) -> bytes:
        """The next `n_bytes` bytes; `what` names them in the error."""
        part = self._body[self._offset : self._offset + n_bytes]
        if len(part) != n_bytes:
            raise PayloadError(
                f"body of {len(self._body)} bytes ends within {what}, which takes {n_bytes} from byte {self._offset}"
            )
        self._offset += n_bytes
        return part

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.take(len(self._body) - self._offset, "the rest")

    def float32(self, count: int, what: str) -> Float32:
        """The next `count` float32, finite, in a fresh array."""
        values = np.frombuffer(self.take(4 * count, what), dtype="<f4").astype(np.float32)
        return refuse_non_finite(values, what)

    def packed(self, count: int, bits: int, what: str) -> NDArray[np.uint32]:
        """The next `count` values packed at `bits` bits."""
        return unpack(self.take(packed_bytes(count, bits), what), count, bits)

    def finish(self) -> None:
        """Refuse bytes that nobody read."""
        if self._offset != len(self._body):
            raise PayloadError(f"body of {len(self._body)} bytes, expected {self._offset}")


def refuse_non_finite(values: Float32, what: str) -> Float32:
    """`values`, unchanged.

    Raises:
        PayloadError: one of them is NaN or infinite; `what` names them.
    """
    if not np.isfinite(values).all():
        raise PayloadError(f"{what} in the body are not finite")
    return values
