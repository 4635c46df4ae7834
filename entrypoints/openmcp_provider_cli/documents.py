"""Reading files into documents that know where they stand, and collecting what is wrong with them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from openmcp_adapters.wire import child, kind_of
from openmcp_provider.provider import Json, Problem
from openmcp_provider_cli.dialect import Unreadable, load

__all__ = ["STDIN", "Document", "Fault", "Place", "WrongInput", "read"]

STDIN = "-"


class Place(NamedTuple):
    """Where a document stands; places sort as a person reads.

    Attributes:
        at: Which of the files, counted from 0.
        file: Its name as given.
        number: Which document in it, counted from 1; 0 for the file itself.
        item: Which item of that document, a list, counted from 1; 0 for a document that is no list.
    """

    at: int
    file: str
    number: int = 0
    item: int = 0

    def __str__(self) -> str:
        """Return ``file: document 2, item 3``."""
        name = "<stdin>" if self.file == STDIN else self.file
        document = f": document {self.number}" if self.number else ""
        return name + document + (f", item {self.item}" if self.item else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One object that was read.

    Attributes:
        place: Where it stands.
        body: The object.
    """

    place: Place
    body: Json

    @property
    def kind(self) -> str:
        """Its kind, empty if it says none."""
        return _text(self.body.get("kind"))

    @property
    def api_version(self) -> str:
        """Its API version, empty if it says none."""
        return _text(self.body.get("apiVersion"))

    @property
    def metadata(self) -> Json:
        """Its metadata, empty if it has none."""
        found = self.body.get("metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def name(self) -> str:
        """Its name, empty if it has none."""
        return _text(self.metadata.get("name"))

    @property
    def namespace(self) -> str:
        """Its namespace, empty if it says none."""
        return _text(self.metadata.get("namespace"))

    @property
    def title(self) -> str:
        """The object as people name it: ``OCM default/mcp-01``."""
        return " ".join(filter(None, (self.kind, "/".join(filter(None, (self.namespace, self.name))))))

    def __str__(self) -> str:
        """Return place and title."""
        return f"{self.place}: {self.title}" if self.title else str(self.place)

    def fault(self, problem: Problem) -> "Fault":
        """Return a problem of this document."""
        return Fault(self.place, f"{self}: {problem}")


class Fault(NamedTuple):
    """Something wrong with the input, and where."""

    place: Place
    text: str

    def __str__(self) -> str:
        """Return one line, whatever the input put into it."""
        return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in self.text)


class WrongInput(ValueError):
    """The input cannot be used.

    Args:
        faults: Every reason.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(dict.fromkeys(faults), key=lambda fault: fault.place))
        super().__init__("\n".join(map(str, self.faults)))


def read(files: Sequence[str], faults: list[Fault]) -> list[Document]:
    """Return every object in the files, lists unfolded; what is wrong goes into `faults`."""
    documents: list[Document] = []
    for at, file in enumerate(files):
        whole = Place(at, file)
        if file in files[:at]:
            faults.append(Fault(whole, f"{whole}: is given twice; name each file once"))
            continue
        text = _text_of(whole, faults)
        found = list(_documents(whole, text, faults)) if text is not None else []
        if text is not None and not found and all(fault.place.at != at for fault in faults):
            faults.append(Fault(whole, f"{whole}: is empty; give YAML or JSON with at least one object"))
        documents += found
    return documents


def _text_of(place: Place, faults: list[Fault]) -> str | None:
    try:
        raw = sys.stdin.buffer.read() if place.file == STDIN else Path(place.file).read_bytes()
        return raw.decode("utf-8-sig")
    except IsADirectoryError:
        flaw = "is a directory; name the files in it"
    except (OSError, ValueError) as error:
        flaw = f"cannot be read ({_reason(error)}); name a readable file of UTF-8 text"
    faults.append(Fault(place, f"{place}: {flaw}"))
    return None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"no UTF-8 at byte {error.start}"
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else "no file can have that name"


def _documents(whole: Place, text: str, faults: list[Fault]) -> Iterator[Document]:
    number = 0
    try:
        for number, value in enumerate(load(text), start=1):
            place = whole._replace(number=number)
            if value is None:
                continue
            if not isinstance(value, Mapping):
                faults.append(Fault(place, f"{place}: is {kind_of(value)}; write an object with apiVersion and kind"))
            else:
                yield from _unfolded(Document(place=place, body=value), faults)
    except Unreadable as error:
        place = whole._replace(number=number + 1)
        faults.append(Fault(place, f"{place}: {error}"))


def _unfolded(document: Document, faults: list[Fault]) -> Iterator[Document]:
    """Yield the document, or the items of a list as kubectl and API servers print it."""
    items = document.body.get("items")
    if not document.kind.endswith("List") or not isinstance(items, list):
        yield document
        return
    kind = document.kind.removesuffix("List")
    typed = {"apiVersion": document.api_version, "kind": kind} if kind else {}
    for at, item in enumerate(items, start=1):
        if isinstance(item, Mapping):
            yield Document(place=document.place._replace(item=at), body={**typed, **item})
        else:
            faults.append(document.fault(Problem(child("items", at - 1), f"is {kind_of(item)}", "must be an object")))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
