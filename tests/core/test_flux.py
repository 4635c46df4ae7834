from datetime import timedelta
from typing import Any

import pytest

from openmcp_provider.domain.conditions import UNKNOWN
from openmcp_provider.domain.flux import HELM_RELEASE, OCI_REPOSITORY, installed_version, release_state, source_state
from openmcp_provider.domain.kinds import rule_for
from openmcp_provider.domain.objects import Json
from openmcp_provider.domain.rules import HealthContext, Read, ReleaseRule
from tests.core import flux_objects as flux
from tests.core.flux_objects import (
    NAMESPACE,
    NEW,
    NOW,
    OLD,
    RELEASE,
    TOOLKIT,
    changed,
    condition,
    lead,
    release_health,
    source_health,
)

REVISION = f"{OLD}@{flux.DIGESTS[OLD]}"
RETRY = f"[HelmRelease {NAMESPACE}/sp-ocm-k8s-toolkit]"
LONG_AGO = NOW - timedelta(minutes=2)


# The states: every combination of what Flux shows. "Right" = the artifact is that of the wanted tag, and deployed.

Row = tuple[int, str, bool, bool]  # observedGeneration, Ready, Reconciling, Stalled; the generation is 2
TABLE: list[tuple[Row, bool, str, str]] = [
    ((-1, "", False, False), False, "Progressing", "Progressing"),
    ((1, "True", True, False), True, "Progressing", "Progressing"),
    ((1, "Unknown", True, False), True, "Progressing", "Progressing"),
    ((1, "False", True, False), True, "Failing", "Failing"),
    ((2, "True", False, False), True, "Ready", "Ready"),
    ((2, "True", False, False), False, "Progressing", "Progressing"),
    ((2, "True", True, False), True, "Ready", "Ready"),
    ((2, "Unknown", True, False), True, "Progressing", "Progressing"),
    ((2, "False", True, False), True, "Degraded", "Failing"),
    ((2, "False", True, False), False, "Failing", "Failing"),
    ((2, "False", False, True), True, "Stalled", "Stalled"),
    ((2, "False", False, False), True, "Degraded", "Failing"),
    ((1, "False", False, True), True, "Failing", "Failing"),
]


def shown(obj: Json, row: Row, reason: str) -> dict[str, Any]:
    """Return the object with these conditions, all of the present generation."""
    observed, ready, reconciling, stalled = row
    states = {"Ready": ready, "Reconciling": "True" if reconciling else "", "Stalled": "True" if stalled else ""}
    found = [condition(kind, status, reason, "words", 2) for kind, status in states.items() if status]
    return changed(obj, metadata={"generation": 2}, status={"observedGeneration": observed, "conditions": found})


@pytest.mark.parametrize(("row", "right", "state"), [(row, right, state) for row, right, state, _ in TABLE])
def test_state_of_a_source(row: Row, right: bool, state: str) -> None:
    """Where source-controller is follows from generations, conditions and the artifact together."""
    obj = changed(flux.source_ready(), spec={"ref": {"tag": OLD if right else NEW}})

    assert source_state(shown(obj, row, "OCIArtifactPullFailed")) == state


@pytest.mark.parametrize(("row", "right", "state"), [(row, right, state) for row, right, _, state in TABLE])
def test_state_of_a_release(row: Row, right: bool, state: str) -> None:
    """Where helm-controller is follows from generations, conditions and the digest together."""
    obj = changed(flux.release_ready(), status={"lastAttemptedGeneration": 2})
    source = flux.source_ready() if right else flux.source_building()

    assert release_state(shown(obj, row, "StateError"), source) == state


@pytest.mark.parametrize("row", [row for row, *_ in TABLE if row[0] == 2])
def test_suspended_whatever_else_is_shown(row: Row) -> None:
    """A suspended object is suspended, with every condition that it may have had before."""
    source = changed(shown(flux.source_ready(), row, "Succeeded"), spec={"suspend": True})
    release = changed(shown(flux.release_ready(), row, "InstallSucceeded"), spec={"suspend": True})

    assert (source_state(source), release_state(release, flux.source_ready())) == ("Suspended", "Suspended")


