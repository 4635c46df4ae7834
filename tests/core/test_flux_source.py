import pytest

from openmcp_provider.domain.conditions import FALSE, TRUE, UNKNOWN, Condition
from openmcp_provider.domain.objects import Json
from openmcp_provider.provider import Health
from tests.core import flux_objects as flux
from tests.core.flux_objects import (
    NEW,
    OLD,
    changed,
    condition,
    lead,
    release_health,
    source_health,
)

REVISION = f"{OLD}@{flux.DIGESTS[OLD]}"
OPERATOR = "ask the platform operator [providerconfig ocm]"


def test_source_just_made() -> None:
    """While a chart is fetched for the first time, installing is under way."""
    told = "Installing 0.4.0: pulling the chart."
    expected = Health("Progressing", told, (Condition("ChartAvailable", UNKNOWN, "Pulling", told),), event="Installing")

    assert expected == source_health(flux.source_building())
    assert expected == source_health(flux.source())


def test_source_ready() -> None:
    """A source with its chart tells the revision."""
    expected = Condition("ChartAvailable", TRUE, "Pulled", REVISION)
    health = source_health(flux.source_ready())

    assert health.conditions == (expected,)
    assert (health.state, health.installed, health.keeps_ready) == ("Ready", "", False)


def test_source_without_such_a_tag() -> None:
    """A version that does not exist is the tenant's to mend."""
    health = source_health(flux.source_failing(tag="9.9.9"), version="9.9.9")
    message = f"Version 9.9.9 does not exist in {flux.REPOSITORY} (MANIFEST_UNKNOWN)."
    remedy = "Set spec.version to a published version."

    assert health == Health(
        "Failed", f"{message} {remedy}", (Condition("ChartAvailable", FALSE, "VersionNotFound", flux.NO_TAG),)
    )


def test_source_whose_new_tag_does_not_exist() -> None:
    """What is installed stays so, and the tenant is told."""
    health = source_health(flux.source_tag_missing_after(), flux.release_ready(), version="9.9.9")

    assert health.message.endswith(
        "(MANIFEST_UNKNOWN). Set spec.version to a published version. 0.4.0 stays installed."
    )
    assert (health.state, *lead(health)) == ("Failed", "ChartAvailable", FALSE, "VersionNotFound")


def test_source_refused_with_a_pull_secret() -> None:
    """The tenant reads the name of the operator's Secret, not that of its copy, and what the registry answered."""
    health = source_health(flux.source_failing(flux.REFUSED))
    said = "failed to determine artifact digest: GET https://ghcr.io/token: DENIED: denied"

    assert health == Health(
        "Failed",
        'Registry ghcr.io refused the chart (DENIED) with pull secret "privateregcred": wrong credentials or no such '
        "repository. Ask the platform operator [ProviderConfig ocm]; retried when the secret changes.",
        (Condition("ChartAvailable", FALSE, "RegistryAccessDenied", said),),
    )


def test_source_refused_with_a_secret_that_is_no_copy() -> None:
    """A Secret that was not copied is told by its own name."""
    obj = changed(flux.source_failing(flux.REFUSED), spec={"secretRef": {"name": "made-by-hand"}})

    assert 'with pull secret "made-by-hand":' in source_health(obj).message


def test_source_refused_without_a_pull_secret() -> None:
    """Without a pull secret the tenant reads that none is configured."""
    health = source_health(changed(flux.source_failing(flux.REFUSED), spec={"secretRef": None}))

    assert health.message.startswith(
        'Registry ghcr.io refused anonymous access; ProviderConfig "ocm" names no imagePullSecret.'
    )
    assert lead(health)[2] == "RegistryAccessDenied"


