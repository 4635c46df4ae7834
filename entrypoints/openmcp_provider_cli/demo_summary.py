"""What came of a demo, for people and as JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from openmcp_provider.domain.objects import ONBOARDING, PLATFORM
from openmcp_provider_cli.demo_clusters import hidden
from openmcp_provider_cli.demo_progress import Row
from openmcp_provider_cli.demo_stage import Requests
from openmcp_provider_cli.demo_story import Played

__all__ = ["failures", "summary", "to_json"]

_SHARED = (PLATFORM, ONBOARDING)
_VERBS = ("get", "list", "served", "create", "update", "patch", "apply", "delete")
_WATCH = "watch"


def failures(played: Played) -> Iterator[str]:
    """Yield a line for each tenant that did not get there, and for everything else that went wrong."""
    for row in played.failed:
        yield f"{row.name}: {row.phase}: {row.message or 'nothing was told'}"
    yield from played.mistakes
    for ref in played.remains.left if played.remains else ():
        yield f"{ref.cluster}: {ref} was left"


def summary(played: Played, real: float) -> str:
    """Return what was done, what it cost and how long it took."""
    return "\n".join(["", *_done(played), "", *_costs(played), "", _time(played, real), ""])


def _done(played: Played) -> Iterator[str]:
    count, seconds = played.ready
    yield f"{count} of {_number(len(played.rows), 'tenant')} Ready after {seconds:.1f} virtual seconds"
    if played.gone:
        count, seconds = played.gone
        yield f"{count} of {len(played.rows)} gone {seconds:.1f} virtual seconds after their deletion"
    if played.remains:
        left = len(played.remains.left)
        yield f"left of what was written: {_number(left, 'object') if left else 'nothing'}"
        kept = ", ".join(f"{count} {what}" for what, count in sorted(played.remains.kept.items()))
        yield f"never deleted: {kept or 'nothing'}"


def _costs(played: Played) -> Iterator[str]:
    """Yield a table of requests, and what a steady landscape costs."""
    grouped = _grouped(played.requests)
    others = {cluster for cluster, _ in played.requests} - {*_SHARED}
    rows = {PLATFORM: PLATFORM, ONBOARDING: ONBOARDING, "": _number(len(others), "control plane")}
    verbs = [verb for verb in (*_VERBS, _WATCH) if any(grouped[cluster, verb] for cluster in rows)]
    width = max(map(len, rows.values()))
    yield f"{'requests':<{width}}" + "".join(f"{verb + ('*' if verb == _WATCH else ''):>8}" for verb in verbs)
    for cluster, told in rows.items():
        yield f"{told:<{width}}" + "".join(f"{grouped[cluster, verb]:>8,}" for verb in verbs)
    yield "* begun or renewed"
    if played.steady:
        yield ""
        yield _steadily(*played.steady)


def _grouped(requests: Requests) -> Requests:
    """Return the requests with all control planes counted together."""
    grouped: Requests = Counter()
    for (cluster, verb), count in requests.items():
        grouped[cluster if cluster in _SHARED else "", verb] += count
    return grouped


def _steadily(seconds: float, requests: Requests) -> str:
    requests = _grouped(requests)

    def count(*clusters: str) -> int:
        return sum(found for (cluster, verb), found in requests.items() if cluster in clusters and verb != _WATCH)

    watches = sum(found for (_, verb), found in requests.items() if verb == _WATCH)
    shared = _number(count(*_SHARED), "request")
    return (
        f"once all were Ready, in {seconds / 60:.0f} virtual minutes: {shared} to platform and onboarding, "
        f"{count('')} to control planes; beside them {_number(watches, 'watch renewal')}"
    )


def _time(played: Played, real: float) -> str:
    return f"{played.seconds:,.1f} virtual seconds took {real:.1f} real ones"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def to_json(played: Played, real: float) -> str:
    """Return everything as one JSON object."""
    told = {
        "tenants": [_tenant(row) for row in played.rows],
        "objects": {cluster: list(hidden(objects)) for cluster, objects in played.clusters.items()},
        "requests": _by_cluster(played.requests, played.clusters),
        "steady": _steady(played),
        "seconds": {"virtual": round(played.seconds, 3), "real": round(real, 3)},
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _steady(played: Played) -> dict[str, Any] | None:
    if not played.steady:
        return None
    seconds, requests = played.steady
    return {"seconds": seconds, "requests": _by_cluster(requests, played.clusters)}


def _tenant(row: Row) -> dict[str, Any]:
    return {
        "name": row.key.name,
        "namespace": row.key.namespace,
        "phase": row.phase,
        "ready": row.ready,
        "status": row.status,
    }


def _by_cluster(requests: Requests, clusters: Iterable[str]) -> dict[str, dict[str, int]]:
    return {
        name: {verb: requests[cluster, verb] for cluster, verb in sorted(requests) if cluster == name}
        for name in clusters
    }
