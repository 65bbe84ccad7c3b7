"""Switches a codec to another coding of its indices: equal decoded values, other bytes. No torch."""

import dataclasses
import typing

from harness.core.protocols import Codec


def recoded(codec: Codec, coding: str) -> Codec | None:
    """`codec` with its indices coded as `coding`, also inside a codec that wraps another.

    Returns:
        None if there is no such setting, it or the other settings do not allow `coding`, or it is `coding` already.
    """
    part = typing.cast("typing.Any", codec)
    names = {field.name for field in dataclasses.fields(part)}
    if "inner" in names:
        inner = recoded(part.inner, coding)
        return None if inner is None else dataclasses.replace(part, inner=inner)
    if "coding" not in names or part.coding == coding:
        return None
    if coding not in typing.get_args(typing.get_type_hints(type(part))["coding"]):
        return None
    try:
        return typing.cast(Codec, dataclasses.replace(part, coding=coding))
    except ValueError:  # the other settings rule it out
        return None
