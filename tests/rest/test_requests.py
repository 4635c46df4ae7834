"""What goes over the wire for each method of the port, and what is made of the answers."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from openmcp_adapters.rest import Access, Timeouts
from openmcp_provider.ports import (
    Cluster,
    Invalid,
    NotFound,
    Resource,
    ServerError,
    TooManyRequests,
    Unavailable,
)
from tests.rest.scripted import (
    CONFIG_MAPS,
    NAMESPACES,
    Half,
    Kind,
    Play,
    arrived,
    both,
    breaks,
    closed,
    drops,
    listed,
    played,
    reaching,
    says,
    serving,
    status,
    streams,
    thing,
    waits,
)

WIDGETS = Resource("test.io/v1", "Widget", "widgets")
ITEMS = "/api/v1/namespaces/n/configmaps"
DELETED = "2026-01-01T00:00:00Z"

Call = Callable[[Cluster], Awaitable[object]]


@both
@pytest.mark.parametrize(
    ("call", "method", "path", "query", "content", "body"),
    [
        (lambda c: c.get(CONFIG_MAPS, "a", "n"), "GET", f"{ITEMS}/a", {}, None, None),
        (lambda c: c.get(WIDGETS, "a", "n"), "GET", "/apis/test.io/v1/namespaces/n/widgets/a", {}, None, None),
        (lambda c: c.get(NAMESPACES, "a", "n"), "GET", "/api/v1/namespaces/a", {}, None, None),
        (lambda c: c.create(CONFIG_MAPS, thing()), "POST", ITEMS, {}, "application/json", thing()),
        (
            lambda c: c.create(CONFIG_MAPS, thing(), subresource="token", name="b", manager="m"),
            "POST",
            f"{ITEMS}/b/token",
            {"fieldManager": "m"},
            "application/json",
            thing(),
        ),
        (
            lambda c: c.update(CONFIG_MAPS, thing(), subresource="status", manager="m"),
            "PUT",
            f"{ITEMS}/a/status",
            {"fieldManager": "m"},
            "application/json",
            thing(),
        ),
        (
            lambda c: c.patch(CONFIG_MAPS, "a", "n", kind="merge", body={"data": None}, subresource="status"),
            "PATCH",
            f"{ITEMS}/a/status",
            {},
            "application/merge-patch+json",
            {"data": None},
        ),
        (
            lambda c: c.patch(CONFIG_MAPS, "a", "n", kind="json", body=({"op": "remove", "path": "/x"},), manager="m"),
            "PATCH",
            f"{ITEMS}/a",
            {"fieldManager": "m"},
            "application/json-patch+json",
            [{"op": "remove", "path": "/x"}],
        ),
        (
            lambda c: c.patch(CONFIG_MAPS, "a", "n", kind="json", body=[]),
            "PATCH",
            f"{ITEMS}/a",
            {},
            "application/json-patch+json",
            [],
        ),
        (
            lambda c: c.apply(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "n"}}, manager="m", uid="u"),
            "PATCH",
            f"{ITEMS}/a",
            {"fieldManager": "m", "force": "true"},
            "application/apply-patch+yaml; charset=utf-8",
            {"metadata": {"name": "a", "namespace": "n", "uid": "u"}},
        ),
        (
            lambda c: c.apply(CONFIG_MAPS, thing(), manager="m", force=False),
            "PATCH",
            f"{ITEMS}/a",
            {"fieldManager": "m"},
            "application/apply-patch+yaml; charset=utf-8",
            thing(),
        ),
        (
            lambda c: c.delete(CONFIG_MAPS, "a", "n", uid="u"),
            "DELETE",
            f"{ITEMS}/a",
            {},
            "application/json",
            {
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "propagationPolicy": "Background",
                "preconditions": {"uid": "u"},
            },
        ),
    ],
)
@played
async def test_requests(
    kind: Kind, call: Call, method: str, path: str, query: dict[str, str], content: str | None, body: Any
) -> None:
    """Each method sends what Kubernetes' interface has for it, and returns the object of the answer."""
    async with serving(says(200, thing())) as server, reaching(kind, server) as cluster:
        await call(cluster)

    (seen,) = server.seen
    assert (method, path, query, body) == (seen.method, seen.path, dict(seen.query), seen.body)
    assert content is None or content == seen.headers["Content-Type"]
    assert ("application/json", "openmcp-provider") == (seen.headers["Accept"], seen.headers["User-Agent"])


