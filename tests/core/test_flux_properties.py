import re
from copy import deepcopy
from datetime import timedelta
from itertools import chain, combinations, product
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from openmcp_provider.domain.flux import HELM_RELEASE, OCI_REPOSITORY, normalise
from openmcp_provider.domain.objects import Json
from openmcp_provider.provider import Health
from tests.core import flux_objects as flux
from tests.core.flux_objects import DIGESTS, NEW, OLD, RELEASE, SOURCE

Edit = tuple[tuple[str | int, ...], Any]
"""Where something is changed in an object, and to what."""

STATUSES = ["True", "False", "Unknown"]
REASONS = [
    "Succeeded",
    "Progressing",
    "ProgressingWithRetry",
    "OCIArtifactPullFailed",
    "AuthenticationFailed",
    "URLInvalid",
    "InstallSucceeded",
    "InstallFailed",
    "UpgradeFailed",
    "RollbackSucceeded",
    "RetriesExceeded",
    "SourceNotReady",
    "StateError",
    "RESTClientError",
]
MESSAGES = [flux.NO_TAG, flux.REFUSED, flux.UNAUTHORIZED, flux.NO_ANSWER, flux.TIMED_OUT, "?", ""]
KINDS = ["Ready", "Reconciling", "Stalled", "FetchFailed", "ArtifactOutdated", "Released", "Remediated"]
VERSIONS = [OLD, NEW]
condition_lists = st.dictionaries(
    st.sampled_from(KINDS),
    st.fixed_dictionaries(
        {"status": st.sampled_from(STATUSES), "reason": st.sampled_from(REASONS)},
        optional={"message": st.sampled_from(MESSAGES), "observedGeneration": st.sampled_from([1, 2])},
    ),
    max_size=3,
).map(lambda found: [{"type": kind, **rest} for kind, rest in found.items()])
recorded = st.sampled_from([*DIGESTS.values(), f"{OLD}@{DIGESTS[OLD]}", "", None])
entries = st.fixed_dictionaries(
    {"status": st.sampled_from(["deployed", "superseded", "failed", "pending-upgrade", "uninstalled"])},
    optional={
        "chartVersion": st.sampled_from([OLD, *map(flux.tracked, VERSIONS)]),
        "ociDigest": recorded,
        "action": st.sampled_from(["install", "upgrade", "rollback"]),
    },
)


def edits(values: dict[tuple[str | int, ...], list[Any]]) -> list[Edit]:
    """Return every edit that there is."""
    return [(path, value) for path, choices in values.items() for value in choices]


COMMON: dict[tuple[str | int, ...], list[Any]] = {
    ("metadata", "generation"): [1, 2],
    ("metadata", "deletionTimestamp"): ["2026-08-08T09:00:00Z"],
    ("metadata", "annotations"): [{}, {"reconcile.fluxcd.io/requestedAt": "one"}],
    ("spec", "suspend"): [True, False],
    ("status", "observedGeneration"): [-1, 1, 2, None],
    ("status", "lastHandledReconcileAt"): ["one", "two"],
    ("status", "conditions", 0, "status"): STATUSES,
    ("status", "conditions", 0, "observedGeneration"): [1, 2],
}
SOURCE_EDITS = edits(
    COMMON
    | {
        ("spec", "ref", "tag"): VERSIONS,
        ("status", "artifact"): [
            None,
            {"revision": OLD},
            *({"revision": f"{one}@{DIGESTS[other]}"} for one in VERSIONS for other in VERSIONS),
        ],
    }
)
RELEASE_EDITS = edits(
    COMMON
    | {
        ("status", "history", 0, "status"): ["deployed", "superseded", "failed"],
        ("status", "history", 0, "ociDigest"): [*DIGESTS.values(), f"{OLD}@{DIGESTS[OLD]}", "", None],
        ("status", "history", 0, "chartVersion"): [OLD, *map(flux.tracked, VERSIONS)],
        ("status", "lastAttemptedRevisionDigest"): [*DIGESTS.values(), f"{OLD}@{DIGESTS[OLD]}", "", None],
        ("status", "lastAttemptedRevision"): [OLD, *map(flux.tracked, VERSIONS), None],
        ("status", "lastAttemptedGeneration"): [1, 2, None],
        ("status", "lastAttemptedReleaseAction"): ["install", "upgrade", None],
        ("status", "failures"): [0, 1, 4, None],
        ("status", "upgradeFailures"): [0, 1, 4, None],
    }
)
anything = st.one_of(
    condition_lists.map(lambda found: (("status", "conditions"), found)),
    st.lists(entries, max_size=3).map(lambda found: (("status", "history"), found)),
)
SOURCES = [
    flux.source(),
    flux.source_building(),
    flux.source_ready(),
    flux.source_ready(NEW),
    flux.source_stale(),
    flux.source_lost(),
    flux.source_failing(),
    flux.source_degraded(),
    flux.source_stalled(),
]
RELEASES = [
    flux.release(),
    flux.release_installing(),
    flux.release_ready(),
    flux.release_ready(NEW),
    flux.release_upgrading(),
    flux.release_install_retrying(),
    flux.release_install_exhausted(),
    flux.release_rolled_back(),
    flux.release_suspended(),
    flux.release_cut_off(),
]


