"""What audit logs with bodies prove about a take-over, and what they tell of its course."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from openmcp_provider.domain.objects import Json, dig
from service_provider_ocm import PROVIDER
from tests.cluster.audited import Write, useless, writes

__all__ = ["PROGRAM", "Due", "History", "foretold"]

PROGRAM = f"{PROVIDER.edition.field_manager}/"
_KEPT = ("uid", "name", "namespace", "resourceVersion", "generation", "finalizers", "deletionTimestamp")
_PLURALS = {
    "Secret": "secrets",
    "AccessRequest": "accessrequests",
    "OCIRepository": "ocirepositories",
    "HelmRelease": "helmreleases",
    "OCM": "ocms",
}


class Due(NamedTuple):
    """A write of an object: what `plan` calls it, the object's cluster, plural, namespace and name."""

    action: str
    cluster: str
    resource: str
    namespace: str
    name: str


def foretold(plan: Json) -> Counter[Due]:
    """Return the writes that a plan, as JSON, foretells."""
    return Counter(
        Due(due["action"], due["cluster"], _PLURALS[due["kind"]], due["namespace"], due["name"])
        for tenant in plan["tenants"]
        for due in tenant["writes"]
    )


class History:
    """Every write on some servers until now, and since a moment those of the program.

    Args:
        logs: Events of audit logs with the bodies of writes, by the names that clusters have in plans.
        since: From when on the program's writes count.

    Attributes:
        all: Every write, in order.
        ours: Those of the program.
        refused: How often which of them was refused.
    """

    def __init__(self, logs: Mapping[str, Iterable[Json]], since: datetime) -> None:
        self.all: list[Write] = []
        self.refused: Counter[str] = Counter()
        self._since = since
        self._patches: dict[tuple[str, int, datetime], str] = {}
        for name, events in logs.items():
            self.all += writes(name, self._slim(name, events))
        self.ours = [write for write in self.all if write.agent.startswith(PROGRAM) and write.began >= since]

    def _slim(self, server: str, events: Iterable[Json]) -> Iterator[Json]:
        """Yield events with no more of an object than is asked about below: there are many."""
        for event in events:
            moment = datetime.fromisoformat(event["requestReceivedTimestamp"])
            ours = event.get("userAgent", "").startswith(PROGRAM) and moment >= self._since
            code = dig(event, "responseStatus", "code") or 0
            if ours and code >= _REFUSED and event["verb"] not in _READS:
                self.refused[f"{code} {event['verb']} {dig(event, 'objectRef', 'resource')}"] += 1
            answer = event.get("responseObject")
            if not isinstance(answer, dict) or "metadata" not in answer:
                continue
            metadata = {key: value for key, value in answer["metadata"].items() if key in _KEPT}
            if ours and event["verb"] == "patch":
                self._patches[server, int(metadata.get("resourceVersion") or 0), moment] = _sort(event)
            kept = {key: value for key, value in event.items() if key not in {"requestObject", "responseObject"}}
            yield {**kept, "responseObject": {"metadata": metadata}}

    # -- the promises ------------------------------------------------------------------------------------------------

    def grown(self) -> list[str]:
        """Return the program's writes after which an object has another generation than before."""
        return [
            f"{write}: generation {_generation(before)} became {_generation(write)}"
            for before, write in self._pairs()
            if _generation(write) != _generation(before)
        ]

    def let_go(self) -> list[str]:
        """Return the program's writes after which an object lacks a finalizer that it had before."""
        return [
            f"{write}: lost {sorted(lost)}"
            for before, write in self._pairs()
            if (lost := _finalizers(before) - _finalizers(write))
        ]

    def useless(self) -> list[str]:
        """Return the program's writes that changed nothing."""
        return [str(write) for write in useless(self.all, PROGRAM)]

    def _pairs(self) -> Iterator[tuple[Write, Write]]:
        """Yield each write of the program with the write of the same object before it."""
        last: dict[tuple[str, str], Write] = {}
        ours = set(map(id, self.ours))
        for write in self.all:
            key = (write.server, dig(write.obj, "metadata", "uid") or "")
            if id(write) in ours and key in last:
                yield last[key], write
            last[key] = write

    # -- what was written --------------------------------------------------------------------------------------------

    def done(self) -> Counter[Due]:
        """Return what was written to objects of the kinds that plans foretell, in their words."""
        return Counter(self._due(write) for write in self.ours if write.resource.partition(".")[0] in _KNOWN)

    def counted(self) -> Counter[str]:
        """Return how often what was written."""
        return Counter(
            f"{write.server:10} {self._due(write).action:9} {write.resource.partition('.')[0]}" for write in self.ours
        )

    def _due(self, write: Write) -> Due:
        metadata = write.obj["metadata"]
        patched = self._patches.get((write.server, write.version, write.began), write.verb)
        resource = write.resource.partition(".")[0]
        return Due(
            write.subresource or patched, write.server, resource, metadata.get("namespace", ""), metadata["name"]
        )

    # -- its course --------------------------------------------------------------------------------------------------

    def begun(self) -> list[datetime]:
        """Return when the take-over of each tenant began, in order."""
        first: dict[str, datetime] = {}
        for write in self.ours:
            due = self._due(write)
            if due.action == "takeover":
                first[due.namespace] = min(write.began, first.get(due.namespace, write.began))
        return sorted(first.values())

    def lasted(self) -> list[float]:
        """Return how many seconds each take-over took, from its first write on the platform to its last, in order."""
        spans: dict[str, list[datetime]] = defaultdict(list)
        for write in self.ours:
            due = self._due(write)
            if due.action in {"takeover", "apply"}:
                spans[due.namespace].append(write.began)
        return sorted((max(moments) - min(moments)).total_seconds() for moments in spans.values())

    def busiest(self, cluster: str) -> int:
        """Return the most writes of the program on a cluster in any second of the clock."""
        seconds = Counter(write.began.replace(microsecond=0) for write in self.ours if write.server == cluster)
        return max(seconds.values(), default=0)

    def moment(self, cluster: str, resource: str, namespace: str, verb: str = "create") -> datetime | None:
        """Return when an object in a namespace was first written in some way, by anybody."""
        return next(
            (
                write.began
                for write in self.all
                if write.server == cluster
                and write.resource.partition(".")[0] == resource
                and write.obj["metadata"].get("namespace") == namespace
                and write.verb == verb
            ),
            None,
        )


_REFUSED = 400
_READS = frozenset({"get", "list", "watch"})
_KNOWN = frozenset(_PLURALS.values())


def _sort(event: Json) -> str:
    """Return what plans call a patch."""
    if "force=true" in event["requestURI"]:
        return "apply"
    body = event.get("requestObject")
    fields = isinstance(body, list) and any(one.get("path") == "/metadata/managedFields" for one in body)
    return "takeover" if fields else "patch"


def _generation(write: Write) -> int:
    return dig(write.obj, "metadata", "generation") or 0


def _finalizers(write: Write) -> set[str]:
    return set(dig(write.obj, "metadata", "finalizers") or ())