def test_missing_and_terminating() -> None:
    """What is not there, or about to go, is neither ready nor failing."""
    gone = {"deletionTimestamp": "2026-08-08T09:00:00Z"}
    source, release = changed(flux.source_ready(), metadata=gone), changed(flux.release_ready(), metadata=gone)

    assert (source_state(None), release_state(None, None)) == ("Missing", "Missing")
    assert (source_state(source), release_state(release, source)) == ("Terminating", "Terminating")
    assert release_state(flux.release_ready(), source) == "Progressing"
    assert release_state(flux.release_ready(), None) == "Progressing"


@pytest.mark.parametrize("observed", [-1, 1])
def test_failure_of_the_spec_before(observed: int) -> None:
    """A failure that was noted for an earlier generation says nothing about the present one."""
    said = condition("Ready", "False", "OCIArtifactPullFailed", flux.REFUSED, 1)
    source = flux.source(generation=2, observedGeneration=observed, conditions=[said])
    release = flux.release(2, observedGeneration=observed, conditions=[{**said, "reason": "StateError"}])

    assert source_state(source) == "Progressing"
    assert release_state(release, flux.source_ready()) == "Progressing"


@pytest.mark.parametrize(
    ("ref", "revision", "state"),
    [
        ({"tag": "0.4.0+build"}, f"0.4.0_build@{flux.DIGESTS[OLD]}", "Ready"),
        ({"tag": "0.4.0"}, f"0.4.0_build@{flux.DIGESTS[OLD]}", "Progressing"),
        ({"digest": flux.DIGESTS[OLD]}, flux.DIGESTS[OLD], "Ready"),
        ({"digest": flux.DIGESTS[NEW], "tag": OLD}, REVISION, "Progressing"),
        ({"semver": ">=0.4.0", "tag": NEW}, REVISION, "Ready"),
        ({}, f"latest@{flux.DIGESTS[OLD]}", "Ready"),
        ({"tag": OLD}, OLD, "Progressing"),
        ({"tag": OLD}, "", "Progressing"),
    ],
)
def test_wanted_artifact(ref: dict[str, str], revision: str, state: str) -> None:
    """The artifact must be that of the tag or digest asked for, and have a digest."""
    obj = changed(flux.source_ready(), spec={"ref": ref}, status={"artifact": {"revision": revision}})

    assert source_state(obj) == state


def test_new_revision_of_the_same_tag() -> None:
    """A tag that moved makes a source progress, although its old artifact is of that tag."""
    outdated = condition("ArtifactOutdated", "True", "NewRevision", "new revision")

    assert source_state(flux.with_conditions(flux.source_ready(), outdated)) == "Progressing"


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "Ready"),
        ({"lastAttemptedRevisionDigest": REVISION}, "Ready"),
        ({"lastAttemptedRevisionDigest": flux.DIGESTS[NEW]}, "Progressing"),
        ({"lastAttemptedRevisionDigest": ""}, "Progressing"),
        ({"history": []}, "Progressing"),
        ({"history": [flux.entry(OLD, status="failed")]}, "Progressing"),
        ({"history": [flux.entry(NEW, 2), flux.entry(OLD, status="superseded")]}, "Progressing"),
        ({"history": [flux.entry(OLD, 2, "pending-upgrade"), flux.entry(OLD)]}, "Progressing"),
        ({"history": [flux.entry(OLD, 9, action="rollback")]}, "Ready"),
        ({"history": [flux.entry(NEW, 9, action="rollback")]}, "Progressing"),
        ({"history": [{**flux.entry(OLD, 9, action="rollback"), "chartVersion": OLD}]}, "Progressing"),
        (
            {"history": [flux.entry(OLD, 9, action="rollback")], "lastAttemptedRevision": flux.tracked(NEW)},
            "Progressing",
        ),
        (
            {
                "history": [{**flux.entry(OLD, 9, action="rollback"), "chartVersion": OLD}],
                "lastAttemptedRevision": OLD,
            },
            "Progressing",
        ),
    ],
)
def test_what_must_be_deployed(change: dict[str, Any], state: str) -> None:
    """Ready takes the wanted digest as last attempt and as newest entry; after a rollback its beginning must do."""
    assert release_state(changed(flux.release_ready(), status=change), flux.source_ready()) == state


