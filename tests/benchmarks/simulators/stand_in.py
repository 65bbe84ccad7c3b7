"""Empty packages ``torchvision`` and ``pynvml``, for what imports them beside torch for CPUs and uses none of it."""

import importlib.machinery
import sys
import types
from typing import Any


class _Nothing:
    """A class that takes anything and does nothing; base of whatever is asked for."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        pass


class _Module(types.ModuleType):
    """A module with a class of every name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Nothing,), {})


def install() -> None:
    """Put the empty packages where imports find them."""
    names = ("models", "datasets", "transforms", "transforms.functional", "utils")
    for name in ("torchvision", *(f"torchvision.{name}" for name in names), "pynvml"):
        sys.modules[name] = _Module(name)
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], own, sys.modules[name])
    vars(sys.modules["torchvision"])["__version__"] = "0"