def edited(example: Json, changes: list[Edit]) -> Json:
    """Return a copy of the object with every change that has a place in it."""
    obj = deepcopy(dict(example))
    for (*path, last), value in changes:
        at: Any = obj
        for key in path:
            found = at.get(key) if isinstance(at, dict) else next(iter(at), None)
            at = {} if found is None else found
        at[last] = value
    return obj


def objects(examples: list[dict[str, Any]], changes: list[Edit]) -> st.SearchStrategy[Json]:
    """Return objects that are an example with up to three things changed."""
    change = st.one_of(st.sampled_from(changes), st.sampled_from(changes), anything)
    return st.builds(edited, st.sampled_from(examples), st.lists(change, max_size=3))


sources = objects(SOURCES, SOURCE_EDITS)
releases = objects(RELEASES, RELEASE_EDITS)
BACK = flux.changed(
    flux.release_rolled_back(),
    status={**flux.attempt(OLD, action="upgrade", failed=4), "conditions": flux.succeeded(OLD, action="Upgrade")},
)
# Most of what is found by chance is far from Ready: these are ready but for a few changes.
almost = st.tuples(
    objects([flux.release_ready(), flux.release_ready(), BACK], RELEASE_EDITS),
    objects([flux.source_ready(), flux.source_degraded()], SOURCE_EDITS),
)
pairs = st.one_of(almost, st.tuples(releases, sources))
waits = st.sampled_from([None, timedelta(0), timedelta(minutes=5)])


def told(release: Json, source: Json, wait: timedelta | None = None, version: str = OLD) -> tuple[Health, Health]:
    """Return how source and release do, beside each other."""
    context = flux.context(source, release, version=version, applied=None if wait is None else flux.NOW - wait)
    return OCI_REPOSITORY.health(SOURCE, source, context), HELM_RELEASE.health(RELEASE, release, context)


def settled(obj: Json) -> bool:
    """Tell whether Flux is done with exactly this object, which nobody suspended or deleted."""
    metadata, status = obj["metadata"], obj["status"]
    return (
        status["observedGeneration"] == metadata["generation"]
        and metadata.get("deletionTimestamp") is None
        and not obj["spec"].get("suspend")
    )


def fetched(source: Json) -> str:
    """Return the digest of a source's artifact if it is of the wanted tag and generation, else nothing."""
    if source["status"]["observedGeneration"] != source["metadata"]["generation"]:
        return ""
    revision = (source["status"].get("artifact") or {}).get("revision") or ""
    tag, _, digest = revision.partition("@")
    return str(digest) if tag == source["spec"]["ref"]["tag"].replace("+", "_") else ""


