import pytest

from openmcp_provider.domain.conditions import FALSE, TRUE, Condition
from openmcp_provider.domain.objects import Json
from openmcp_provider.provider import Health
from tests.core import flux_objects as flux
from tests.core.flux_objects import (
    NAMESPACE,
    NEW,
    OLD,
    TOOLKIT,
    changed,
    condition,
    lead,
    release_health,
)

RETRY = f"[HelmRelease {NAMESPACE}/sp-ocm-k8s-toolkit]"
LASTING = f"Retried automatically; if it persists, ask the platform operator {RETRY}."


def test_release_just_made() -> None:
    """Before the chart is there, a release waits for it."""
    told = "Installing 0.4.0: pulling the chart."
    expected = Health("Progressing", told, (Condition("Installed", FALSE, "Installing", told),), event="Installing")

    assert expected == release_health(flux.release(), flux.source())
    assert expected == release_health(flux.release())


@pytest.mark.parametrize("obj", [flux.release(), flux.release_installing()])
def test_release_installing(obj: Json) -> None:
    """Once the chart is there, Helm is at work."""
    told = "Installing 0.4.0: Helm install is running on the control plane."
    expected = Health("Progressing", told, (Condition("Installed", FALSE, "Installing", told),), event="Installing")

    assert expected == release_health(obj, flux.source_ready())


def test_release_ready() -> None:
    """Everything at once says that the wanted version is deployed."""
    expected = Health(
        "Ready",
        "OCM K8s Toolkit 0.4.0 is installed and ready.",
        (Condition("Installed", TRUE, "Deployed", OLD),),
        OLD,
        event="Ready",
    )

    assert expected == release_health(flux.release_ready(), flux.source_ready())
    assert expected == release_health(flux.release_ready(), flux.source_ready(), version="")


def test_release_looked_at_from_time_to_time() -> None:
    """The periodic look of a healthy release shows nowhere."""
    busy = flux.with_conditions(
        flux.release_ready(), condition("Reconciling", "True", "Progressing", "Fulfilling prerequisites")
    )

    assert release_health(busy, flux.source_ready()) == release_health(flux.release_ready(), flux.source_ready())


def test_release_whose_source_has_no_such_tag() -> None:
    """The failure of the source is the source's to tell; the release waits."""
    health = release_health(flux.release_source_not_ready(), flux.source_failing())

    assert (health.state, health.message) == ("Progressing", "Installing 0.4.0: waiting for the chart.")
    assert lead(health) == ("Installed", FALSE, "Installing")


def test_installed_release_whose_source_has_no_such_tag() -> None:
    """What is installed is told while its successor cannot be fetched."""
    health = release_health(flux.release_ready(), flux.source_tag_missing_after(), version="9.9.9")

    assert health == Health(
        "Progressing",
        "Upgrading from 0.4.0 to 9.9.9: waiting for the chart.",
        (Condition("Installed", TRUE, "Upgrading", OLD),),
        OLD,
        event="Upgrading",
    )


@pytest.mark.parametrize(
    ("version", "shown"), [(OLD, "Applying changed settings to 0.4.0"), ("", "Applying changed settings to 0.4.0")]
)
def test_release_after_a_change_of_its_spec(version: str, shown: str) -> None:
    """Ready is of the spec before: other settings of the same version are being applied."""
    health = release_health(flux.release_stale(), flux.source_ready(), version=version)

    assert health == Health(
        "Progressing",
        f"{shown}: Helm upgrade is running on the control plane.",
        (Condition("Installed", TRUE, "Upgrading", OLD),),
        OLD,
        event="Upgrading",
    )


@pytest.mark.parametrize("obj", [flux.release_ready(), flux.release_upgrading()])
def test_release_after_a_change_of_its_source_only(obj: Json) -> None:
    """The trap: nothing in the release says that its Ready is that of another chart."""
    health = release_health(obj, flux.source_ready(NEW, generation=2), version=NEW)

    assert health == Health(
        "Progressing",
        "Upgrading from 0.4.0 to 0.5.0: Helm upgrade is running on the control plane.",
        (Condition("Installed", TRUE, "Upgrading", OLD),),
        OLD,
        event="Upgrading",
    )