PULLS = [
    (flux.NO_TAG, "VersionNotFound", "(MANIFEST_UNKNOWN)"),
    ("GET https://r.io/v2/a/manifests/1: NAME_UNKNOWN: repository name not known", "VersionNotFound", "(NAME_UNKNOWN)"),
    ("GET https://r.io/v2/a/manifests/1: NOT_FOUND: artifact a:1 not found", "VersionNotFound", "(NOT_FOUND)"),
    (f"{flux.NO_TAG}; map[Tag:9.9.9]", "VersionNotFound", "(MANIFEST_UNKNOWN)"),
    (
        "GET https://r.io/v2/a/manifests/1: multiple errors returned: UNKNOWN: odd; NAME_UNKNOWN: no",
        "VersionNotFound",
        "(NAME_UNKNOWN)",
    ),
    ("GET https://r.io/v2/a/manifests/1: unexpected status code 404 Not Found", "PullFailed", "404 Not Found"),
    (
        (
            "GET https://github.com/-/v2/packages/container/package/a%2Fmanifests%2F1: "
            "unexpected status code 404 Not Found: Not Found"
        ),
        "PullFailed",
        "404 Not Found: Not Found",
    ),
    (
        "GET https://ghcr.io/token?scope=repository%3Aa%3Apull&service=ghcr.io: NOT_FOUND: no such service",
        "PullFailed",
        "no such service",
    ),
    ("GET https://cdn.io/blobs/1?sig=a: unexpected status code 403 Forbidden: expired", "PullFailed", "expired"),
    ('Get "https://r.io/v2/": Forbidden', "PullFailed", "Forbidden"),
    (
        (
            "GET https://r.io/v2/a/manifests/1: PROJECTPOLICYVIOLATION: current image with 4 vulnerabilities cannot be "
            "pulled due to configured policy"
        ),
        "PullFailed",
        "4 vulnerabilities",
    ),
    ("failed to pull artifact from 'oci://r.io/denied/401': couldn't find tag \"0.0.1\"", "VersionNotFound", "chart."),
    ("no match found for semver: >9", "VersionNotFound", "chart."),
    (flux.REFUSED, "RegistryAccessDenied", "(DENIED)"),
    ("GET https://r.io/v2/a: UNAUTHORIZED: authentication required", "RegistryAccessDenied", "(UNAUTHORIZED)"),
    ("GET https://r.io/v2/a/manifests/1: unexpected status code 403 Forbidden", "RegistryAccessDenied", "(403)"),
    ("GET https://r.io/service/token?a=b: unexpected status code 401 Unauthorized", "RegistryAccessDenied", "(401)"),
    ("GET https://r.io/v2/a: denied: Permission on resource denied", "RegistryAccessDenied", "(DENIED)"),
    ("GET https://r.io/v2/a: TOOMANYREQUESTS: pull rate limit; DENIED", "RegistryRateLimited", "(TOOMANYREQUESTS)"),
    ("GET https://r.io/v2/a: unexpected status code 429 Too Many Requests", "RegistryRateLimited", "(429)"),
    ('Get "https://r.io/v2/": x509: certificate signed by unknown authority', "RegistryUntrusted", "does not trust"),
    ('Get "https://r.io/v2/": remote error: tls: handshake failure', "RegistryUntrusted", "does not trust"),
    (flux.NO_DNS, "RegistryUnreachable", "no such host"),
    ('Get "https://r.io/v2/": dial tcp 1.2.3.4:443: connect: connection refused', "RegistryUnreachable", "refused"),
    ('Get "https://r.io/v2/": net/http: TLS handshake timeout', "RegistryUnreachable", "does not answer"),
    ("context deadline exceeded", "RegistryUnreachable", "does not answer"),
    ("GET https://r.io/v2/a: unexpected status code 503 Service Unavailable", "RegistryUnreachable", "503"),
    ("no layers found in artifact 1.404.0", "PullFailed", "could not be pulled"),
    ("GET https://r.io/v2/x509/DENIED/404/manifests/1: UNSUPPORTED: no", "PullFailed", "UNSUPPORTED"),
]


@pytest.mark.parametrize(("text", "reason", "told"), PULLS, ids=[text[:60] for text, *_ in PULLS])
def test_why_a_pull_failed(text: str, reason: str, told: str) -> None:
    """Flux has one reason for all of these: the registry's code decides, never the address (case 5.3)."""
    health = source_health(flux.source_failing(text))

    assert (health.state, *lead(health)) == ("Failed", "ChartAvailable", FALSE, reason)
    assert told in health.message


REFUSALS = [
    (
        "GET https://x.azurecr.io/oauth2/token?a=b: DENIED: client with IP '20.1.2.3' is not allowed access.",
        "(DENIED)",
        "client with IP '20.1.2.3' is not allowed access",
    ),
    (
        (
            "GET https://1.dkr.ecr.eu-west-1.amazonaws.com/v2/a/manifests/1: DENIED: "
            "Your authorization token has expired. Reauthenticate and try again."
        ),
        "(DENIED)",
        "Your authorization token has expired. Reauthenticate and try again",
    ),
    (
        "GET https://r.io/v2/a/manifests/1: unexpected status code 403 Forbidden: blocked by the scan policy",
        "(403)",
        "blocked by the scan policy",
    ),
]


@pytest.mark.parametrize(("text", "code", "words"), REFUSALS, ids=["address", "expired", "scanner"])
def test_registry_that_says_why_it_refuses(text: str, code: str, words: str) -> None:
    """Where the registry says why, the tenant reads that, and no guess about credentials (case 5.3)."""
    with_secret = source_health(flux.source_failing(text))
    anonymous = source_health(changed(flux.source_failing(text), spec={"secretRef": None}))

    assert with_secret.message == (
        f'Registry ghcr.io refused the chart {code} with pull secret "privateregcred": {words}. '
        "Ask the platform operator [ProviderConfig ocm]; retried when the secret changes."
    )
    assert anonymous.message == (
        f'Registry ghcr.io refused anonymous access {code}: {words}; ProviderConfig "ocm" names no imagePullSecret. '
        "Ask the platform operator [ProviderConfig ocm]."
    )
    assert lead(with_secret)[2] == lead(anonymous)[2] == "RegistryAccessDenied"