def names(recorded: str | None, digest: str) -> bool:
    """Tell whether what Flux recorded is this digest, with or without the tag before it."""
    return recorded is not None and recorded.split("@")[-1] == digest


def assert_deployed(release: Json, source: Json) -> None:
    """Assert all that must hold of what Flux shows before a release may count as ready."""
    status, wanted = release["status"], fetched(source)
    newest = status["history"][0]
    assert settled(release)
    assert source["metadata"].get("deletionTimestamp") is None
    assert wanted
    assert newest["status"] == "deployed"
    assert names(status["lastAttemptedRevisionDigest"], wanted)
    if newest.get("ociDigest"):
        assert names(newest["ociDigest"], wanted)
    else:  # of a rollback Flux records no digest but in the version
        assert newest["chartVersion"] == status["lastAttemptedRevision"]
        assert newest["chartVersion"].partition("+")[2] == wanted.removeprefix("sha256:")[:12]
    ready = [item["status"] for item in status["conditions"] if item["type"] == "Ready"]
    assert ready == ["True"]


@given(pair=pairs, wait=waits, version=st.sampled_from(["", OLD, NEW]))
def test_ready_means_deployed(pair: tuple[Json, Json], wait: timedelta | None, version: str) -> None:
    """Whatever Flux shows: a release is Ready only if the wanted artifact is there and is what is deployed."""
    _, health = told(*pair, wait, version)
    event(health.state)

    if health.state == "Ready":
        assert_deployed(*pair)


@pytest.mark.parametrize("start", [flux.release_ready(), BACK], ids=["installed", "went back"])
def test_whatever_is_missing_from_ready(start: Json) -> None:
    """Any two things may be otherwise than in a ready pair: what is Ready still is as it must be."""
    singly = [[edit] for edit in RELEASE_EDITS]
    twice = [[one, other] for one, other in combinations(RELEASE_EDITS, 2)]
    both = product(singly, [[edit] for edit in SOURCE_EDITS])
    ready = 0
    for changes, others in chain(((changes, []) for changes in twice), both):
        release, source = edited(start, changes), edited(flux.source_ready(), others)
        if told(release, source)[1].state == "Ready":
            ready += 1
            assert_deployed(release, source)

    assert ready > 100


@given(source=st.one_of(sources, almost.map(lambda pair: pair[1])), wait=waits)
def test_ready_means_fetched(source: Json, wait: timedelta | None) -> None:
    """Whatever Flux shows: a source is Ready only if it has the artifact of its present tag."""
    health, _ = told(flux.release_ready(), source, wait)
    event(health.state)

    if health.state == "Ready":
        assert settled(source)
        assert fetched(source)


@pytest.mark.parametrize("state", ["Ready", "Progressing", "Failed", "Suspended"])
def test_no_state_is_out_of_reach(state: str) -> None:
    """The properties are about something: among the examples each state occurs for both kinds."""
    paused = flux.changed(flux.source_ready(), spec={"suspend": True})
    found = [told(release, source) for release in RELEASES for source in (*SOURCES, paused)]

    assert state in {health.state for health, _ in found}
    assert state in {health.state for _, health in found}


@given(release=releases, source=sources, wait=waits, version=st.sampled_from(["", OLD, NEW]))
def test_everything_can_be_told(release: Json, source: Json, wait: timedelta | None, version: str) -> None:
    """Whatever Flux shows, there is a leading condition and a message that a status and an event can carry."""
    for health in told(release, source, wait, version):
        texts = [health.message, *(item.message for item in health.conditions)]
        assert health.conditions
        assert all(re.fullmatch(r"[A-Z][A-Za-z]+", item.reason) for item in health.conditions)
        assert health.message
        assert not [text for text in texts if "\n" in text or "scope=" in text or len(text) > 1000]
        assert not (health.stalled and health.state != "Failed")
        assert not (health.retried and (health.state != "Failed" or health.stalled))