def test_release_before_its_source_noticed_a_change() -> None:
    """Nor is it ready while only the spec of the source has the new version."""
    health = release_health(flux.release_ready(), flux.source_stale(), version=NEW)

    assert (health.state, health.message) == ("Progressing", "Upgrading from 0.4.0 to 0.5.0: pulling the chart.")


@pytest.mark.parametrize("retrying", [False, True])
def test_release_that_failed_to_install(retrying: bool) -> None:
    """A failed install tells Helm's words, and keeps telling them while it is tried again."""
    obj = flux.release_install_retrying() if retrying else flux.release_install_failing()
    message = f"Installing 0.4.0 failed. Cause: {flux.TIMED_OUT}. {LASTING}"

    assert release_health(obj, flux.source_ready()) == Health(
        "Failed",
        message,
        (Condition("Installed", FALSE, "InstallFailed", flux.TIMED_OUT),),
        event="InstallFailed",
        retried=retrying,
    )


def test_release_whose_failure_cannot_be_read_any_more() -> None:
    """Without Helm's words a retried failure is still one."""
    obj = flux.without_condition(flux.release_install_retrying(), "Released")
    unlocked = flux.with_conditions(obj, condition("Released", "False", "PendingRelease", "Unlocked Helm release"))
    health = release_health(obj, flux.source_ready())

    assert (health.state, health.retried) == ("Failed", True)
    assert health.message == f"Installing 0.4.0 failed. {LASTING}"
    assert release_health(unlocked, flux.source_ready()) == health
    assert release_health(changed(obj, metadata={"generation": 2}), flux.source_ready()).state == "Progressing"


def test_release_between_remedy_and_next_try() -> None:
    """What Flux did to mend a failure is not its cause."""
    undone = condition("Ready", "False", "UninstallSucceeded", "Helm uninstall remediation for release x succeeded")
    health = release_health(flux.with_conditions(flux.release_install_failing(), undone), flux.source_ready())

    assert (health.retried, health.stalled) == (True, "")
    assert health.message == f"Installing 0.4.0 failed. Cause: {flux.TIMED_OUT}. {LASTING}"


def test_counters_of_failures_that_are_over() -> None:
    """Flux leaves its counters as they were after a success: they alone mean nothing."""
    obj = changed(flux.release_upgrading(OLD, OLD), status={"failures": 2, "upgradeFailures": 2})

    assert release_health(obj, flux.source_ready()).state == "Progressing"


@pytest.mark.parametrize(
    "obj",
    [
        flux.release_install_exhausted(),
        flux.with_conditions(
            flux.without_condition(flux.release_install_exhausted(), "Stalled"),
            condition("Reconciling", "True", "Progressing", "Fulfilling prerequisites"),
        ),
        flux.without_condition(flux.release_install_exhausted(), "Stalled"),
    ],
    ids=["stalled", "looked at once more", "not marked"],
)
def test_release_that_failed_to_install_too_often(obj: Json) -> None:
    """When retries are used up a person must act, whether or not Flux has it in a condition at this moment."""
    health = release_health(obj, flux.source_ready())

    assert health == Health(
        "Failed",
        f"Installing 0.4.0 failed. Cause: {flux.TIMED_OUT}. Not retried: set spec.version to a version that works, or "
        f"ask the platform operator to retry {RETRY}.",
        (Condition("Installed", FALSE, "InstallFailed", flux.TIMED_OUT),),
        event="InstallFailed",
        stalled="RetriesExceeded",
    )


NOT_MARKED = flux.without_condition(flux.release_install_exhausted(), "Stalled")
BUSY = condition("Reconciling", "True", "Progressing", "Fulfilling prerequisites")
NOT_OVER = {
    "other strategy": flux.with_conditions(NOT_MARKED, {**BUSY, "reason": "ProgressingWithRetry"}),
    "no limit": changed(flux.with_conditions(NOT_MARKED, BUSY), spec={"install": {"remediation": {"retries": -1}}}),
    "not done yet": changed(NOT_MARKED, status={"observedGeneration": -1}),
    "not Helm's": flux.with_conditions(NOT_MARKED, condition("Ready", "False", "ValuesError", "no such ConfigMap")),
}


