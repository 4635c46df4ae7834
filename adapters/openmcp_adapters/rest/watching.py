"""What a watch's bytes say."""

import json
from collections.abc import Iterator, Mapping

from openmcp_adapters.rest.errors import event_error
from openmcp_provider.domain.errors import Unavailable
from openmcp_provider.ports import WatchEvent

__all__ = ["Lines", "decoded"]


class Lines:
    """Makes lines of pieces.

    A line may be megabytes long and come in thousands of pieces, so pieces are joined once per line.
    """

    def __init__(self) -> None:
        self._begun: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the lines that a piece completes, without the empty ones."""
        *ended, rest = piece.split(b"\n")
        for end in ended:
            self._begun.append(end)
            yield from self.rest()
        self._begun.append(rest)

    def rest(self) -> Iterator[bytes]:
        """Yield what came after the last line break, if anything did."""
        line = b"".join(self._begun)
        self._begun.clear()
        if line.strip():
            yield line


def decoded(line: bytes, kind: str) -> WatchEvent:
    """Return the event that a line says.

    Raises:
        PortError: it is an ERROR event; the error is the one that its code says.
        Unavailable: it is half an event or none.
    """
    try:
        said = json.loads(line)
        event, obj = said["type"], said["object"]
        if event == "ERROR":
            raise event_error(obj, kind=kind)
        if event in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK") and isinstance(obj, Mapping):
            obj["metadata"]["resourceVersion"]  # what every reader goes on from
            return WatchEvent(type=event, object=obj)
    except (ValueError, LookupError, TypeError, RecursionError):
        pass
    raise Unavailable("the watch broke off in the middle of an event")
