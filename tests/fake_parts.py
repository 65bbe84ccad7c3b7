"""Tiny parts for the registry's tests: every kind of type hint that a plug-in may use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from harness.core.protocols import Codec


@dataclass(frozen=True)
class Inner:
    """A nested dataclass that is no part."""

    depth: int
    rate: float = 0.5

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1 (got {self.depth})")


@dataclass(frozen=True)
class Plain:
    kind: ClassVar[str] = "plain"

    levels: int = 4
    ratio: float = 0.5
    flag: bool = False
    mode: Literal["fast", "slow"] = "fast"
    share: float | None = None
    sizes: tuple[int, ...] = (1, 2)
    small: Annotated[int, Field(ge=0)] = 0
    weights: Mapping[str, float] = field(default_factory=dict)
    secret: int = field(default=7, init=False)

    def __post_init__(self) -> None:
        if not 2 <= self.levels <= 8:
            raise ValueError(f"levels must be 2 to 8 (got {self.levels})")
        if not 0 < self.ratio <= 1:
            raise ValueError(f"ratio must be above 0 and at most 1 (got {self.ratio})")
        if self.share is not None and self.mode == "fast":
            raise ValueError(f"share is for mode: slow only (got {self.share})")
        if self.flag and self.sizes == ():
            raise ValueError("a flag needs sizes")


@dataclass(frozen=True)
class Wrapper:
    kind: ClassVar[str] = "wrapper"

    inner: Codec
    nested: Inner = field(default_factory=lambda: Inner(1))
    several: tuple[Codec, ...] = ()
    perhaps: Codec | None = None
