"""Loads a YAML file as a checked spec, or reports every mistake in it with its line and column."""

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.core.errors import Problem, SpecError, UsageError
from harness.parsing.problems import did_you_mean, problems_in
from harness.parsing.yaml_text import MAX_BYTES, Document, Location, dump_yaml, path_text, read_yaml
from harness.parts.from_file import anchored
from harness.price.assumptions.scenarios import FOLDER
from harness.spec.spec import BenchmarkSpec

_PACKAGED = Path(__file__).parent / "benchmarks"


def load_spec(path: Path) -> BenchmarkSpec:
    """The spec in a YAML file.

    Raises:
        SpecError: the content is wrong; all problems, with positions.
        UsageError: the file cannot be read.
    """
    return parse_spec(read_text(path, "a benchmark"), str(path), path.parent)


def read_text(path: Path, what: str) -> str:
    """The text of a YAML file.

    Args:
        path: the file.
        what: what it should be the file of, for errors.

    Raises:
        SpecError: it is too long or no UTF-8.
        UsageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: a folder; the YAML file of {what} is needed") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MAX_BYTES:
        raise SpecError(str(path), [Problem(1, 1, "", f"larger than {MAX_BYTES:,} bytes; a spec is a page of text")])
    return _decoded(data, str(path))


def parse_spec(text: str, file_name: str = "spec", folder: Path = Path()) -> BenchmarkSpec:
    """The spec in a YAML text.

    Args:
        text: one YAML 1.2 document.
        file_name: what to call it in errors.
        folder: what paths in it are relative to.

    Raises:
        SpecError: all problems at once, each as ``file:line:col path: what, allowed, did you mean``.
    """
    document = read_yaml(text, file_name)
    if not isinstance(document.value, dict):
        line, column = document.values_at[()]
        what = "a spec is a mapping with name, task, federation, methods, seeds and scenarios"
        raise SpecError(file_name, document.problems or [Problem(line, column, "", what)])
    try:
        spec = BenchmarkSpec.model_validate(anchored(document.value, folder), context={FOLDER: folder})
    except ValidationError as error:
        raise SpecError(file_name, located(error, document)) from None
    if document.problems:
        raise SpecError(file_name, document.problems)
    return spec


def dump_spec(spec: BenchmarkSpec) -> str:
    """YAML text of a spec with every default written out; `parse_spec` gives back an equal spec."""
    return dump_yaml(spec.resolved())


def benchmark_names() -> list[str]:
    """Names of the packaged definitions, sorted."""
    return sorted(path.stem for path in _PACKAGED.glob("*.yaml"))


def first_comment(name: str) -> str:
    """The first sentence of a packaged definition, which describes it."""
    text = packaged(name).read_text(encoding="utf-8")
    comment = " ".join(line.removeprefix("#").strip() for line in text.partition("\n\n")[0].splitlines())
    return re.split(r"(?<=[.?]) ", comment)[0]


def packaged(name: str) -> Path:
    """The file of a packaged definition.

    Raises:
        UsageError: there is no such definition.
    """
    names = benchmark_names()
    if name not in names:
        raise UsageError(f"{name}: no packaged benchmark; there are: {', '.join(names)}.{did_you_mean(name, names)}")
    return _PACKAGED / f"{name}.yaml"


def find_benchmark(name_or_path: str) -> Path:
    """The file meant by a path, or by the name of a packaged definition.

    Raises:
        UsageError: there is neither.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    packaged = benchmark_names()
    if name_or_path in packaged:
        return _PACKAGED / f"{name_or_path}.yaml"
    what = "a folder, not a file" if path.is_dir() else "no such file, and no packaged benchmark of this name"
    hint = did_you_mean(name_or_path, packaged)
    raise UsageError(f"{name_or_path}: {what}; packaged benchmarks: {', '.join(packaged)}.{hint}")


def _decoded(data: bytes, file_name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, start = before.count(b"\n") + 1, before.rfind(b"\n") + 1
        column = len(before[start:].decode("utf-8")) + 1
        raise SpecError(file_name, [Problem(line, column, "", "not UTF-8; save the file as UTF-8 text")]) from None


def located(error: ValidationError, document: Document) -> list[Problem]:
    """Everything that pydantic found wrong with the value of a document, each with its place in the file."""
    by_place: dict[Location, list[str]] = {}
    for location, text in problems_in(error, ()):
        if not any(location[: len(broken)] == broken for broken in document.broken):
            by_place.setdefault(_in_file(location, text, document.value), []).append(text)
    problems = list(document.problems)
    for location, texts in by_place.items():
        line, column = position_of(location, texts[0], document)
        problems.append(Problem(line, column, path_text(location), ", or ".join(dict.fromkeys(texts))))
    return problems


def _in_file(location: Location, text: str, value: Any) -> Location:
    """`location` as far as the file has it, without the steps that pydantic adds for alternatives."""
    depth = 0
    for step in location:
        if not (step in value if isinstance(value, dict) else isinstance(value, list) and step in range(len(value))):
            break
        value, depth = value[step], depth + 1
    return location[: depth + text.startswith("missing")]


def position_of(location: Location, text: str, document: Document) -> tuple[int, int]:
    """Line and column of the place that `text` is about; of its mapping where the place is empty."""
    if text.startswith("unknown key"):
        return document.keys_at[location]
    return document.values_at.get(location) or document.values_at[location[:-1]]