@pytest.mark.parametrize("obj", NOT_OVER.values(), ids=NOT_OVER)
def test_release_that_is_retried_still(obj: Json) -> None:
    """Counters alone do not mean that the tries are over."""
    health = release_health(obj, flux.source_ready())

    assert (health.stalled, health.message.endswith(LASTING)) == ("", True)


def test_release_rolled_back() -> None:
    """An upgrade that was given up tells what runs, why, and who can do what."""
    health = release_health(flux.release_rolled_back(), flux.source_ready(NEW), version=NEW)

    assert health == Health(
        "Failed",
        f"Upgrade to 0.5.0 failed and was rolled back; 0.4.0 is installed again. Cause: {flux.IMMUTABLE}. Not retried: "
        f"set spec.version to a version that works, or ask the platform operator to retry {RETRY}.",
        (Condition("Installed", TRUE, "RolledBack", OLD),),
        OLD,
        event="UpgradeRolledBack",
        stalled="RetriesExceeded",
    )


def test_release_rolled_back_that_is_looked_at_once_more() -> None:
    """For as long as Flux looks at it again, the end is not marked and is the end nevertheless."""
    looking = flux.with_conditions(flux.without_condition(flux.release_rolled_back(), "Stalled"), BUSY)
    source = flux.source_ready(NEW)

    assert release_health(looking, source, version=NEW) == release_health(
        flux.release_rolled_back(), source, version=NEW
    )


def test_release_rolled_back_for_the_time_being() -> None:
    """With tries left, a rollback is not the end of it, and the words stay those of the failure."""
    again = {**flux.attempt(NEW, action="upgrade", failed=1), "observedGeneration": -1}
    looking = flux.with_conditions(flux.without_condition(flux.release_rolled_back(), "Stalled"), BUSY)
    health = release_health(changed(looking, status=again), flux.source_ready(NEW), version=NEW)

    assert (health.retried, health.stalled, *lead(health)) == (True, "", "Installed", TRUE, "UpgradeFailed")
    assert health.message == f"Upgrade to 0.5.0 failed. Cause: {flux.IMMUTABLE}. {LASTING}"


def test_release_rolled_back_without_a_cause() -> None:
    """If Helm's words are lost, Flux's own stand in, without the number of tries."""
    obj = flux.without_condition(flux.release_rolled_back(), "Released")
    health = release_health(obj, flux.source_ready(NEW), version=NEW)

    assert " Cause: Failed to upgrade after several attempts. Not retried: " in health.message


def test_release_rolled_back_to_the_same_version() -> None:
    """Settings that do not work are the operator's to mend."""
    obj = flux.release_rolled_back(OLD, OLD, "no such field")
    health = release_health(obj, flux.source_ready())

    assert lead(health) == ("Installed", TRUE, "RolledBack")
    assert health.message == (
        "Changed settings of 0.4.0 failed and were rolled back; it runs with those before. Cause: no such field. "
        f"Not retried: ask the platform operator to correct the settings or to retry {RETRY}."
    )


def test_going_back_after_a_rollback() -> None:
    """Asking for the version that runs again ends in Ready, though Flux records no digest for a rollback."""
    back = changed(
        flux.release_rolled_back(),
        status={**flux.attempt(OLD, action="upgrade", failed=4), "conditions": flux.succeeded(OLD, action="Upgrade")},
    )
    health = release_health(back, flux.source_ready(generation=3))

    assert (health.state, health.installed) == ("Ready", OLD)


@pytest.mark.parametrize(
    "source",
    [
        flux.source_stale(NEW, OLD),
        flux.source_ready(OLD, generation=2),
        flux.source_lost(OLD),
        changed(flux.source_ready(NEW), metadata={"generation": 2}, spec={"url": "oci://mirror.example.org/chart"}),
        changed(flux.source_ready(NEW), status={"artifact": {"revision": f"{NEW}@sha256:77"}}),
    ],
    ids=["not noticed", "fetched", "being fetched", "moved", "made anew"],
)
def test_failure_of_the_version_before(source: Json) -> None:
    """After another chart was asked for, the failure of the former one is no longer told, nor kept by its retries."""
    health = release_health(flux.release_rolled_back(), source)
    trying = flux.with_conditions(
        flux.without_condition(flux.release_rolled_back(), "Stalled"), condition("Ready", "Unknown", "Progressing")
    )

    assert (health.state, health.stalled) == ("Progressing", "")
    assert release_health(trying, source).state == "Progressing"
    assert release_health(trying, flux.source_ready(NEW)).retried


