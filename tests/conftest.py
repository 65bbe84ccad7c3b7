"""For every test: a cache of its own session, and no network."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
_CALLS = {"socket.connect", "socket.sendto", "socket.sendmsg"}

_is_blocked = False
_attempts: list[str] = []


def _refuse_network(event: str, args: tuple[Any, ...]) -> None:
    if not _is_blocked or not event.startswith("socket."):
        return
    is_remote = event in _CALLS and args[0].family != socket.AF_UNIX
    if is_remote or event in _LOOKUPS:
        _attempts.append(f"{event} {args[1:] if is_remote else args}")
        raise OSError(f"tests have no network: {_attempts[-1]}")


def pytest_configure(config: pytest.Config) -> None:
    # One thread, as in a worker: threads of several test processes would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    config.addinivalue_line("markers", "network: may open sockets other than AF_UNIX")
    sys.addaudithook(_refuse_network)


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sockets of this process fail, and so does a test that tried one, even if the code under test hid the error."""
    global _is_blocked  # noqa: PLW0603 - an audit hook cannot be taken out again
    _is_blocked = request.node.get_closest_marker("network") is None
    _attempts.clear()
    yield
    _is_blocked = False
    assert _attempts == []


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all processes of the session."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def _cache(shared_folder: Path) -> Iterator[None]:
    """Data is prepared once for all tests; entries of the cache appear by a rename, so processes may share it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(shared_folder / "cache"))
        yield