@both
@played
async def test_lists(kind: Kind) -> None:
    """A list asks for what it selects, and its items say what they are."""
    answer = {**listed(thing(data={"k": "v"}), version="7"), "metadata": {"resourceVersion": "7", "continue": "t2"}}
    async with serving(says(200, answer)) as server, reaching(kind, server) as cluster:
        page = await cluster.list(
            CONFIG_MAPS, labels="x in (1, 2),y!=ü", fields="metadata.name=a", limit=3, token="t+/="
        )

    wanted = {"labelSelector": "x in (1, 2),y!=ü", "fieldSelector": "metadata.name=a", "limit": "3", "continue": "t+/="}
    assert wanted == dict(server.seen[0].query)
    assert (([thing(data={"k": "v"})], "7", "t2")) == (list(page.items), page.resource_version, page.token)


@both
@played
async def test_lists_of_everything(kind: Kind) -> None:
    """A limit of 0 is not sent, and a list without items may say null."""
    async with serving(says(200, {**listed(), "items": None})) as server, reaching(kind, server) as cluster:
        page = await cluster.list(CONFIG_MAPS, limit=0)

    assert (ITEMS.replace("namespaces/n/", ""), {}, []) == (server.seen[0].path, dict(server.seen[0].query), page.items)


@both
@played
async def test_metadata_alone(kind: Kind) -> None:
    """Metadata alone is asked for; a server that sends whole objects all the same has them cut."""
    async with serving(says(200, listed(thing(data={"k": "v"})))) as server, reaching(kind, server) as cluster:
        page = await cluster.list(CONFIG_MAPS, metadata_only=True)

    assert [thing()] == page.items
    assert (
        server.seen[0].headers["Accept"].startswith("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,")
    )


@both
@pytest.mark.parametrize(
    ("resource", "answer", "left"),
    [
        (CONFIG_MAPS, {"kind": "Status", "metadata": {}, "status": "Success"}, False),
        (CONFIG_MAPS, thing(), False),
        (CONFIG_MAPS, {"metadata": {"name": "a", "deletionTimestamp": DELETED}}, False),
        (CONFIG_MAPS, {"metadata": {"name": "a", "deletionTimestamp": DELETED, "finalizers": ["x/y"]}}, True),
        (NAMESPACES, {"metadata": {"deletionTimestamp": DELETED}, "spec": {"finalizers": ["kubernetes"]}}, True),
        (NAMESPACES, {"metadata": {"deletionTimestamp": DELETED}, "spec": {}}, False),
    ],
)
@played
async def test_deletes(kind: Kind, resource: Resource, answer: dict[str, Any], left: bool) -> None:
    """A delete returns the object if it stays for its finalizers, and None if it is gone."""
    async with serving(says(200, answer)) as server, reaching(kind, server) as cluster:
        assert (answer if left else None) == await cluster.delete(resource, "a", "n")


@both
@played
async def test_discovery(kind: Kind) -> None:
    """Discovery finds kinds that only an older version of the group has; an unknown group has no kinds (case 6.5)."""
    versions = [{"groupVersion": f"test.io/{version}", "version": version} for version in ("v2", "v1")]
    group = {"versions": versions, "preferredVersion": versions[0]}
    widgets = [{"name": name, "kind": "Widget", "namespaced": True} for name in ("widgets", "widgets/status")]
    policies = {"name": "policies", "kind": "Policy", "namespaced": False}
    script = (
        says(200, group),
        says(200, {"groupVersion": "test.io/v2", "resources": widgets}),
        says(200, {"groupVersion": "test.io/v1", "resources": [*widgets, policies]}),
        says(404, "404 page not found\n", kind="text/plain"),
    )
    async with serving(*script) as server, reaching(kind, server) as cluster:
        assert [
            Resource("test.io/v2", "Widget", "widgets"),
            Resource("test.io/v1", "Policy", "policies", namespaced=False),
        ] == await cluster.served("test.io")
        assert [] == await cluster.served("nobody.io")

    asked = [seen.path for seen in server.seen]
    assert ["/apis/test.io", "/apis/test.io/v2", "/apis/test.io/v1", "/apis/nobody.io"] == asked


@both
@played
async def test_quoting(kind: Kind) -> None:
    """Whatever a name is made of, it stays one part of the path."""
    async with serving(says(200, thing())) as server, reaching(kind, server) as cluster:
        await cluster.get(CONFIG_MAPS, "system:a b?c#d&e=ü", "n;m")

    path = server.seen[0].path.replace("%3A", ":").replace("%3B", ";").replace("%26", "&").replace("%3D", "=")
    assert "/api/v1/namespaces/n;m/configmaps/system:a%20b%3Fc%23d&e=%C3%BC" == path


