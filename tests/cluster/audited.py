"""What the audit logs of API servers prove about a program: no write for nothing, and no Ready that was not so.

Everything here is computed from events of logs that keep the bodies of writes. An object that a write answered is the
object as it was from then on, so that the answers of all writers together are the history of every object, in the order
of their resourceVersions. Those are revisions of etcd: on servers that share one, they order everything on all of them.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import Json, conditions, deleting, dig, generation, uid

__all__ = ["Write", "leaks", "not_deployed", "unobserved", "untrue", "useless", "writes"]


class Write(NamedTuple):
    """A request that a server granted, and after which it answered an object.

    Attributes:
        version: The object's resourceVersion in the answer.
        began: When the server received it.
        ended: When the server answered: the object was written between the two.
        server: Which.
        agent: Who asked: the user agent.
        verb: What for.
        resource: Plural and group, such as ``ocms.ocm.services.openmcp.cloud``.
        subresource: Such as ``status``; empty for none.
        obj: The answer.
    """

    version: int
    began: datetime
    ended: datetime
    server: str
    agent: str
    verb: str
    resource: str
    subresource: str
    obj: Json

    def __str__(self) -> str:
        metadata = self.obj["metadata"]
        place = f"{self.resource} {metadata.get('namespace', '')}/{metadata['name']} on {self.server}"
        what = f"{self.verb} {self.subresource}".rstrip()
        return f"{self.began:%H:%M:%S.%f} {what} of {place} at resourceVersion {self.version}"


def writes(server: str, events: Iterable[Json]) -> list[Write]:
    """Return the writes of a server's audit log that it granted, in the order in which they happened.

    What answers no object with a resourceVersion is none: a review, a token, the deletion of what is gone at once.
    """
    found = []
    for event in events:
        version = dig(event, "responseObject", "metadata", "resourceVersion")
        granted = 200 <= (dig(event, "responseStatus", "code") or 0) < 300
        if event["stage"] != "ResponseComplete" or not granted or not version:
            continue
        if "dryRun=" in event.get("requestURI", ""):
            continue
        reference = event["objectRef"]
        found.append(
            Write(
                version=int(version),
                began=datetime.fromisoformat(event["requestReceivedTimestamp"]),
                ended=datetime.fromisoformat(event["stageTimestamp"]),
                server=server,
                agent=event.get("userAgent", ""),
                verb=event["verb"],
                resource=".".join(filter(None, (reference["resource"], reference.get("apiGroup")))),
                subresource=reference.get("subresource", ""),
                obj=event["responseObject"],
            )
        )
    return sorted(found, key=lambda write: (write.version, write.ended))


def useless(found: Iterable[Write], agent: str) -> list[Write]:
    """Return the writes of a program that left an object as it was.

    A server answers a write that changes nothing with the resourceVersion that is there. So each version of an object
    is answered to the one who made it, and to all who wrote for nothing while it lasted. Who takes the last finalizer
    off a deleted object is answered the version before it, too, and did write: that object is gone.

    Args:
        found: All writers' on all servers.
        agent: What the program's user agent begins with.
    """
    made: dict[tuple[str, str, str, int], list[Write]] = defaultdict(list)
    for write in found:
        gone = deleting(write.obj) and not dig(write.obj, "metadata", "finalizers")
        if not gone:
            made[write.server, write.resource, uid(write.obj), write.version].append(write)
    return [
        write
        for same in made.values()
        for write in sorted(same, key=lambda one: one.ended)[1:]
        if write.agent.startswith(agent)
    ]


def unobserved(found: Iterable[Write], resource: str, agent: str) -> Iterator[str]:
    """Yield each mistake of a program in saying which generation of an instance it tells of.

    Each status that it writes tells of a generation that there was already, none older than the status before told of,
    and every condition in it tells of the same.

    Args:
        found: On the onboarding cluster, in order.
        resource: Of the instances.
        agent: What the program's user agent begins with.
    """
    told: dict[str, int] = defaultdict(int)
    for write in _statuses(found, resource, agent):
        observed = dig(write.obj, "status", "observedGeneration") or 0
        if not max(1, told[uid(write.obj)]) <= observed <= generation(write.obj):
            yield f"{write}: tells of generation {observed} after {told[uid(write.obj)]} of {generation(write.obj)}"
        for kind, condition in conditions(write.obj).items():
            if condition.get("observedGeneration") != observed:
                yield f"{write}: {kind} tells of generation {condition.get('observedGeneration')}, not {observed}"
        told[uid(write.obj)] = observed


class _Moment(NamedTuple):
    """From one write on the platform to the next: which version of a tenant was deployed as it should be, if any."""

    version: int
    began: datetime
    deployed: str


def untrue(
    onboarding: Sequence[Write], platform: Sequence[Write], resource: str, configs: str, agent: str
) -> Iterator[str]:
    """Yield each status that says Ready at a generation that was not deployed since that generation came to be.

    Of every status of an instance that the program writes, with Ready=True and observedGeneration g: there was a state
    of the platform that still lasted when g came to be, or came later, and was written by a request that the server
    received before the one for this status; in which the tenant's release was deployed (`not_deployed`) with the
    version of g and the values of the ProviderConfig as it was last written then.

    Args:
        onboarding: All writers' there, in order.
        platform: All writers' there, in order; by the same etcd, so that versions of the two can be compared.
        resource: Of the instances.
        configs: Resource of the ProviderConfig.
        agent: What the program's user agent begins with.
    """
    wanted: dict[tuple[str, int], tuple[int, str]] = {}
    for write in onboarding:
        if write.resource == resource:
            asked = (write.version, dig(write.obj, "spec", "version"))
            wanted.setdefault((uid(write.obj), generation(write.obj)), asked)
    moments: dict[str, list[_Moment]] = {}
    for write in _statuses(onboarding, resource, agent):
        if dig(conditions(write.obj), "Ready", "status") != "True":
            continue
        metadata, observed = write.obj["metadata"], dig(write.obj, "status", "observedGeneration")
        if (metadata["uid"], observed) not in wanted:
            yield f"{write}: Ready at generation {observed}, which there never was"
            continue
        came, version = wanted[metadata["uid"], observed]
        home = tenant_namespace(metadata["name"], metadata["namespace"])
        if home not in moments:
            moments[home] = list(_moments(platform, home, configs))
        if not any(version == moment.deployed for moment in _between(moments[home], came, write.began)):
            yield f"{write}: Ready at generation {observed}, since which {version} was never deployed"


def _between(moments: Sequence[_Moment], came: int, before: datetime) -> Iterator[_Moment]:
    """Yield the moments that ended after a version, and began before a time."""
    for moment, following in pairwise((*moments, None)):
        lasted = following is None or following.version > came
        if moment is not None and lasted and moment.began <= before:
            yield moment


def _moments(platform: Iterable[Write], home: str, configs: str) -> Iterator[_Moment]:
    release: Json = {}
    source: Json = {}
    values: Any = None
    for write in platform:
        if write.resource == configs:
            values = dig(write.obj, "spec", "values")
        elif write.obj["metadata"].get("namespace") != home:
            continue
        elif write.resource == "helmreleases.helm.toolkit.fluxcd.io":
            release = write.obj
        elif write.resource == "ocirepositories.source.toolkit.fluxcd.io":
            source = write.obj
        else:
            continue
        version = dig(source, "spec", "ref", "tag") or ""
        yield _Moment(write.version, write.began, "" if not_deployed(release, source, version, values) else version)


def not_deployed(release: Json, source: Json, version: str, values: object) -> str:
    """Return why a HelmRelease is not deployed with a version and values, empty if it is.

    Of both Flux objects: it stands, is not suspended, and Flux has observed its generation. The source asks for the
    version, and holds its artifact. The release has these values and is Ready; the newest entry of its history is
    deployed, with this version, the artifact's digest, and the values that Flux attempted last.
    """
    newest: Json = next(iter(dig(release, "status", "history") or ()), {})
    tag, _, digest = (dig(source, "status", "artifact", "revision") or "").partition("@")
    facts: dict[str, Callable[[], bool]] = {
        "the source is not there": lambda: bool(source) and not deleting(source),
        "the release is not there": lambda: bool(release) and not deleting(release),
        "something is suspended": lambda: not (dig(source, "spec", "suspend") or dig(release, "spec", "suspend")),
        "Flux has not seen the source": lambda: dig(source, "status", "observedGeneration") == generation(source),
        "Flux has not seen the release": lambda: dig(release, "status", "observedGeneration") == generation(release),
        "the source asks for another version": lambda: dig(source, "spec", "ref", "tag") == version,
        "the artifact is of another version": lambda: tag == version and bool(digest),
        "the release has other values": lambda: dig(release, "spec", "values") == values,
        "the release is not Ready": lambda: dig(conditions(release), "Ready", "status") == "True",
        "the newest revision is not deployed": lambda: newest.get("status") == "deployed",
        "another version is deployed": lambda: newest.get("chartVersion", "").partition("+")[0] == version,
        "another artifact is deployed": lambda: newest.get("ociDigest") == digest,
        "other values are deployed": lambda: (
            newest.get("configDigest") == dig(release, "status", "lastAttemptedConfigDigest")
        ),
    }
    return next((why for why, holds in facts.items() if not holds()), "")


def leaks(found: Iterable[Write], agent: str, secrets: Iterable[str]) -> Iterator[str]:
    """Yield each object but Secrets that a program wrote with a secret text in it; the text is not repeated."""
    texts = tuple(secrets)
    for write in found:
        if write.agent.startswith(agent) and write.resource != "secrets":
            body = json.dumps(write.obj)
            if any(text in body for text in texts):
                yield f"{write}: a secret is in it"


def _statuses(found: Iterable[Write], resource: str, agent: str) -> Iterator[Write]:
    for write in found:
        if write.resource == resource and write.subresource == "status" and write.agent.startswith(agent):
            yield write