def test_failure_stays_while_the_source_is_repaired() -> None:
    """A source that lost its storage does not make a failed version look better."""
    health = release_health(flux.release_rolled_back(), flux.source_lost(NEW), version=NEW)

    assert (health.state, lead(health)[2]) == ("Failed", "RolledBack")


def test_failure_of_the_settings_before() -> None:
    """A failure that was attempted for an earlier generation is old, even if a condition bears the present one."""
    obj = changed(flux.release_install_failing(), metadata={"generation": 2})
    relabelled = [{**item, "observedGeneration": 2} for item in obj["status"]["conditions"]]

    assert release_health(changed(obj, status={"conditions": relabelled}), flux.source_ready()).state == "Progressing"


def test_upgrade_that_failed() -> None:
    """A failed upgrade leaves something installed, and is tried again."""
    said = flux.helm_failed(NEW, flux.IMMUTABLE, "upgrade")
    obj = flux.with_conditions(
        changed(
            flux.release_upgrading(),
            status={
                **flux.attempt(NEW, action="upgrade", failed=4),
                "history": [flux.entry(NEW, 2, "failed", "upgrade"), flux.entry(OLD)],
            },
        ),
        condition("Ready", "False", "UpgradeFailed", said),
        condition("Released", "False", "UpgradeFailed", said),
    )
    health = release_health(obj, flux.source_ready(NEW), version=NEW)

    assert health == Health(
        "Failed",
        f"Upgrade to 0.5.0 failed. Cause: {flux.IMMUTABLE}. {LASTING}",
        (Condition("Installed", TRUE, "UpgradeFailed", OLD),),
        OLD,
        event="UpgradeFailed",
    )


def test_rollback_that_failed_too() -> None:
    """Both failures are told: that of the upgrade and that of the way back."""
    back = condition("Ready", "False", "RollbackFailed", "Helm rollback to previous release x failed: no disk")
    obj = flux.with_conditions(flux.without_condition(flux.release_rolled_back(), "Stalled"), back)
    health = release_health(obj, flux.source_ready(NEW), version=NEW)

    assert f"Cause: {flux.IMMUTABLE}; Helm rollback to previous release x failed: no disk. Not" in health.message
    assert lead(health) == ("Installed", TRUE, "UpgradeFailed")


@pytest.mark.parametrize("reason", ["AccessDenied", "InvalidCELExpression"])
def test_release_stalled_otherwise(reason: str) -> None:
    """What no other version can fix is the operator's alone."""
    said = condition("Stalled", "True", reason, "cannot go on")
    health = release_health(flux.with_conditions(flux.release_install_exhausted(), said), flux.source_ready())

    assert health.stalled == reason
    assert "Cause: cannot go on. Not retried: ask the platform operator" in health.message


CUT_OFF = [
    (flux.UNAUTHORIZED, "StateError", "CredentialsExpired", "CredentialsExpired"),
    ("the server has asked for the client to provide credentials", "StateError", "CredentialsExpired", None),
    (flux.NO_ANSWER, "StateError", "Unreachable", "ControlPlaneUnreachable"),
    ('Get "https://unauthorized/api": EOF', "FactoryError", "Unreachable", None),
    ("could not get KubeConfig secret 'a/b': Secret \"b\" not found", "RESTClientError", "Unreachable", None),
    ("x509: certificate signed by unknown authority", "ResourceManagerError", "Unreachable", None),
    (flux.helm_failed(OLD, "kubernetes cluster unreachable: EOF"), "InstallFailed", "Unreachable", None),
    ('secrets is forbidden: User "system:anonymous"', "StateError", "Forbidden", "ControlPlaneForbidden"),
]


