"""The same types as dataclasses and as attrs classes, and the two mixed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import attrs

__all__ = ["FORMS", "AttrsShelf", "AttrsThing", "Shelf", "Thing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """One part of a thing."""

    name: str
    width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Everything that an author's type can hold."""

    title: str
    many_words: str = ""
    other_name: str = field(default="", metadata={"wire": "otherURL"})
    hinted: str = field(default="", metadata={"want": "write a colour"})
    count: int = 0
    weight: float = 0.0
    open: bool = False
    mode: Literal["slow", "fast"] = "slow"
    shelf: Shelf | None = None
    shelves: tuple[Shelf, ...] = ()
    sizes: tuple[int, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[str, Any] | None = None


@attrs.frozen(kw_only=True)
class AttrsShelf:
    """The same with attrs."""

    name: str
    width: int = 0


@attrs.frozen(kw_only=True)
class AttrsThing:
    """The same with attrs, through and through."""

    title: str
    many_words: str = ""
    other_name: str = attrs.field(default="", metadata={"wire": "otherURL"})
    hinted: str = attrs.field(default="", metadata={"want": "write a colour"})
    count: int = 0
    weight: float = 0.0
    open: bool = False
    mode: Literal["slow", "fast"] = "slow"
    shelf: AttrsShelf | None = None
    shelves: tuple[AttrsShelf, ...] = ()
    sizes: tuple[int, ...] | None = None
    labels: Mapping[str, str] = attrs.field(factory=dict)
    raw: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingOfAttrs(Thing):
    """A dataclass with attrs classes in it."""

    shelf: AttrsShelf | None = None  # type: ignore[assignment] # another form of the same
    shelves: tuple[AttrsShelf, ...] = ()  # type: ignore[assignment]


@attrs.frozen(kw_only=True)
class AttrsThingOfDataclasses:
    """An attrs class with dataclasses in it, its first names given by aliases."""

    heading: str = attrs.field(alias="title")
    words: str = attrs.field(default="", alias="manyWords")
    other_name: str = attrs.field(default="", alias="otherURL")
    hinted: str = attrs.field(default="", metadata={"want": "write a colour"})
    _count: int = 0
    weight: float = 0.0
    open: bool = False
    mode: Literal["slow", "fast"] = "slow"
    shelf: Shelf | None = None
    shelves: tuple[Shelf, ...] = ()
    sizes: tuple[int, ...] | None = None
    labels: Mapping[str, str] = attrs.field(factory=dict)
    raw: Mapping[str, Any] | None = None


FORMS = (Thing, AttrsThing, ThingOfAttrs, AttrsThingOfDataclasses)
