"""Writing a rendered file so that a reader never sees half of one."""

import os
from contextlib import suppress
from pathlib import Path

from harness.core.errors import EnvironmentLacksError


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, by one rename; folders are made.

    Raises:
        EnvironmentLacksError: the disk is full, or the folder cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, by one rename; folders are made.

    Raises:
        EnvironmentLacksError: the disk is full, or the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise EnvironmentLacksError(f"{path}: cannot be written: {error.strerror}") from error