@both
@played
async def test_servers_below_a_path(kind: Kind) -> None:
    """A server may be reached below a path, as behind a gateway."""
    async with serving(says(200, thing())) as server, reaching(kind, f"{server.url}/k8s/c-1") as cluster:
        await cluster.get(NAMESPACES, "a")

    assert "/k8s/c-1/api/v1/namespaces/a" == server.seen[0].path


@both
@pytest.mark.parametrize(("name", "namespace"), [("", "n"), (".", "n"), ("..", "n"), ("a/b", "n"), ("a%2Fb", "n")])
@pytest.mark.parametrize("turned", [False, True])
@played
async def test_names_that_lead_elsewhere(kind: Kind, name: str, namespace: str, turned: bool) -> None:
    """A name that would make the path that of something else is Invalid, and nothing is sent: not a single delete."""
    if turned:
        name, namespace = namespace, name
    manifest = {"metadata": {"name": name, "namespace": namespace}}
    async with serving(says(200, thing())) as server, reaching(kind, server) as cluster:
        for call in (
            cluster.get(CONFIG_MAPS, name, namespace),
            cluster.delete(CONFIG_MAPS, name, namespace),
            cluster.patch(CONFIG_MAPS, name, namespace, kind="merge", body={}),
            cluster.apply(CONFIG_MAPS, manifest, manager="m"),
            cluster.update(CONFIG_MAPS, manifest),
        ):
            with pytest.raises(Invalid):
                await call

    assert [] == server.seen


@both
@pytest.mark.parametrize("body", [{}, [], "text", b"\xff", "", "<html>", "[" * 100_000, {"metadata": 1, "items": 1}])
@played
async def test_success_that_says_nothing(kind: Kind, body: object) -> None:
    """A success without the object or list that was asked for is a ServerError; above all it is no empty list."""
    async with serving(says(200, body)) as server, reaching(kind, server) as cluster:
        for call in (
            cluster.get(CONFIG_MAPS, "a", "n"),
            cluster.list(CONFIG_MAPS),
            cluster.list(CONFIG_MAPS, metadata_only=True),
            cluster.create(CONFIG_MAPS, thing()),
            cluster.served("test.io"),
        ):
            with pytest.raises(ServerError):
                await call


@both
@pytest.mark.parametrize(
    ("header", "details", "seconds"),
    [
        ("7", {"retryAfterSeconds": 3}, 7.0),
        ("", {"retryAfterSeconds": 3}, 3.0),
        ("Fri, 31 Dec 2027 23:59:59 GMT", {}, None),
        ("-1", {}, None),
        ("nan", {"retryAfterSeconds": "inf"}, None),
    ],
)
@played
async def test_retry_after(kind: Kind, header: str, details: dict[str, Any], seconds: float | None) -> None:
    """A 429 says how long to wait, by its header or else its Status; the adapter itself asks once."""
    answer = says(429, status(429, "TooManyRequests", "", **details), **({"Retry_After": header} if header else {}))
    async with serving(answer) as server, reaching(kind, server) as cluster:
        with pytest.raises(TooManyRequests) as caught:
            await cluster.get(CONFIG_MAPS, "a", "n")

    assert (seconds, 1) == (caught.value.retry_after, len(server.seen))


@both
@pytest.mark.parametrize("bad", [drops, says(500, status(500)), says(503, "", Retry_After="1")])
@played
async def test_nothing_is_repeated(kind: Kind, bad: Play) -> None:
    """A request that fails is sent once, also where its connection had served others before."""
    calls: list[Call] = [
        lambda c: c.get(CONFIG_MAPS, "a", "n"),
        lambda c: c.update(CONFIG_MAPS, thing()),
        lambda c: c.delete(CONFIG_MAPS, "a", "n"),
    ]
    for call in calls:
        async with serving(says(200, thing()), bad, says(200, thing())) as server, reaching(kind, server) as cluster:
            await cluster.get(CONFIG_MAPS, "a", "n")
            with pytest.raises((ServerError, Unavailable)):
                await call(cluster)

        assert (2, 1) == (len(server.seen), len(server.connections))


