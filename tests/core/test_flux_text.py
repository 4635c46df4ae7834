import pytest

from openmcp_provider.domain.flux import normalise
from tests.core import flux_objects as flux
from tests.core.flux_objects import NAMESPACE


@pytest.mark.parametrize(
    ("text", "steady"),
    [
        (flux.REFUSED, "failed to determine artifact digest: GET https://ghcr.io/token: DENIED: denied"),
        ('Get "https://u:p@h.io/a?X-Sig=9#f": EOF', 'Get "https://h.io/a": EOF'),
        ("see https://h.io/a#b, and (https://h.io/?c).", "see https://h.io/a, and (https://h.io/)."),
        ("oci://ghcr.io/a/chart@sha256:8f0e", "oci://ghcr.io/a/chart@sha256:8f0e"),
        ("oci://me@work:pw@ghcr.io/a", "oci://ghcr.io/a"),
        ("GET /v2/a?token=secret done?", "GET /v2/a done?"),
        ("read tcp 10.1.2.3:45678->10.0.0.1:443: i/o timeout", "read tcp: i/o timeout"),
        ("from 10.1.2.3:45678->10.0.0.1:443", "from 10.0.0.1:443"),
        ("lost [fd00::1]:45678->[fd00::2]:443 again", "lost [fd00::2]:443 again"),
        ("dial tcp [2606:50c0::154]:443: connect: connection refused", "dial tcp: connect: connection refused"),
        (
            "dial tcp: lookup ghcr.io on 10.96.0.10:53: no such host",
            "dial tcp: lookup ghcr.io on 10.96.0.10:53: no such host",
        ),
        ("denied (RequestID: 3f0d9a12-AB, other)", "denied (RequestID, other)"),
        ('{"correlation_id":"a1b2c3"}', '{"correlation_id"}'),
        ("request id: none given", "request id: none given"),
        ("run 4b6f2253-c68f-836b-927e-f2ee28e25584 failed", "run <id> failed"),
        (f"secret {NAMESPACE}/a", f"secret {NAMESPACE}/a"),
        ("Failed to install after 4 attempt(s)", "Failed to install after several attempts"),
        ("attempt 3 of 5 failed", "attempt failed"),
        ("retry #7", "retry"),
        (
            "current time 2026-08-08T09:40:00Z is after 2026-01-01T00:00:00Z",
            "current time is after 2026-01-01T00:00:00Z",
        ),
        ("gave up after 4.998273s, timeout of 5m0s", "gave up after a while, timeout of 5m0s"),
        ("first\n\tsecond\u2028third\x1b[31m\x00", "first second third [31m"),
        ("  ", ""),
    ],
)
def test_normalised_text(text: str, steady: str) -> None:
    """What is secret or differs from try to try goes; everything else stays."""
    assert normalise(text) == steady


def test_long_text() -> None:
    """Text is cut at 500 characters, and says so; a long query before what matters does not count."""
    long = normalise("word " * 200)
    signed = normalise(f"GET https://h.io/a?sig={'x' * 5000}: DENIED")

    assert (len(long), long[-1]) == (500, "\N{HORIZONTAL ELLIPSIS}")
    assert signed == "GET https://h.io/a: DENIED"
