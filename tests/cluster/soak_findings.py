"""What a soak has shown: all that can be wrong, looked for in audit logs, in the program's logs and in /proc."""

import base64
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from attrs import frozen

from openmcp_provider.domain.objects import Json, dig
from openmcp_testing.control_plane import ApiServer
from openmcp_testing.landscape import Servers
from service_provider_ocm import PROVIDER
from tests.cluster import audited
from tests.cluster.replicas import Figures, Replica

__all__ = ["Findings", "Trouble"]

EDITION = PROVIDER.edition
AGENT = f"{EDITION.field_manager}/"
INSTANCES = f"{EDITION.plural}.{EDITION.group}"
CONFIGS = f"providerconfigs.{EDITION.group}"
KILLED = -9
MOST_NEW_FILES = 20
SHOWN = 10
SHORTEST = 15
"""Characters; what is shorter in a Secret may well stand somewhere else by chance."""


class Trouble(NamedTuple):
    """A chapter, until all was well again."""

    title: str
    began: datetime
    ended: datetime


_STEP, _STATUS = "a step failed", "the status could not be written"
_AWAY = "Unavailable: .*"
ALLOWED = (
    # The Lease cannot be renewed while the platform is away; then a leader has to end, and to be started again.
    r"platform .*: Lease .* could not be renewed for 10 s: .*",
    # What asks a server that is away fails, and is tried again.
    rf"platform .*: {_STEP}: {_AWAY}",
    rf"onboarding dies: ({_STEP}|{_STATUS}): {_AWAY}",
    rf"control plane freezes: {_STEP}: {_AWAY}",
    # First the rights of a revoked account are gone, then its token is.
    rf"token is revoked: ({_STEP}|{_STATUS}): (Unauthorized|Forbidden): .*",
)
"""What lines of level error may say, and during which chapter."""