# What both kinds have in common


def test_suspended() -> None:
    """What a person suspended is told, with who can resume it."""
    release = flux.release_suspended()
    source = changed(flux.source_ready(), spec={"suspend": True})
    one, other = release_health(release, flux.source_ready()), source_health(source, flux.release_ready())

    assert (one.state, one.installed, one.event, *lead(one)) == (
        "Suspended",
        OLD,
        "",
        "Installed",
        UNKNOWN,
        "Suspended",
    )
    assert (other.state, other.installed, *lead(other)) == ("Suspended", "", "ChartAvailable", UNKNOWN, "Suspended")
    assert one.message == (
        "OCM K8s Toolkit is suspended by a person on the platform: nothing is installed, upgraded or repaired until "
        f"the platform operator resumes it {RETRY}. 0.4.0 stays installed."
    )


def test_release_of_a_suspended_source() -> None:
    """A suspended source says so itself; its release tells what is there."""
    source = changed(flux.source_ready(), spec={"suspend": True})

    assert release_health(flux.release_ready(), source).state == "Ready"
    assert release_health(flux.release(), source).message == "Installing 0.4.0: waiting for the chart."


def test_terminating() -> None:
    """An object that somebody deleted is waited for."""
    obj = changed(flux.release_ready(), metadata={"deletionTimestamp": "2026-08-08T09:00:00Z"})
    health = release_health(obj, flux.source_ready())

    assert (health.state, *lead(health)) == ("Progressing", "Installed", UNKNOWN, "Terminating")


NOT_SEEN: list[tuple[Json, bool]] = [
    (flux.source(), True),
    (flux.source_stale(), True),
    (flux.source_building(), False),
    (flux.source_failing(), False),
    (flux.source_ready(), False),
    (changed(flux.source_failing(), metadata={"generation": 2}), True),
    (changed(flux.source_ready(), metadata={"generation": 2}, status={"observedGeneration": 2}), False),
]


@pytest.mark.parametrize(("obj", "silent"), NOT_SEEN)
def test_source_that_flux_does_not_look_at(obj: Json, silent: bool) -> None:
    """It takes two minutes without a sign for the present generation, and knowing when that was written."""
    found = [
        lead(source_health(obj, applied=applied))[2] == "FluxNotResponding"
        for applied in (LONG_AGO, LONG_AGO + timedelta(seconds=1), None)
    ]

    assert found == [silent, False, False]


def test_release_that_flux_does_not_look_at() -> None:
    """The tenant reads that only the platform operator can help."""
    health = release_health(flux.release(), flux.source_ready(), applied=LONG_AGO)

    assert (health.state, *lead(health)) == ("Failed", "Installed", UNKNOWN, "FluxNotResponding")
    assert f"Only the platform operator can help: see that Flux runs and watches this object {RETRY}" in health.message
    assert release_health(flux.release_stale(), flux.source_ready(), applied=LONG_AGO).state == "Progressing"


def test_objects_that_are_not_there_yet() -> None:
    """A manifest that was never written is on its way."""
    manifest = {key: value for key, value in flux.release().items() if key != "status"}
    manifest["metadata"] = {"name": flux.NAME, "namespace": NAMESPACE}

    assert HELM_RELEASE.health(RELEASE, manifest, flux.context()).state == "Progressing"


def test_versions_by_another_name() -> None:
    """The tenant's name of a version is told; whether it is installed depends on the chart's."""
    health = release_health(flux.release_stale(), flux.source_ready(), version="spring")
    upgrade = release_health(flux.release_ready(), flux.source_ready(NEW), version="summer")

    assert health.message.startswith("Applying changed settings to 0.4.0: ")
    assert upgrade.message.startswith("Upgrading from 0.4.0 to summer: ")