def test_refusal_with_a_detail_that_says_nothing() -> None:
    """Docker's detail about the scope is no reason (case 5.3)."""
    text = "GET https://r.io/v2/a/manifests/1: UNAUTHORIZED: authentication required; [map[Action:pull Class: Name:a]]"

    assert "(UNAUTHORIZED)" in source_health(flux.source_failing(text)).message
    assert "wrong credentials or no such repository" in source_health(flux.source_failing(text)).message


@pytest.mark.parametrize(
    ("flux_reason", "text", "reason", "told"),
    [
        ("AuthenticationFailed", flux.NO_SECRET, "RegistryCredentialsMissing", 'Pull secret "privateregcred"'),
        ("VerificationError", "failed to verify: denied", "PullFailed", "could not be pulled"),
        ("ArchiveOperationFailed", "unable to store: permission denied", "PullFailed", "could not be pulled"),
    ],
)
def test_why_fetching_failed_otherwise(flux_reason: str, text: str, reason: str, told: str) -> None:
    """Where Flux has a reason of its own, its words decide nothing."""
    health = source_health(flux.source_failing(text, flux_reason))

    assert (lead(health)[2], health.stalled, health.retried) == (reason, "", False)
    assert told in health.message
    assert OPERATOR in health.message.lower()


def test_every_credential_that_flux_may_miss_is_named() -> None:
    """Flux does not say which of its Secrets it means."""
    obj = changed(
        flux.source_failing(flux.NO_SECRET, "AuthenticationFailed"),
        spec={"certSecretRef": {"name": "ca"}, "proxySecretRef": {"name": "squid"}},
    )
    bare = changed(obj, spec={"secretRef": None, "certSecretRef": None, "proxySecretRef": None})

    assert (
        'Pull secret "privateregcred" or certificate secret "ca" or proxy secret "squid"' in source_health(obj).message
    )
    assert source_health(bare).message.startswith("What Flux has as credentials for registry ghcr.io cannot be used: ")


def test_source_with_a_wrong_address() -> None:
    """An address that cannot be read is final, and the user name in it is nobody's business."""
    obj = changed(flux.source_stalled(), spec={"url": "oci://me:pw@ghcr.io/Chart"})
    health = source_health(obj)

    assert (health.state, health.stalled, *lead(health)) == (
        "Failed",
        "URLInvalid",
        "ChartAvailable",
        FALSE,
        "ChartUrlInvalid",
    )
    assert health.message == (
        '"ghcr.io/Chart" is not a valid address of a chart: could not parse reference: Chart. '
        "Not retried: ask the platform operator [ProviderConfig ocm]."
    )


def test_source_stalled_otherwise() -> None:
    """Any other final state keeps Flux's reason."""
    health = source_health(flux.source_stalled("FeatureGateDisabled", "enable the feature gate"))

    assert (health.state, lead(health)[2], health.stalled) == ("Failed", "PullFailed", "FeatureGateDisabled")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("oci://localhost:5000/chart", "localhost:5000"),
        ("oci://localhost/chart", "localhost"),
        ("oci://library/chart", "docker.io"),
        ("oci://u:p@registry.example.org/chart", "registry.example.org"),
    ],
)
def test_registry(url: str, host: str) -> None:
    """The registry is the host of the address, which is Docker's own where there is none."""
    health = source_health(changed(flux.source_failing(flux.NO_DNS), spec={"url": url}))

    assert health.message.startswith(f"Registry {host} does not answer: ")


def test_source_retrying() -> None:
    """While a failed fetch is tried again the failure stays, in the same words, marked as retried."""
    failed, again = source_health(flux.source_failing(flux.REFUSED)), source_health(flux.source_retrying(flux.REFUSED))

    assert (failed.retried, again.retried) == (False, True)
    assert failed == again._replace(retried=False)


def test_source_retrying_for_another_spec() -> None:
    """What failed for an earlier generation is not what is tried now."""
    obj = changed(flux.source_retrying(flux.REFUSED), metadata={"generation": 2})

    assert lead(source_health(obj)) == ("ChartAvailable", UNKNOWN, "Pulling")


def test_source_failing_when_poked() -> None:
    """After the secret changed and until Flux looked again, an earlier refusal counts no more."""
    poked = flux.poked(flux.source_failing(flux.REFUSED))
    handled = changed(poked, status={"lastHandledReconcileAt": "5f2d8c1a"})

    assert lead(source_health(poked)) == ("ChartAvailable", UNKNOWN, "Pulling")
    assert lead(source_health(handled)) == ("ChartAvailable", FALSE, "RegistryAccessDenied")


