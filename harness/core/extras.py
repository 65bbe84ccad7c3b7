"""Imports optional dependencies, and names the extra and the command that install a missing one."""

import importlib
from types import ModuleType

from harness.core.errors import EnvironmentLacksError


def require(module: str, extra: str, what: str) -> ModuleType:
    """Import a module of an optional dependency.

    Args:
        module: name of the module, e.g. ``ray``.
        extra: the extra of this package that brings it.
        what: the requested feature, as the start of the message.

    Raises:
        EnvironmentLacksError: it is not installed, or cannot be loaded.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EnvironmentLacksError(
            f"{what} needs the extra {extra} ({error}); install it with: pip install 'quantfl-harness[{extra}]'"
        ) from error
