"""Parses YAML text to plain values with positions: YAML 1.2 scalars, one document, no surprises.

Read from PyYAML's event stream, so that nothing is built before it is checked. Aliases, anchors and tags are refused:
a spec is read by people, top to bottom, and without aliases there is nothing that can expand.

References:
    YAML Ain't Markup Language 1.2.2, section 10.3 (core schema), 2021.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml
from yaml.error import Mark

from harness.core.errors import Problem, SpecError

Location = tuple[str | int, ...]
"""Where in the tree: keys and list positions from the root, e.g. ``("methods", 1, "uplink")``."""

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
_MAX_DIGITS = 64

_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# An integer with a leading zero is 8 to YAML 1.1 readers and 10 to YAML 1.2 ones ("010"): here it stays text.
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_PLAIN_WORDS = (
    (r"'\\t' that cannot start any token", "a tab; indent with spaces"),
    (r"mapping values are not allowed", "a colon in an unexpected place; check the indentation, or quote the text"),
    (r"found unexpected end of stream", "the {place} ends inside a quoted text"),
    (r"but (found|got) '<stream end>'", "the {place} ends before a bracket or brace is closed"),
)


@dataclass
class Document:
    """A YAML document as plain values, and the position of each.

    Attributes:
        value: dicts, lists, str, int, float, bool and None.
        values_at: (line, column) of each value, both from 1.
        keys_at: (line, column) of the key of each mapping entry.
        problems: mistakes that did not stop the parser, e.g. a duplicate key.
        broken: values that could not be read; they are None in `value`.
    """

    value: Any = None
    values_at: dict[Location, tuple[int, int]] = field(default_factory=dict)
    keys_at: dict[Location, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    broken: set[Location] = field(default_factory=set)


def path_text(location: Location) -> str:
    """How a location is shown.

    >>> path_text(("methods", 1, "uplink", "levels"))
    'methods[1].uplink.levels'
    """
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            shown = step if re.fullmatch(r"[\w-]{1,64}", step) else ascii(step[:40])
            text += f".{shown}" if text else shown
    return text


def read_yaml(
    text: str, file_name: str, what: str = "a spec is a mapping with name, task, ...", place: str = "file"
) -> Document:
    """Read one YAML document.

    Args:
        text: at most `MAX_BYTES` characters.
        file_name: what to call it in errors.
        what: the expected content, for the message about an empty file.
        place: what the text is the whole of, in errors.

    Returns:
        The document; problems that did not stop the reading are in it.

    Raises:
        SpecError: the text is no YAML, is empty, holds a second document, or is too long or too deep.
    """
    if len(text) > MAX_BYTES:
        _stop(file_name, (1, 1), f"{len(text):,} characters; a spec has at most {MAX_BYTES:,} bytes")
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        position = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        _stop(file_name, position, f"the character U+{ord(text[error.position]):04X} is not allowed in YAML")
    try:
        return _Reader(loader, file_name, what).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark or loader.get_mark()
        _stop(file_name, _position(mark), f"not valid YAML: {_plain_words(error, place)}")
    except (ValueError, OverflowError):  # PyYAML turns the digits of escapes and directives into numbers unchecked
        _stop(file_name, _position(loader.get_mark()), "not valid YAML: an escape or directive with a wrong number")
    finally:
        loader.dispose()


def read_value(text: str) -> Any:
    """Parse YAML text that is not from a file, e.g. from a command line; None if it is blank.

    Raises:
        ValueError: it cannot be read, in words.

    >>> read_value("[NO, DE]"), read_value("{kind: lte, tail_s: 1e1}"), read_value("")
    (['NO', 'DE'], {'kind': 'lte', 'tail_s': 10.0}, None)
    """
    if not text.strip():
        return None
    try:
        document = read_yaml(text, "", place="text")
    except SpecError as error:
        raise ValueError(error.problems[0].text) from None
    if document.problems:
        raise ValueError(document.problems[0].text)
    return document.value


class _Reader:
    """Builds a document from events. The recursion is bounded by `MAX_DEPTH`."""

    def __init__(self, loader: yaml.SafeLoader, file_name: str, what: str) -> None:
        self._loader = loader
        self._file_name = file_name
        self._what = what
        self._read = Document()

    def document(self) -> Document:
        self._next()  # start of the stream
        if isinstance(self._next(), yaml.StreamEndEvent):
            _stop(self._file_name, (1, 1), f"the file is empty; {self._what}")
        self._read.value = self._value(self._next(), ())
        self._next()  # end of the document
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            _stop(self._file_name, _position(after.start_mark), "a second document begins; a file holds one spec")
        return self._read

    def _next(self) -> Any:
        return self._loader.get_event()  # type: ignore[no-untyped-call]

    def _value(self, event: Any, location: Location) -> Any:
        position = _position(event.start_mark)
        self._read.values_at[location] = position
        if len(location) > MAX_DEPTH:
            _stop(self._file_name, position, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._refuse(location, f"aliases (*{str(event.anchor)[:40]}) are not supported; write the value out")
        if event.anchor is not None:
            self._complain(location, f"anchors (&{event.anchor[:40]}) are not supported; leave it out")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")[:40]
            self._refuse(location, f"tags ({tag}) are not supported; leave it out, or quote the value to make it text")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(location)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(location)
        return self._scalar(event, location)

    def _mapping(self, location: Location) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            position = _position(event.start_mark)
            if not isinstance(event, yaml.ScalarEvent):
                _stop(self._file_name, position, "a key must be text, not a list, mapping or alias", location)
            key = (*location, event.value)
            if event.value in entries:
                line, column = self._read.keys_at[key]
                self._complain(key, f"the key stands twice, first at line {line}, column {column}", position)
                self._skip(self._next())
                continue
            self._read.keys_at[key] = position
            entries[event.value] = self._value(self._next(), key)
        return entries

    def _sequence(self, location: Location) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, (*location, len(items))))
        return items

    def _scalar(self, event: yaml.ScalarEvent, location: Location) -> Any:
        text = event.value
        if _UNPRINTABLE.search(text):
            return self._refuse(location, "the text holds control characters or half a surrogate pair")
        if not event.implicit[0]:  # quoted, or a block of text
            return text
        if len(text) > _MAX_DIGITS and (_INTEGER.fullmatch(text) or _FLOAT.fullmatch(text)):
            return self._refuse(location, f"a number of {len(text)} characters; at most {_MAX_DIGITS} are allowed")
        return scalar(text)

    def _skip(self, event: Any) -> None:
        depth = 0
        while True:
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return
            event = self._next()

    def _refuse(self, location: Location, text: str) -> None:
        self._complain(location, text)
        self._read.broken.add(location)

    def _complain(self, location: Location, text: str, position: tuple[int, int] | None = None) -> None:
        line, column = position or self._read.values_at[location]
        self._read.problems.append(Problem(line, column, path_text(location), text))


def scalar(text: str) -> Any:
    """The value of a plain scalar after YAML 1.2: NO, on, yes and 10:30 are text, 1e-3 is a number.

    >>> [scalar(text) for text in ("NO", "1e-3", "0x1F", "true", "010", "~")]
    ['NO', 0.001, 31, True, '010', None]
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def dump_yaml(value: Any) -> str:
    """YAML text of plain values that YAML 1.1 and 1.2 readers both read back as `value`, keys in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Also quotes text that only YAML 1.2 takes for a number, e.g. ``1e-3``."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(rf"(?:{_INTEGER.pattern})\Z"), list("-+0123456789"))


def _position(mark: Mark) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _plain_words(error: yaml.MarkedYAMLError, place: str) -> str:
    text = error.problem or error.context or "cannot be read"
    for pattern, words in _PLAIN_WORDS:
        if re.search(pattern, text):
            return words.format(place=place)
    return text.encode("unicode_escape").decode()


def _stop(file_name: str, position: tuple[int, int], text: str, location: Location = ()) -> NoReturn:
    raise SpecError(file_name, [Problem(*position, path_text(location), text)]) from None