@frozen(kw_only=True)
class Findings:
    """What is there to look at, once everything has ended.

    Attributes:
        servers: With audit logs that have bodies.
        replicas: With logs.
        troubles: When something was wrong on purpose.
        figures: What each process had used, by chapter and pod.
        passwords: In no text but in Secrets.
        failures: What was found already.
    """

    servers: Servers
    replicas: list[Replica]
    troubles: list[Trouble]
    figures: list[tuple[str, str, Figures]]
    passwords: list[str]
    failures: list[str]

    def told(self) -> bool:
        """Print everything, and tell whether nothing is wrong."""
        logs = {server.name: list(server.audit()) for server in self._all}
        found = {name: audited.writes(name, events) for name, events in logs.items()}
        flat = [write for writes in found.values() for write in writes]
        platform, onboarding = found[self.servers.platform.name], found[self.servers.onboarding.name]
        lines = [line for replica in self.replicas for line in replica.lines()]
        ours = [write for write in flat if write.agent.startswith(AGENT)]
        statuses = [write for write in ours if write.subresource == "status"]
        ready = [write for write in statuses if dig(write.obj, "status", "phase") == "Ready"]
        print(f"\n{len(flat)} writes on {len(found)} servers, {len(ours)} of them the program's:")
        for (server, verb, resource), number in sorted(Counter((w.server, w.verb, w.resource) for w in ours).items()):
            print(f"  {server:16} {verb:8} {resource:45} {number}")
        print(f"{len(ready)} statuses that say Ready; {len(lines)} lines of log")
        others = sum(not write.agent.startswith(AGENT) for write in audited.useless(flat, ""))
        print(f"{others} writes of others left resourceVersion unchanged: ours would be seen as well")
        self._processes()
        secrets = set(_secrets(logs.values(), self.passwords))
        results: dict[str, Iterable[object]] = {
            "the story and its end": self.failures,
            "a write that left resourceVersion unchanged": audited.useless(flat, AGENT),
            "no Ready to judge": [] if ready else ["nobody ever was"],
            "Ready that was not so": audited.untrue(onboarding, platform, INSTANCES, CONFIGS, AGENT),
            "a status of another generation than was read": audited.unobserved(onboarding, INSTANCES, AGENT),
            "a process that ended for no reason": self._ends(),
            "an error in a log for no reason": self._errors(lines),
            f"one of {len(secrets)} secrets in a log": _spilt(lines, secrets),
            "a secret in an object": audited.leaks(flat, AGENT, secrets),
            "files left open": self._files(),
        }
        told = {title: [str(one) for one in wrong] for title, wrong in results.items()}
        print()
        right = True
        for title, texts in told.items():
            print(f"{'FAILED' if texts else 'none':7} {title}" + (f": {len(texts)}" if texts else ""))
            for text in texts[:SHOWN]:
                print(f"          {text[:600]}")
            right = right and not texts
        return right

    @property
    def _all(self) -> list[ApiServer]:
        return [self.servers.platform, self.servers.onboarding, *self.servers.pool]

    def _during(self, moment: datetime) -> str:
        return next((one.title for one in self.troubles if one.began <= moment <= one.ended), "-")

    def _ends(self) -> Iterator[str]:
        """Yield each process that ended although nothing was wrong that ends one."""
        for replica in self.replicas:
            for end in replica.ends:
                title = self._during(datetime.fromtimestamp(end.moment, UTC))
                killed = end.code == KILLED and title.startswith("leader is killed")
                lost = end.code == 1 and title.startswith("platform")  # without a Lease a leader has to end
                print(f"{replica.pod} ended with {end.code} during: {title}")
                if not (killed or lost):
                    yield f"{replica.pod} ended with {end.code} during: {title}"

    def _errors(self, lines: Iterable[Json]) -> Iterator[str]:
        """Yield each line of level error but those that a chapter gives reason for, which are counted and printed."""
        counted: Counter[str] = Counter()
        for line in lines:
            if line["level"] == "error":
                title = self._during(datetime.fromisoformat(line["ts"])) if line["ts"] else "-"
                told = f"{title}: {line['msg']}: {line.get('error', '')}"
                if any(re.fullmatch(one, told) for one in ALLOWED):
                    counted[told] += 1
                else:
                    yield told
        for told, number in counted.items():
            print(f"{number} times as it has to be, during {told}"[:200])

    def _processes(self) -> None:
        """Print what each process had used when all was well for the first time in its life, and the last time."""
        lives: dict[tuple[str, int], list[tuple[str, Figures]]] = {}
        for title, pod, figures in self.figures:
            lives.setdefault((pod, figures.pid), []).append((title, figures))
        for (pod, _), looks in lives.items():
            for title, figures in (looks[0], looks[-1]):
                print(f"{pod} after {title}: {figures}")

    def _files(self) -> Iterator[str]:
        lives: dict[tuple[str, int], list[int]] = {}
        for _, pod, figures in self.figures:
            lives.setdefault((pod, figures.pid), []).append(figures.files)
        for (pod, _), files in lives.items():
            if files[-1] > files[0] + MOST_NEW_FILES:
                yield f"{pod}: {files}"


def _secrets(logs: Iterable[list[Json]], passwords: Iterable[str]) -> Iterator[str]:
    """Yield every text that must not be told: passwords and tokens, as they are and as they are written."""
    for password in passwords:
        yield password
        yield base64.b64encode(f"robot:{password}".encode()).decode()
    for events in logs:
        for event in events:
            if token := dig(event, "responseObject", "status", "token"):
                yield token
            if dig(event, "objectRef", "resource") == "secrets":
                data = (dig(event, "responseObject", "data") or {}).values()
                yield from (text for text in data if len(text) > SHORTEST)


def _spilt(lines: Iterable[Json], secrets: set[str]) -> Iterator[str]:
    for line in lines:
        text = str(line)
        if any(secret in text for secret in secrets):
            yield f"{line['pod']} {line['ts']} {line['level']}"