@pytest.mark.parametrize("obj", [flux.source_degraded(), flux.poked(flux.source_degraded())])
def test_source_whose_refresh_fails(obj: Json) -> None:
    """A registry that is down takes nothing down that is already here."""
    health = source_health(obj, flux.release_ready())

    assert (health.state, *lead(health)) == ("Ready", "ChartAvailable", TRUE, "RefreshFailed")
    assert health.conditions[0].message.startswith(f"{REVISION}; ")
    assert "no such host" in health.conditions[0].message
    assert release_health(flux.release_ready(), obj).state == "Ready"


def test_refresh_that_is_tried_again() -> None:
    """While a failed refresh is tried again nothing changes."""
    trying = flux.with_conditions(flux.source_degraded(), condition("Ready", "Unknown", "Progressing", "in progress"))

    assert lead(source_health(trying)) == ("ChartAvailable", TRUE, "RefreshFailed")


def test_source_that_lost_its_storage() -> None:
    """Fetching once more what was there already does not touch what runs."""
    release = flux.release_ready()
    health = source_health(flux.source_lost(), release)
    waiting = release_health(release, flux.source_lost())

    assert (health.state, health.message, health.keeps_ready) == (
        "Progressing",
        "Pulling the chart of 0.4.0 again.",
        True,
    )
    assert (waiting.state, waiting.message, waiting.keeps_ready) == (health.state, health.message, True)
    assert waiting.conditions == (Condition("Installed", TRUE, "Deployed", OLD),)
    assert (health.event, waiting.event) == ("", "Pulling")


def test_source_that_has_its_chart_back() -> None:
    """Until Flux noticed that the very chart which is deployed is there again, what runs is as untouched as before."""
    noticed = condition("Ready", "False", "SourceNotReady", "does not have an artifact")
    release = flux.with_conditions(flux.release_ready(), noticed)
    health = release_health(release, flux.source_ready())

    assert (health.state, health.keeps_ready) == ("Progressing", True)
    assert not release_health(release, flux.source_ready(NEW), version=NEW).keeps_ready
    made_anew = changed(flux.source_ready(), status={"artifact": {"revision": f"{OLD}@sha256:77"}})
    assert not release_health(release, made_anew).keeps_ready


NOT_SETTLED = {
    "upgrading": flux.release_upgrading(OLD, OLD),
    "other settings": flux.release_stale(),
    "failed": changed(flux.release_ready(), status={"history": [flux.entry(OLD, status="failed"), flux.entry(OLD)]}),
    "undone": flux.with_conditions(flux.release_ready(), condition("Remediated", "True", "RollbackSucceeded")),
}


@pytest.mark.parametrize("release", NOT_SETTLED.values(), ids=NOT_SETTLED)
@pytest.mark.parametrize("source", [flux.source_lost(), flux.source_ready()], ids=["lost", "there"])
def test_release_that_is_not_as_wanted_while_its_source_is_repaired(release: Json, source: Json) -> None:
    """A release that was not ready does not become it because its source is looked after."""
    unready = flux.with_conditions(release, condition("Ready", "Unknown", "Progressing", "reconciliation in progress"))
    acting = flux.release_upgrading(OLD, OLD)

    health = release_health(acting if release == acting else unready, source)
    assert (health.state, health.keeps_ready) == ("Progressing", False)


def test_source_that_lost_its_storage_while_upgrading() -> None:
    """Another version than the one that runs is no repair."""
    release = changed(flux.release_ready(), status=flux.attempt(NEW, action="upgrade"))
    waiting = release_health(release, flux.source_lost(NEW), version=NEW)

    assert (waiting.message, waiting.keeps_ready) == ("Upgrading from 0.4.0 to 0.5.0: pulling the chart.", False)


def test_source_with_an_artifact_of_another_tag() -> None:
    """An artifact that is not the one asked for was not fetched before."""
    obj = changed(flux.source_degraded(), spec={"ref": {"tag": NEW}})

    assert (source_health(obj).state, source_health(obj).keeps_ready) == ("Failed", False)
    assert source_health(changed(flux.source_degraded(), status={"artifact": None})).keeps_ready


def test_source_with_another_spec_than_fetched() -> None:
    """A changed source is fetched for the first time: nothing is kept."""
    health = source_health(flux.source_stale(), flux.release_ready(), version=NEW)

    assert (health.message, health.event) == ("Upgrading from 0.4.0 to 0.5.0: pulling the chart.", "Upgrading")
    assert (health.state, health.keeps_ready) == ("Progressing", False)