def test_build_metadata() -> None:
    """Flux puts its digest in the place of build metadata, which is no reason to speak of an upgrade."""
    source = changed(flux.source_ready(), spec={"ref": {"tag": "0.4.0_build.7"}})
    health = release_health(flux.release_ready(), source, version="0.4.0+build.7")

    assert health.message.startswith("Applying changed settings to 0.4.0: ")


def test_without_any_version() -> None:
    """Where neither tenant nor tag name a version, the title must do."""
    source = changed(flux.source_building(), spec={"ref": {"semver": ">=0.1.0"}})

    assert source_health(source, version="").message == "Installing OCM K8s Toolkit: pulling the chart."


@pytest.mark.parametrize("other", [{"kind": "HelmChart"}, {"name": "another"}, {"namespace": "elsewhere"}])
def test_source_of_another_release(other: dict[str, str]) -> None:
    """Only what ``chartRef`` names, in the same cluster, is the source of a release."""
    obj = changed(flux.release_ready(), spec={"chartRef": {**flux.release()["spec"]["chartRef"], **other}})
    tenant = {ref._replace(cluster="mcp"): live for ref, live in flux.context(flux.source_ready()).live.items()}
    elsewhere = HealthContext(title="", version="", config_name="", live=tenant, copies={}, applied=None, now=NOW)

    assert release_health(obj, flux.source_ready()).state == "Progressing"
    assert HELM_RELEASE.health(RELEASE, flux.release_ready(), elsewhere).state == "Progressing"


def test_source_in_the_namespace_of_the_release() -> None:
    """Without a namespace in ``chartRef`` the source is beside the release."""
    obj = changed(flux.release_ready(), spec={"chartRef": {"kind": "OCIRepository", "name": flux.NAME}})

    assert release_health(obj, flux.source_ready()).state == "Ready"


# What is installed


@pytest.mark.parametrize(
    ("history", "version"),
    [
        ([flux.entry(OLD)], OLD),
        ([flux.entry(NEW, 2, "failed"), flux.entry(OLD)], OLD),
        ([flux.entry(NEW, 2, "failed"), flux.entry(OLD, 1, "superseded")], OLD),
        ([flux.entry(NEW, 3, "superseded"), flux.entry(OLD, 2), flux.entry(NEW, 1)], OLD),
        ([flux.entry(OLD, 3, action="rollback"), flux.entry(OLD, 1, "superseded")], OLD),
        ([flux.entry(OLD, status="failed")], ""),
        ([flux.entry(OLD, status="uninstalled")], ""),
        ([], ""),
        ([{**flux.entry(OLD), "chartVersion": "0.4.0+20260808"}], "0.4.0+20260808"),
        ([{**flux.entry(OLD), "chartVersion": flux.tracked(NEW)}, flux.entry(NEW, 0)], flux.tracked(NEW)),
        ([{**flux.entry(OLD), "chartVersion": f"{flux.tracked(OLD)}0"}], f"{flux.tracked(OLD)}0"),
        ([{"status": "deployed", "chartVersion": flux.tracked(OLD)}], OLD),
    ],
)
def test_installed_version(history: list[Json], version: str) -> None:
    """It is that of the newest entry that is deployed, else superseded, without exactly what Flux added."""
    assert installed_version(flux.release(history=history)) == version


def test_nothing_is_installed_without_a_release() -> None:
    """No release, no version."""
    assert not installed_version(None)


# What is read, and what deletion asks