@given(release=releases, source=sources, wait=waits)
def test_what_is_installed_was_recorded(release: Json, source: Json, wait: timedelta | None) -> None:
    """The installed version is the same whatever else is told, and one that the history holds."""
    _, health = told(release, source, wait)
    held = [entry.get("chartVersion", "").partition("+")[0] for entry in release["status"].get("history") or ()]

    assert health.installed.partition("+")[0] in {"", *held}
    assert health.installed == told(release, flux.source())[1].installed


@given(release=releases, source=sources)
def test_a_poke_never_makes_it_worse(release: Json, source: Json) -> None:
    """Asking Flux to look again neither makes anything fail nor makes it ready."""
    before = told(release, source)
    after = told(flux.poked(release, "three"), flux.poked(source, "three"))

    for old, new in zip(before, after, strict=True):
        assert new.state == old.state or (old.state, new.state) == ("Failed", "Progressing")


noise = st.fixed_dictionaries(
    {
        "port": st.integers(1, 65535),
        "attempt": st.integers(1, 10**6),
        "id": st.uuids(),
        "query": st.text("abc=&%?", max_size=20),
        "seconds": st.floats(1, 99).map("{:.6f}".format),
        "clock": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    }
)
TRIES = [
    'Get "https://10.0.0.1:6443/api?{query}": read tcp 10.1.2.3:{port}->10.0.0.1:6443: i/o timeout',
    "GET https://cdn.example.org/blob?X-Amz-Signature={query}: DENIED: denied, RequestID: {id}",
    "failed after {attempt} attempt(s): run {id} took {seconds}s: x509: current time {clock} is after 2026-01-01",
]


@given(text=st.sampled_from(TRIES), one=noise, other=noise)
def test_equal_states_have_equal_texts(text: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    """What differs from try to try differs in no status: each try would write it once more."""
    first, second = (flux.source_failing(text.format(**values)) for values in (one, other))
    lost, again = (flux.release_cut_off(text.format(**values)) for values in (one, other))

    assert told(lost, first) == told(again, second)


words = st.sampled_from(
    [
        "https://u:p@h.io/a?b=c",
        "://",
        "/",
        "?",
        "#",
        "@",
        "->",
        ":1",
        "10.0.0.1:80->",
        "dial tcp",
        "read udp",
        ": ",
        "4b6f2253-c68f-836b-927e-f2ee28e25584",
        "request id: 7",
        "requestid=",
        "3 attempt(s)",
        "attempt 3",
        "retry",
        "current time 3",
        "1h2m3.5s",
        "9",
        ".",
        "\u2028",
        "\x1b",
    ]
)
foreign = st.one_of(
    st.text(max_size=700),
    st.lists(st.one_of(words, st.text(max_size=3)), max_size=40).map("".join),
    st.lists(st.one_of(words, st.text("ab1", min_size=1, max_size=60)), max_size=60).map(" ".join),
)


@given(foreign)
def test_normalising_twice(text: str) -> None:
    """What is normal stays as it is."""
    once = normalise(text)

    assert normalise(once) == once


@given(foreign)
def test_shape_of_normal_text(text: str) -> None:
    """It is one short line that any terminal and any server can take."""
    normal = normalise(text)

    assert len(normal) <= 500
    assert normal.isprintable()
    assert normal == " ".join(normal.split())
    assert normal.encode().decode() == normal


@given(before=st.text(max_size=50), query=st.text(min_size=1, max_size=50), after=st.text(max_size=50))
def test_no_query_survives(before: str, query: str, after: str) -> None:
    """Wherever a URL stands in a text, its query and its user are gone."""
    normal = normalise(f"{before} https://user:geheim@h.io/path?geheim={query} {after}")

    assert not re.search(r"://\S*\?", normal)
    assert "geheim" not in normal
    assert "https://h.io/path" in normal
