"""Probes and metrics over HTTP: honest answers, also for who asks badly, slowly or without leave."""

import asyncio
import ipaddress
import json
import re
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Forbidden, PortError, Resource, Unavailable
from openmcp_provider.runtime.around import Around, Call
from openmcp_provider_cli.logs import Settings, configure
from openmcp_provider_cli.measures import Watch
from openmcp_provider_cli.serving import Address, Limits, bind_address, listen
from openmcp_provider_cli.serving_access import ALLOWED_FOR, MOST_ANSWERS, REFUSED_FOR, Gate
from openmcp_provider_cli.serving_http import Handler, Refused, Request, Response, parse, rendered
from openmcp_provider_cli.serving_pages import Verdict, health_page, metrics_page, watch_verdicts
from openmcp_provider_cli.serving_tls import CHECKED_EVERY, certificate_files, self_signed
from tests.cli.asking import Answer, ask, get, read, reset, served
from tests.cli.observed import Clock
from tests.rest.certificates import Pair, authority_pem, issued

QUICK = Limits(connections=2, seconds=0.4, grace=0.4, head=1024)


async def hello(request: Request) -> Response:
    """Answer."""
    return Response.of(HTTPStatus.OK, f"{request.method} {request.path} {json.dumps(request.query)}")


PAGES: dict[str, Handler] = {"/hello": hello}