def test_reads() -> None:
    """Each kind names the Secrets and ConfigMaps that its controller reads, each once."""
    source = changed(flux.source(), spec={"certSecretRef": {"name": "ca"}, "proxySecretRef": {"name": "squid"}})
    values = [
        {"kind": "ConfigMap", "name": "common"},
        {"kind": "Secret", "name": "keys", "valuesKey": "a"},
        {"kind": "Secret", "name": "keys", "valuesKey": "b"},
    ]
    release = changed(flux.release(), spec={"valuesFrom": values})

    pulled = (Read("Secret", flux.PULL_SECRET.name), Read("Secret", "ca"), Read("Secret", "squid"))
    assert OCI_REPOSITORY.reads(source) == pulled
    kubeconfig = Read("Secret", "ocm--mcp-01--mcp.kubeconfig")
    assert HELM_RELEASE.reads(release) == (kubeconfig, Read("ConfigMap", "common"), Read("Secret", "keys"))
    assert OCI_REPOSITORY.reads({"spec": {}}) == HELM_RELEASE.reads({"spec": {}}) == ()


def test_pokes() -> None:
    """Both kinds are poked by the annotation whose value comes back in the status."""
    assert OCI_REPOSITORY.poke == HELM_RELEASE.poke == "reconcile.fluxcd.io/requestedAt"


@pytest.fixture
def rule() -> ReleaseRule:
    """What deletion asks of a HelmRelease."""
    assert HELM_RELEASE.release is not None
    return HELM_RELEASE.release


def test_release_rule(rule: ReleaseRule) -> None:
    """Deletion learns what it must not do too early, and how to let go."""
    assert rule.access(flux.release()) == "ocm--mcp-01--mcp.kubeconfig"
    assert rule.access({"spec": {}}) == ""
    assert [rule.attempted(obj) for obj in (flux.release(), flux.release_installing())] == [False, True]
    assert [rule.suspended(obj) for obj in (flux.release_ready(), flux.release_suspended())] == [False, True]
    assert rule.let_go == {"spec": {"suspend": True}}
    assert OCI_REPOSITORY.release is None


def test_what_stays_when_let_go(rule: ReleaseRule) -> None:
    """It is named the way Helm lists it."""
    unnamed = changed(flux.release(), spec={"releaseName": "", "storageNamespace": ""})
    bare = changed(unnamed, spec={"targetNamespace": ""})
    named = f"Helm release {TOOLKIT}/ocm-k8s-toolkit"

    assert rule.describe(flux.release_ready()) == f"{named} (0.4.0)"
    assert rule.describe(flux.release()) == named
    assert rule.describe(unnamed) == f"Helm release {NAMESPACE}/{TOOLKIT}-{flux.NAME}"
    assert rule.describe(bare) == f"Helm release {NAMESPACE}/{flux.NAME}"


def test_uninstall_that_fails(rule: ReleaseRule) -> None:
    """Only the failure of an uninstall is told, in steady words."""
    said = "Helm uninstall failed for release a/b.v1: read tcp 10.1.2.3:40112->10.0.0.1:443: read: connection reset"
    failing = flux.with_conditions(flux.release_ready(), condition("Ready", "False", "UninstallFailed", said))

    assert rule.failure(failing) == "Helm uninstall failed for release a/b.v1: read tcp: read: connection reset"
    assert [rule.failure(obj) for obj in (flux.release_ready(), flux.release_install_exhausted())] == ["", ""]


@pytest.mark.parametrize(
    ("api_version", "kind", "found"),
    [
        ("source.toolkit.fluxcd.io/v1", "OCIRepository", OCI_REPOSITORY),
        ("source.toolkit.fluxcd.io/v1beta2", "OCIRepository", OCI_REPOSITORY),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease", HELM_RELEASE),
        ("helm.toolkit.fluxcd.io/v3", "HelmRelease", HELM_RELEASE),
        ("helm.toolkit.fluxcd.io/v2", "OCIRepository", None),
        ("helm.toolkit.fluxcd.io", "HelmRelease", None),
        ("example.org/v1", "HelmRelease", None),
        ("v1", "Secret", None),
    ],
)
def test_rule_for(api_version: str, kind: str, found: object) -> None:
    """A rule belongs to a kind of a group, whatever the version."""
    assert rule_for(api_version, kind) is found
