"""Loads parts from files that a definition names: ``{file: mine.py, class: Mine, ...settings}``, relative to it.

The file is one module that imports installed packages only. It is known by its content: its digest stands in the
resolved definition and so in the id of a cell, a changed file is another method. A run keeps the file in the cache, by
digest, for its workers, and in the results folder, so that the definition there is complete. No path is stored.
"""

import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.errors import EnvironmentLacksError, UsageError
from harness.parsing.problems import shown
from harness.parts import entry_points

KEYS = ("file", "class", "digest", "kind")
"""Keys of such a mapping that are no settings of its class; the last two are written by us."""
FOLDER = "parts"
"""Folder of a results folder, and of the cache, that files are kept in."""

_DIGITS = 16
_MARK = "__harness_file__"
_MODULES = "harness_part_"
"""How the names of modules begin that files are loaded as."""
_LOADED: dict[str, "Origin"] = {}
"""The files that this process has loaded, by digest, each with one of the names that were requested."""
_METER = re.compile(r"(?P<file>[^\n]+\.py):(?P<name>\w+)(?:@(?P<digest>[0-9a-f]{16}))?")


@dataclass(frozen=True)
class Origin:
    """Where the class of a part comes from.

    Attributes:
        file: name of its file, without folder.
        name: name of the class or function.
        digest: the first 16 hexadecimal digits of the SHA-256 of the file.
        content: the file itself.
    """

    file: str
    name: str
    digest: str
    content: bytes

    def write_into(self, folder: Path) -> None:
        """Write the file into a folder."""
        (folder / self.file).write_bytes(self.content)


def is_file_part(value: object) -> bool:
    """Whether plain settings name a class, or a function, in a file."""
    return isinstance(value, Mapping) and "file" in value and ("class" in value or "function" in value)


def origin_of(part: object) -> Origin | None:
    """The file that the class of a part, or the class itself, comes from; None if it is no such part."""
    cls = part if isinstance(part, type) else type(part)
    return vars(cls).get(_MARK)


def description(part: object) -> dict[str, str]:
    """The keys that lead back to the file of a part; empty if it has none."""
    origin = origin_of(part)
    return {} if origin is None else {"file": origin.file, "class": origin.name, "digest": origin.digest}


def loaded(value: Mapping[str, Any], protocol: type[Any], taken: tuple[str, ...]) -> type[Any]:
    """The class that a mapping with ``file`` and ``class`` names.

    Args:
        value: ``file`` is a path, or, with ``digest``, the name of a file in the cache.
        protocol: the protocol that it must have.
        taken: kinds that the harness has itself.

    Raises:
        UsageError: there is no such file or class, or it is no such part.
    """
    file, name = value["file"], value["class"]
    part, origin = _named(file, name, value.get("digest"))
    if isinstance(part, type):
        setattr(part, _MARK, origin)
    objection = entry_points.part_objection(part, protocol)
    if not objection and part.kind in taken:
        objection = f'its kind "{part.kind}" is that of a part of the harness; choose another'
    if objection:
        raise UsageError(f"class {name} of {Path(file).name}: {objection}")
    return part  # type: ignore[no-any-return]


def function_in(file: str, name: str, digest: str | None) -> tuple[Any, Origin]:
    """A function in a file, e.g. a section of reports, and where it comes from.

    Raises:
        UsageError: there is no such file or function.
    """
    function, origin = _named(file, name, digest)
    if not callable(function):
        raise UsageError(f"{name} of {origin.file}: is no function")
    return function, origin


def _named(file: object, name: object, digest: object) -> tuple[Any, Origin]:
    """What a file calls by a name."""
    if not isinstance(file, str) or not isinstance(name, str) or not (digest is None or isinstance(digest, str)):
        raise UsageError(f"file {shown(file)} and {shown(name)}: texts are needed, e.g. {{file: mine.py, class: Mine}}")
    if digest in _LOADED:
        return _attribute(replace(_LOADED[digest], name=name))
    path = _found(file, digest)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    origin = Origin(path.name, name, hashlib.sha256(content).hexdigest()[:_DIGITS], content)
    if digest is not None and origin.digest != digest:
        raise UsageError(f"{file}: is not the file that is meant (digest {origin.digest}, not {digest})")
    _import(path, origin.digest)
    _LOADED[origin.digest] = origin
    return _attribute(origin)


