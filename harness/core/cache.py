"""Keeps prepared data and pre-trained models in a content-addressed cache: made once, mapped by every worker."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

_NOTES: list[list[Path]] = []


def cache_root() -> Path:
    """The folder named by ``$HARNESS_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("HARNESS_CACHE") or user_cache_dir("quantfl-harness"))


def cached_folder(name: str, key: Mapping[str, Any]) -> Path:
    """Path of the entry `name` made from `key`, whether or not it exists yet.

    Args:
        name: kind of entry, e.g. "digits".
        key: everything that the content depends on; JSON-able.
    """
    text = json.dumps(key, sort_keys=True)
    return cache_root() / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def make_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by `make` unless it is there already.

    Appears by one rename, so that a killed or parallel maker never leaves half an entry.
    """
    for note in _NOTES:
        note.append(folder)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        make(draft)
        draft.rename(folder)
    except OSError:
        # Another process may have been first: renaming onto a filled folder fails, and its entry is as good as ours.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


@contextmanager
def noted() -> Iterator[list[Path]]:
    """Collect the folders that `make_once` is called for in the body of a ``with``, existing already or not."""
    folders: list[Path] = []
    _NOTES.append(folders)
    try:
        yield folders
    finally:
        _NOTES.remove(folders)