@pytest.mark.parametrize(("text", "flux_reason", "reason", "event"), CUT_OFF, ids=[text[:50] for text, *_ in CUT_OFF])
def test_release_cut_off(text: str, flux_reason: str, reason: str, event: str | None) -> None:
    """What keeps Flux from the control plane does not touch what runs there."""
    health = release_health(flux.release_cut_off(text, flux_reason, OLD), flux.source_ready())

    assert (health.state, health.keeps_ready, health.installed) == ("Failed", True, OLD)
    assert lead(health) == ("ControlPlaneAccess", FALSE, reason)
    assert health.conditions[1] == Condition("Installed", TRUE, "Deployed", "0.4.0, as last seen")
    assert health.message.endswith(f"ask the platform operator {RETRY}. 0.4.0 is what was seen there last.")
    assert event in {None, health.event}


def test_release_cut_off_before_anything_was_installed() -> None:
    """Nothing was seen on a control plane that was never reached."""
    health = release_health(flux.release_cut_off(flux.NO_ANSWER), flux.source_ready())

    assert [item[:3] for item in health.conditions] == [
        ("ControlPlaneAccess", FALSE, "Unreachable"),
        ("Installed", FALSE, "Installing"),
    ]
    assert (health.installed, health.keeps_ready) == ("", True)


def test_release_cut_off_when_poked() -> None:
    """New credentials make a failure progress, and what ran until then still counts."""
    obj = changed(flux.poked(flux.release_cut_off(version=OLD)), metadata={"generation": 2})
    relabelled = [{**item, "observedGeneration": 2} for item in obj["status"]["conditions"]]
    health = release_health(changed(obj, status={"conditions": relabelled}), flux.source_ready())

    assert (health.state, health.keeps_ready) == ("Progressing", True)
    assert release_health(flux.poked(flux.release_cut_off(version=OLD)), flux.source_ready()).keeps_ready


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"failed calling webhook: Post https://hook.{TOOLKIT}.svc: dial tcp 10.0.0.9:443: connection refused", "x"),
        ("unable to determine state for release with status 'uninstalling'", "StateError"),
        ("could not find values ConfigMap", "ValuesError"),
    ],
)
def test_failures_on_a_control_plane_that_is_reached(text: str, reason: str) -> None:
    """A webhook that does not answer is no control plane that does not answer, nor is a release in disorder."""
    reason = "InstallFailed" if reason == "x" else reason
    health = release_health(flux.release_cut_off(text, reason), flux.source_ready())

    assert lead(health) == ("Installed", FALSE, "InstallFailed")


WAITS = [
    ("SourceNotReady", "is not ready", True),
    ("ArtifactFailed", "Source not ready: artifact not found. Retrying in 30s", True),
    ("ArtifactFailed", "Could not load chart: no route to host", False),
    ("ChartMutateError", "artifact revision 1 does not match chart version 2", False),
    ("HealthCheckCanceled", "New reconciliation triggered", True),
    ("PendingRelease", "Unlocked Helm release x", True),
    ("PendingRelease", "Unlock of Helm release x failed", False),
]


@pytest.mark.parametrize(("reason", "text", "waits"), WAITS)
def test_what_only_looks_like_a_failure(reason: str, text: str, waits: bool) -> None:
    """With the chart there, some of Flux's failures are mere waiting and others are not."""
    health = release_health(flux.release_cut_off(text, reason), flux.source_ready())

    assert health.state == ("Progressing" if waits else "Failed")


@pytest.mark.parametrize("reason", ["ArtifactFailed", "ChartMutateError"])
def test_chart_that_cannot_be_loaded_yet(reason: str) -> None:
    """Without a chart every trouble with the chart is waiting."""
    health = release_health(flux.release_cut_off("could not get Source object", reason), flux.source_building())

    assert (health.state, health.message) == ("Progressing", "Installing 0.4.0: pulling the chart.")


def test_release_that_waits_for_another() -> None:
    """A release that another one has to precede says so."""
    health = release_health(flux.release_cut_off("dependency 'a/b' is not ready", "DependencyNotReady"))

    assert health.message == "Installing 0.4.0: waiting for another release: dependency 'a/b' is not ready."