def part_behind(error: BaseException) -> str | None:
    """The innermost line of a part that is not ours in which an error arose; None if it has no such line."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = str(frame.f_globals.get("__name__"))
        if module.startswith(_MODULES) or module.partition(".")[0] in entry_points.packages():
            return f"{Path(frame.f_code.co_filename).name}, line {line}"
    return None


def _attribute(origin: Origin) -> tuple[Any, Origin]:
    module = sys.modules[_module_name(origin.digest)]
    if not hasattr(module, origin.name):
        raise UsageError(f"{origin.file}: has no {shown(origin.name)}")
    return getattr(module, origin.name), origin


def _found(file: str, digest: str | None) -> Path:
    """The file at a path, or in the cache."""
    path = Path(file)
    if path.is_file():
        return path
    kept = _kept(digest, path.name) if digest else None
    if kept is None or not kept.is_file():
        raise UsageError(f"{file}: there is no such file; it is looked for relative to the definition")
    return kept


def _kept(digest: str, name: str) -> Path:
    from harness.core.cache import cache_root

    return cache_root() / FOLDER / digest / name


def _module_name(digest: str) -> str:
    return _MODULES + digest


def _import(path: Path, digest: str) -> None:
    """Execute a file as a module, once for each content."""
    name = _module_name(digest)
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path.name}: is no Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # it is anybody's code
        del sys.modules[name]
        message = " ".join(str(error).split())
        raise EnvironmentLacksError(f"{path.name}: cannot be imported: {type(error).__name__}: {message}") from error


# --- Files in definitions ---


def anchored(value: Any, folder: Path) -> Any:
    """Plain values of a definition, with the files that they name relative to `folder`."""
    if isinstance(value, Mapping):
        found = {key: anchored(entry, folder) for key, entry in value.items()}
        if is_file_part(found) and isinstance(found["file"], str):
            found["file"] = str(folder / found["file"])
        if isinstance(meter := found.get("meter"), str) and _METER.fullmatch(meter):
            found["meter"] = str(folder / meter)
        return found
    return [anchored(entry, folder) for entry in value] if isinstance(value, list) else value


def as_mapping(meter: object) -> object:
    """The mapping that the short form of a meter, ``mine.py:Mine``, means; anything else unchanged."""
    found = _METER.fullmatch(meter) if isinstance(meter, str) else None
    if found is None:
        return meter
    digest = {"digest": found["digest"]} if found["digest"] else {}
    return {"file": found["file"], "class": found["name"], **digest}


def short_form(origin: Origin) -> str:
    """A meter from a file as one word."""
    return f"{origin.file}:{origin.name}@{origin.digest}"


def keep() -> None:
    """Put the files that this process has loaded into the cache, for workers.

    Raises:
        OSError: the cache cannot be written.
    """
    from harness.core.cache import make_once

    for origin in _LOADED.values():
        make_once(_kept(origin.digest, origin.file).parent, origin.write_into)


def with_copies(resolved: Any, folder: Path) -> Any:
    """A resolved definition, all of whose files this process has loaded, with copies in `folder` in their place."""
    if isinstance(resolved, Mapping):
        found = {key: with_copies(entry, folder) for key, entry in resolved.items()}
        if is_file_part(found) and found.get("digest") in _LOADED:
            found["file"] = _copied(_LOADED[found["digest"]], folder)
        meter = _METER.fullmatch(str(found.get("meter", "")))
        if meter and meter["digest"] in _LOADED:
            found["meter"] = f"{_copied(_LOADED[meter['digest']], folder)}:{meter['name']}@{meter['digest']}"
        return found
    return [with_copies(entry, folder) for entry in resolved] if isinstance(resolved, list) else resolved


def _copied(origin: Origin, folder: Path) -> str:
    relative = Path(FOLDER) / origin.digest / origin.file
    target = folder / relative
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        origin.write_into(target.parent)
    return relative.as_posix()