@both
@pytest.mark.parametrize("code", [301, 302, 307, 308])
@played
async def test_redirects_are_not_followed(kind: Kind, code: int) -> None:
    """A redirect is a ServerError: credentials go nowhere but where they belong."""
    async with serving(says(200, thing())) as other:
        script = says(code, "", Location=f"{other.url}/api")
        async with serving(script) as server, reaching(kind, server, token="t") as cluster:
            with pytest.raises(ServerError, match=str(code)):
                await cluster.get(CONFIG_MAPS, "a", "n")

    assert (1, []) == (len(server.seen), other.seen)


@both
@pytest.mark.parametrize("script", [waits, streams(b'{"metadata"', end=breaks), drops])
@played
async def test_answers_that_do_not_come(kind: Kind, script: Play) -> None:
    """An answer that does not come, or comes in part, is Unavailable in time, and the message says from where."""
    quick = Timeouts(read=0.3)
    async with serving(script) as server, reaching(kind, server, timeouts=quick) as cluster:
        with pytest.raises(Unavailable, match=f"^no answer from 127.0.0.1:{server.port}: "):
            await asyncio.wait_for(cluster.get(CONFIG_MAPS, "a", "n"), 2.0)


@both
@played
async def test_nobody_listens(kind: Kind) -> None:
    """A server that is not there is Unavailable; when it is there, the same client reaches it."""
    async with serving(says(200, thing())) as server:
        pass
    async with reaching(kind, server) as cluster:
        with pytest.raises(Unavailable, match=f"^no answer from 127.0.0.1:{server.port}: Connection refused$"):
            await cluster.get(CONFIG_MAPS, "a", "n")


@both
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@played
async def test_a_server_that_does_not_listen_to_the_end(kind: Kind) -> None:
    """A server that does not take a large body is Unavailable in time."""
    over = asyncio.Event()

    async def deaf(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined] # it is one for both directions
        await over.wait()
        writer.transport.abort()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, reaching(kind, url, timeouts=Timeouts(connect=0.2, read=0.2)) as cluster:
        with pytest.raises(Unavailable):
            await asyncio.wait_for(cluster.create(CONFIG_MAPS, thing(data={"k": "x" * 20_000_000})), 1.0)
        over.set()


@both
@played
async def test_connections_are_used_again(kind: Kind) -> None:
    """Requests one after the other share a connection, after refusals too."""
    script = says(404, status(404)), says(429, status(429)), says(200, thing())
    async with serving(*script) as server, reaching(kind, server) as cluster:
        for error in (NotFound, TooManyRequests):
            with pytest.raises(error):
                await cluster.get(CONFIG_MAPS, "a", "n")
        await cluster.get(CONFIG_MAPS, "a", "n")

    assert (3, 1) == (len(server.seen), len(server.connections))


@both
@played
async def test_cancelled_requests_leave_nothing_behind(kind: Kind) -> None:
    """A cancelled request lets go of its connection and of its place; the next ones are answered."""
    async with serving(*[waits] * 20, says(200, thing())) as server, reaching(kind, server) as cluster:
        waiting = [asyncio.ensure_future(cluster.get(CONFIG_MAPS, "a", "n")) for _ in range(20)]
        await arrived(server, 20)
        for one in waiting:
            one.cancel()
        assert all(
            isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*waiting, return_exceptions=True)
        )
        assert thing() == await cluster.get(CONFIG_MAPS, "a", "n")
        await closed(server, all_but=1)


def connections() -> list[str]:
    """Return the connections of this machine, as Linux lists them."""
    return Path("/proc/self/net/tcp").read_text(encoding="ascii").splitlines()


@both
@pytest.mark.skipif(sys.platform != "linux", reason="looks where Linux lists its connections")
@played
async def test_sockets_are_kept_alive(kind: Kind) -> None:
    """The system probes a connection that is silent, so that a peer that vanished is noticed."""
    async with serving(says(200, thing())) as server, reaching(kind, server) as cluster:
        await cluster.get(CONFIG_MAPS, "a", "n")
        await asyncio.sleep(0.1)  # until all is acknowledged: then it is the only timer
        lines = [line.split() for line in connections()]

    timers = [
        line[5].partition(":")[0] for line in lines if line[2].endswith(f":{server.port:04X}") and line[3] == "01"
    ]
    assert ["02"] == timers


@both
def test_clients_are_made_outside_of_an_event_loop(kind: Kind) -> None:
    """A client can be made before there is an event loop."""
    cluster = kind(randomness=Half())._cluster(Access(server="http://127.0.0.1:1"))

    async def story() -> None:
        with pytest.raises(Unavailable):
            await cluster.get(CONFIG_MAPS, "a", "n")
        await cluster.close()

    asyncio.run(story())