def asked(sent: bytes, *, limits: Limits | None = None, **how: Any) -> Answer:
    """Return what is answered to some bytes."""

    async def story() -> Answer:
        async with served(PAGES, limits=limits, **how) as port:
            return await ask(port, sent)

    return asyncio.run(story())


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":8081", Address("", 8081)),
        (":0", Address("", 0)),
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("[::1]:8443", Address("::1", 8443)),
        ("localhost:65535", Address("localhost", 65535)),
        ("metrics.example.org:1", Address("metrics.example.org", 1)),
        ("0", None),
    ],
)
def test_addresses(text: str, expected: Address | None) -> None:
    """Addresses are written as in Go; 0 is none."""
    assert expected == bind_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "8081", ":", ":x", ":65536", ":123456", "::1:80", "[::1]", "[127.0.0.1]:80", "[]:80", "[x]:80"),
        *("1.2.3:80", "256.0.0.1:80", "http://x:80", "a b:80", "-x:80", "x..y:80", ":80 ", ":\u0661", "x:80:80"),
        "\n:80",
    ],
)
def test_no_addresses(text: str) -> None:
    """What is none is refused, with what would be right."""
    with pytest.raises(ValueError, match=re.escape('":8081", "127.0.0.1:8081", "[::1]:8081", or "0" for none')):
        bind_address(text)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_address_can_be_written(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    """Every address of the internet, with every port, is understood as what it is."""
    host = f"[{address}]" if address.version == 6 else str(address)

    assert Address(str(address), port) == bind_address(f"{host}:{port}")


@given(st.text() | st.text(alphabet="0123456789.:[]ax-", max_size=20))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """Nothing but ValueError comes of a text that is no address, and an address has a port that there is."""
    try:
        found = bind_address(text)
    except ValueError:
        return
    assert found is None or 0 <= found.port <= 65535


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_address_of_the_machine(host: str) -> None:
    """Without a host both protocols are served."""

    async def story() -> Answer:
        async with served(PAGES, address=Address("", 0)) as port:
            return await get(port, "/hello", host=host)

    assert 200 == asyncio.run(story()).status


def test_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine has no IPv6, the other protocol is served alone; any other failure is told."""
    made = socket.create_server

    def failing(code: int) -> Callable[..., socket.socket]:
        def create(address: Any, *, family: int, **how: Any) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(code, "no")
            return made(address, family=family, **how)

        return create

    monkeypatch.setattr(socket, "create_server", failing(97))
    listener = listen(Address("", 0))
    assert socket.AF_INET == listener.family
    listener.close()
    monkeypatch.setattr(socket, "create_server", failing(98))
    with pytest.raises(OSError, match="no"):
        listen(Address("", 0))


def test_a_taken_address() -> None:
    """An address that somebody else listens on is an error at once, not when the first prober comes."""
    first = listen(Address("127.0.0.1", 0))
    with first, pytest.raises(OSError, match="in use"):
        listen(Address("127.0.0.1", first.getsockname()[1]))


# -- requests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", 200, "GET /hello {}\n"),
        (b"GET /hello?verbose&a=1&a=2 HTTP/1.1\r\nHost: x\r\n\r\n", 200, 'GET /hello {"verbose": "", "a": "2"}\n'),
        (b"GET /hello HTTP/1.0\r\n\r\n", 200, "GET /hello {}\n"),
        (b"HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n", 200, ""),
        (
            b"GET /hello HTTP/1.1\r\nHost:\r\nAccept: a\r\naccept: b\r\nContent-Length: 0\r\n\r\n",
            200,
            "GET /hello {}\n",
        ),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404, "Not Found\n"),
        (b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 404, ""),
        (b"GET /hello/ HTTP/1.1\r\nHost: x\r\n\r\n", 404, "Not Found\n"),
        (b"GET /%68ello HTTP/1.1\r\nHost: x\r\n\r\n", 404, "Not Found\n"),
        (b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 405, "Method Not Allowed\n"),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 413, "Request Entity Too Large\n"),
        (
            b"GET /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            413,
            "Request Entity Too Large\n",
        ),
        (b"GET /hello HTTP/1.1\r\n\r\n", 400, "Bad Request\n"),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "Bad Request\n"),
        (b"GET /hello HTTP/1.1\r\nHost : x\r\n\r\n", 400, "Bad Request\n"),
        (b"GET /hello HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400, "Bad Request\n"),
        (b"GET /hello HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400, "Bad Request\n"),
        (b"GET /hello HTTP/1.1\r\nHost: x\x00\r\n\r\n", 400, "Bad Request\n"),
        (b"GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Bad Request\n"),
        (b"GET hello HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Bad Request\n"),
        (b"GET http://x/hello HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Bad Request\n"),
        (b"\r\n\r\n", 400, "Bad Request\n"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "Bad Request\n"),
        (b"GET /hello HTTP/2.0\r\nHost: x\r\n\r\n", 505, "HTTP Version Not Supported\n"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "Bad Request\n"),
    ],
)
def test_requests(sent: bytes, status: int, body: str) -> None:
    """A request is answered, a bad one with what is wrong with it."""
    answer = asked(sent)

    assert (status, body) == (answer.status, answer.body)
    assert "nosniff" == answer.headers["X-Content-Type-Options"]
    assert ("GET, HEAD" if status == 405 else None) == answer.headers.get("Allow")


@given(st.binary(max_size=200) | st.text(alphabet="GET /HTP1.0\r\n:x\t\x00", max_size=80).map(str.encode))
@example(b"GET / HTTP/1.1\r\nhost:\xff")
def test_any_bytes_are_a_request_or_refused(head: bytes) -> None:
    """Whatever is sent, it is a request with a path and no body, or refused with a status; nothing else comes of it."""
    try:
        found = parse(head)
    except Refused as refused:
        status = refused.response.status
        assert status in {400, 405, 413, 505}
        return
    assert found.method in {"GET", "HEAD"}
    assert found.path.startswith("/")
    assert not any(set("\r\n\x00") & set(name + value) for name, value in found.headers.items())


TOKENS = st.text(alphabet="abcXYZ0-_", min_size=1, max_size=8)


@given(
    st.dictionaries(TOKENS.map(str.lower), st.text(alphabet="abc /;=%\xe4", max_size=9).map(str.strip), max_size=5),
    st.dictionaries(TOKENS, TOKENS, max_size=3),
)
def test_what_was_sent_is_what_is_read(headers: dict[str, str], query: dict[str, str]) -> None:
    """Headers and query arrive as they were sent."""
    target = "/p" + ("?" if query else "") + "&".join(f"{name}={value}" for name, value in query.items())
    lines = [f"GET {target} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]

    assert Request("GET", "/p", query, {"host": "x", **headers}) == parse("\r\n".join(lines).encode("latin-1"))


@given(st.sampled_from(HTTPStatus), st.binary(max_size=50), st.sampled_from(["GET", "HEAD"]))
def test_what_is_answered_can_be_read(status: HTTPStatus, body: bytes, method: str) -> None:
    """An answer says its own length; to HEAD it says what GET would give, without it."""
    head, _, rest = rendered(Response(status, body), method).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % status.value)
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head
    assert rest == (body if method == "GET" else b"")


def test_a_long_head() -> None:
    """A head that does not end is refused before it fills the memory, and the refusal arrives."""
    answer = asked(b"GET /hello HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 100_000, limits=QUICK)

    assert (431, "Request Header Fields Too Large\n") == (answer.status, answer.body)


def test_a_slow_request() -> None:
    """Who does not come to the point is told so, in time."""
    began = time.monotonic()
    answer = asked(b"GET /hello HTTP/1.1\r\nHost: x\r\n", limits=QUICK)

    assert (408, "Request Timeout\n") == (answer.status, answer.body)
    assert 0.4 <= time.monotonic() - began < 5.0


def test_a_slow_page() -> None:
    """A page that does not come is an answer as well."""

    async def slow(_: Request) -> Response:
        await asyncio.sleep(30.0)
        raise AssertionError

    async def story() -> Answer:
        async with served({"/slow": slow}, limits=QUICK) as port:
            return await get(port, "/slow")

    assert 503 == asyncio.run(story()).status


def test_a_page_that_fails(capfd: pytest.CaptureFixture[str]) -> None:
    """A page that fails is answered 500, without why; the log knows."""

    async def failing(_: Request) -> Response:
        raise KeyError("private")

    async def story() -> list[Answer]:
        async with served({"/bad": failing, **PAGES}) as port:
            return [await get(port, "/bad"), await get(port, "/hello")]

    with configure(Settings()):
        bad, good = asyncio.run(story())
    line = json.loads(capfd.readouterr().err)

    assert (500, "Internal Server Error\n", 200) == (bad.status, bad.body, good.status)
    assert ("a page failed", "KeyError", "/bad") == (line["msg"], line["error"], line["path"])


def test_who_leaves_early() -> None:
    """Whoever comes and goes without asking, breaks off in the middle or does not read costs nothing but his answer."""

    async def story() -> Answer:
        async with served(PAGES, limits=QUICK) as port:
            for sent in (b"", b"GET /hel", b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"):
                for leave in (socket.socket.close, reset):
                    with socket.create_connection(("127.0.0.1", port)) as sock:
                        sock.sendall(sent)
                        leave(sock)
                    await asyncio.sleep(0.01)
            return await get(port, "/hello")

    assert 200 == asyncio.run(story()).status


def test_so_many_at_once() -> None:
    """More than there is room for wait before the door, and are answered once somebody has left."""
    most, now = 0, 0

    async def busy(_: Request) -> Response:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return Response.of(HTTPStatus.OK)

    async def story() -> list[Answer]:
        async with served({"/busy": busy}, limits=Limits(connections=3)) as port:
            return list(await asyncio.gather(*(get(port, "/busy") for _ in range(12))))

    assert [200] * 12 == [answer.status for answer in asyncio.run(story())]
    assert 3 == most


def test_the_rude_do_not_stay() -> None:
    """Connections that say nothing, or do not read, are gone after their time, and make room."""

    async def story() -> Answer:
        async with served(PAGES, limits=QUICK) as port:
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            answer = await get(port, "/hello")
            for _, writer in silent:
                writer.close()
            return answer

    assert 200 == asyncio.run(story()).status


def test_a_big_page_that_nobody_reads() -> None:
    """Who asks for much and reads nothing of it is left after his time."""

    async def big(_: Request) -> Response:
        return Response(HTTPStatus.OK, b"x" * 50_000_000)

    async def story() -> bool:
        async with served({"/big": big, **PAGES}, limits=Limits(connections=1, seconds=0.2, grace=0.2)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await get(port, "/hello")
            writer.close()
            return answer.status == 200 and not reader.at_eof()

    assert asyncio.run(story())


def test_no_more_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a connection cannot be accepted the server tries again."""

    async def story() -> Answer:
        loop = asyncio.get_running_loop()
        accept, failures = loop.sock_accept, [OSError(24, "Too many open files")]

        async def failing(sock: socket.socket) -> Any:
            if failures:
                raise failures.pop()
            return await accept(sock)

        monkeypatch.setattr(loop, "sock_accept", failing)
        async with served(PAGES) as port:
            return await get(port, "/hello")

    assert 200 == asyncio.run(story()).status


def test_the_end() -> None:
    """When the server ends, whoever is being served is cut off, and nothing is left."""

    async def story() -> bytes:
        async with served(PAGES) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /hel")
            await asyncio.sleep(0.05)
        try:
            rest = await reader.read()
        except ConnectionResetError:
            rest = b""
        writer.close()
        assert len(asyncio.all_tasks()) == 1
        return rest

    assert b"" == asyncio.run(story())


# -- health ------------------------------------------------------------------------------------------------------------


def page(handler: Handler, path: str = "/readyz") -> Answer:
    """Return what a page says."""

    async def story() -> Answer:
        async with served({path.partition("?")[0]: handler}) as port:
            return await get(port, path)

    return asyncio.run(story())


GOOD, BAD = Verdict("leader"), Verdict("watch ocms", "no sign of life for 75 s")


@pytest.mark.parametrize(
    ("verdicts", "path", "status", "body"),
    [
        ([], "/healthz", 200, "ok"),
        ([GOOD], "/readyz", 200, "ok"),
        ([GOOD], "/readyz?verbose", 200, "[+]leader ok\nreadyz check passed\n"),
        ([GOOD, BAD], "/readyz", 500, "[+]leader ok\n[-]watch ocms: no sign of life for 75 s\nreadyz check failed\n"),
        ([BAD], "/readyz?verbose=1", 500, "[-]watch ocms: no sign of life for 75 s\nreadyz check failed\n"),
    ],
)
def test_health(verdicts: list[Verdict], path: str, status: int, body: str) -> None:
    """A page of health is 200 if all is well, else 500 with what is not, as Kubernetes' components write it."""
    answer = page(health_page("readyz", lambda: verdicts), path)

    assert (status, body, "text/plain; charset=utf-8") == (answer.status, answer.body, answer.headers["Content-Type"])


def test_a_check_that_fails_is_no_good_sign() -> None:
    """A check that itself goes wrong never makes a program ready."""

    def check() -> list[Verdict]:
        raise KeyError

    assert 500 == page(health_page("readyz", check)).status


@pytest.mark.parametrize(
    ("watch", "line"),
    [
        (Watch("onboarding", "OCM", "ocms", 3.2, synced=True), "[+]watch ocms ok"),
        (Watch("onboarding", "OCM", "ocms", 180.0, synced=True), "[+]watch ocms ok"),
        (Watch("onboarding", "OCM", "ocms", 180.6, synced=True), "[-]watch ocms: no sign of life for 181 s"),
        (Watch("platform", "Secret", "secrets", 3.2, synced=False), "[-]watch secrets: not listed yet"),
        (Watch("platform", "Secret", "secrets", 400.0, synced=False), "[-]watch secrets: no sign of life for 400 s"),
        (
            Watch("platform", "Secret", "secrets", 1.0, synced=False, failure="Forbidden"),
            "[-]watch secrets: not listed yet (Forbidden)",
        ),
        (
            Watch("platform", "Secret", "secrets", 400.0, synced=True, failure="Unavailable"),
            "[-]watch secrets: no sign of life for 400 s (Unavailable)",
        ),
    ],
)
def test_watches_are_checked(watch: Watch, line: str) -> None:
    """A program is ready once it knows what there is, and while it hears of what changes."""
    assert [line] == [str(verdict) for verdict in watch_verdicts([watch])]


def test_metrics_are_served() -> None:
    """Metrics come with the type by which Prometheus knows how to read them."""
    answer = page(metrics_page(lambda: b"a 1\n"), "/metrics")

    assert (200, "a 1\n", "text/plain; version=0.0.4; charset=utf-8") == (
        answer.status,
        answer.body,
        answer.headers["Content-Type"],
    )


# -- TLS ---------------------------------------------------------------------------------------------------------------


def trusting(authority: str = "") -> ssl.SSLContext:
    """Return what a client needs: trust in an authority, or in anybody."""
    context = ssl.create_default_context(cadata=authority or None)
    if not authority:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def serial(port: int) -> int:
    """Ask a server over TLS, and return the serial number of its certificate."""
    context = trusting(authority_pem())
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    number = int(writer.get_extra_info("peercert")["serialNumber"], 16)
    writer.write(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    assert 200 == (await read(reader)).status
    writer.close()
    await writer.wait_closed()
    return number


def test_a_certificate_that_nobody_vouches_for() -> None:
    """Without files a certificate is made, for this process alone, and HTTP/1.1 is agreed on."""

    async def story() -> tuple[Answer, str | None]:
        async with served(PAGES, tls=self_signed(datetime.now(UTC))) as port:
            context = trusting()
            context.set_alpn_protocols(["h2", "http/1.1"])
            answer = await get(port, "/hello", ssl=context)
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            agreed: str | None = writer.get_extra_info("ssl_object").selected_alpn_protocol()
            writer.write(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
            await read(reader)
            writer.close()
            await writer.wait_closed()
            return answer, agreed

    answer, agreed = asyncio.run(story())

    assert (200, "http/1.1") == (answer.status, agreed)


def test_the_package_that_makes_certificates_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, and without files, there is one clear error before anything is served."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ValueError, match=r"give --metrics-cert-path, or install the package .* --metrics-secure=false"):
        self_signed(datetime.now(UTC))


def write(folder: Path, pair: Pair) -> tuple[Path, Path]:
    """Write a certificate and its key."""
    paths = folder / "tls.crt", folder / "tls.key"
    for path, content in zip(paths, pair, strict=True):
        path.write_text(content, encoding="utf-8")
    return paths


def test_certificates_are_renewed(tmp_path: Path) -> None:
    """A replaced certificate is shown from the next look on; half of one never is."""
    clock, renewed = Clock(), issued.__wrapped__("localhost")
    paths = write(tmp_path, issued("localhost"))

    async def story() -> list[int]:
        async with served(PAGES, tls=certificate_files(*paths, clock)) as port:
            numbers = [await serial(port)]
            paths[0].write_text(renewed.certificate, encoding="utf-8")
            numbers.append(await serial(port))
            clock.seconds += CHECKED_EVERY
            numbers.append(await serial(port))
            paths[1].unlink()
            clock.seconds += CHECKED_EVERY
            numbers.append(await serial(port))
            write(tmp_path, renewed)
            clock.seconds += CHECKED_EVERY
            return [*numbers, await serial(port)]

    *before, after = asyncio.run(story())

    assert 1 == len(set(before))
    assert after not in before


@pytest.mark.parametrize(
    ("certificate", "key", "told"),
    [
        (None, None, "No such file or directory"),
        ("nonsense", "nonsense", ""),
        ("localhost", "127.0.0.1", "KEY_VALUES_MISMATCH"),
    ],
)
def test_no_certificate(tmp_path: Path, certificate: str | None, key: str | None, told: str) -> None:
    """Files that are missing, or hold no certificate with its key, are an error before anything is served."""
    paths = tmp_path / "tls.crt", tmp_path / "tls.key"
    for path, name, part in ((paths[0], certificate, 0), (paths[1], key, 1)):
        if name:
            path.write_text("nonsense" if name == "nonsense" else issued(name)[part], encoding="utf-8")
    with pytest.raises(ValueError, match=f"tls.crt and .*tls.key cannot be used: .*{told}"):
        certificate_files(*paths, Clock())


def test_who_speaks_no_tls() -> None:
    """Who speaks no TLS where it is spoken, or begins and falls silent, is left after his time."""

    async def story() -> tuple[bytes, Answer]:
        async with served(PAGES, tls=self_signed(datetime.now(UTC)), limits=QUICK) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                said = await reader.read()
            except ConnectionResetError:
                said = b""
            writer.close()
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            answer = await get(port, "/hello", ssl=trusting())
            for _, other in silent:
                other.close()
            return said, answer

    said, answer = asyncio.run(story())

    assert b"HTTP" not in said
    assert 200 == answer.status


# -- who may -----------------------------------------------------------------------------------------------------------

USERS = {
    "allowed": {"username": "prometheus", "uid": "1", "groups": ["system:authenticated"], "extra": {"a": ["b"]}},
    "refused": {"username": "somebody"},
}


class Reviewer(Around):
    """An API server that knows two tokens.

    Attributes:
        asked: The specs of all reviews.
        error: Raised instead of an answer.
    """

    def __init__(self) -> None:
        super().__init__(MemoryCluster("platform"))
        self.asked: list[Json] = []
        self.error: PortError | None = None

    async def around(self, call: Call, carry_out: Callable[[Cluster], Awaitable[Any]]) -> Any:
        """Ask nobody else."""
        raise AssertionError(call)

    async def create(
        self, resource: Resource, manifest: Json, *, subresource: str = "", name: str = "", manager: str = ""
    ) -> Json:
        """Answer a review."""
        assert (resource.api_version, resource.kind) == (manifest["apiVersion"], manifest["kind"])
        self.asked.append(manifest["spec"])
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        if resource.kind == "TokenReview":
            user = USERS.get(manifest["spec"]["token"])
            return {**manifest, "status": {"authenticated": True, "user": user} if user else {"user": {}}}
        return {**manifest, "status": {"allowed": manifest["spec"]["user"] == "prometheus"}}


async def secret(_: Request) -> Response:
    """Answer with what not everybody may see."""
    return Response.of(HTTPStatus.OK, "figures")


def gated(story: Callable[[int, Reviewer, Clock], Awaitable[None]]) -> None:
    """Play a story before a gate."""

    async def told() -> None:
        reviewer, clock = Reviewer(), Clock()
        gate = Gate(reviewer, clock)
        async with served({"/metrics": gate.guarded(secret)}) as port:
            await story(port, reviewer, clock)

    asyncio.run(told())


def test_who_may_see_metrics() -> None:
    """Whose token it is and whether they may is asked of the API server, in the words of every controller."""

    async def story(port: int, reviewer: Reviewer, _: Clock) -> None:
        answer = await get(port, "/metrics", token="allowed")
        assert (200, "figures\n") == (answer.status, answer.body)
        assert [
            {"token": "allowed"},
            {
                "user": "prometheus",
                "uid": "1",
                "groups": ["system:authenticated"],
                "extra": {"a": ["b"]},
                "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
            },
        ] == reviewer.asked
        answer = await get(port, "/metrics", token="refused")
        assert (403, "Forbidden\n") == (answer.status, answer.body)
        answer = await get(port, "/metrics", token="unknown")
        assert (401, "Unauthorized\n", "Bearer") == (answer.status, answer.body, answer.headers["WWW-Authenticate"])

    gated(story)


@pytest.mark.parametrize("sent", ["", "Basic YTpi", "Bearer", "Bearer a b", "Bearer \xe4", "bearer=allowed"])
def test_no_token(sent: str) -> None:
    """Without a token nobody is asked, and nothing shown."""

    async def story(port: int, reviewer: Reviewer, _: Clock) -> None:
        header = f"Authorization: {sent}\r\n" if sent else ""
        answer = await ask(port, f"GET /metrics HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode("latin-1"))
        assert (401, []) == (answer.status, reviewer.asked)

    gated(story)


def test_answers_hold_for_a_while() -> None:
    """The API server is asked once a minute for who may, more often for who may not, and never for another's token."""

    async def story(port: int, reviewer: Reviewer, clock: Clock) -> None:
        async def reviews(token: str) -> int:
            before = len(reviewer.asked)
            await get(port, "/metrics", token=token)
            return len(reviewer.asked) - before

        assert [2, 2, 1] == [await reviews(token) for token in ("allowed", "refused", "unknown")]
        assert [0, 0, 0] == [await reviews(token) for token in ("allowed", "refused", "unknown")]
        clock.seconds += REFUSED_FOR
        assert [0, 2, 1] == [await reviews(token) for token in ("allowed", "refused", "unknown")]
        clock.seconds += ALLOWED_FOR
        assert 2 == await reviews("allowed")

    gated(story)


@pytest.mark.parametrize("error", [Unavailable("no answer"), Forbidden("tokenreviews is forbidden")])
def test_the_api_server_does_not_answer(error: PortError, capfd: pytest.CaptureFixture[str]) -> None:
    """Where nobody can say who may, nobody may; and that is not remembered."""

    async def story(port: int, reviewer: Reviewer, _: Clock) -> None:
        reviewer.error = error
        assert 500 == (await get(port, "/metrics", token="allowed")).status
        reviewer.error = None
        assert 200 == (await get(port, "/metrics", token="allowed")).status

    with configure(Settings()):
        gated(story)
    line = json.loads(capfd.readouterr().err)

    assert f"{type(error).__name__}: {error.message}" == line["error"]


def test_who_tries_tokens() -> None:
    """Tries are not remembered without end, tokens themselves not at all, and few are asked about at once."""

    async def story() -> None:
        reviewer = Reviewer()
        gate = Gate(reviewer, Clock())
        handler = gate.guarded(secret)

        def request(number: int) -> Request:
            return Request("GET", "/metrics", {}, {"authorization": f"Bearer try{number}"})

        answers = await asyncio.gather(*(handler(request(number)) for number in range(2 * MOST_ANSWERS)))
        assert {HTTPStatus.UNAUTHORIZED} == {answer.status for answer in answers}
        assert MOST_ANSWERS == len(gate._answers)
        assert "try" not in str(gate._answers)

    asyncio.run(story())
