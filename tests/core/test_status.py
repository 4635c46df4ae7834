"""What a tenant reads in each situation: phase, Ready, message, added conditions, event.

The rows of the table "What a tenant reads" in docs/status.md, in its order.
"""

from openmcp_provider.domain.errors import Unauthorized, Unavailable
from openmcp_provider.domain.objects import PLATFORM, Ref
from openmcp_provider.domain.snapshot import Guarded, Missing
from tests.core.ocm_world import DIGEST, OLD_DIGEST, OcmWorld, config

TENANT = "mcp--4b6f2253-c68f-836b-927e-f2ee28e25584"
ACCESS = f"[AccessRequest {TENANT}/ocm.services.openmcp.cloud--mcp-01--mcp]"
RELEASE = f"[HelmRelease {TENANT}/sp-ocm-k8s-toolkit]"
CHART = "ghcr.io/open-component-model/kubernetes/controller/chart"
READY = "OCM K8s Toolkit 0.4.0 is installed and ready."
UNKNOWN_TAG = "failed to determine artifact digest: GET https://ghcr.io/v2/x/manifests/9.9.9: MANIFEST_UNKNOWN: unknown"
DENIED = "failed to determine artifact digest: GET https://ghcr.io/token?scope=a&service=ghcr.io: DENIED: denied"


def reads(world: OcmWorld, phase: str, ready: str, reason: str, message: str, installed: str = "") -> None:
    """Assert what the tenant reads: phase, Ready with its message, and the installed version."""
    told = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    assert (phase, ready, reason) == (world.status["phase"], told["status"], told["reason"])
    assert message == told["message"]
    assert installed == world.status.get("installedVersion", "")
    generation = world.instance["metadata"]["generation"]
    assert all(item["observedGeneration"] == generation for item in world.status["conditions"])
    assert generation == world.status["observedGeneration"]


def announced(world: OcmWorld, kind: str, reason: str, message: str | None = None) -> None:
    """Assert that one last event says so, and says it once."""
    found = [event for event in world.events if event.reason == reason]
    assert [kind] == [event.type for event in found]
    told = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    assert (told["message"] if message is None else message) == found[0].message


def test_row_1_waits_for_the_control_plane() -> None:
    """A control plane that is not there yet is waited for, without an alarm."""
    world = OcmWorld()
    world.control_plane("Pending")
    world.settle()
    reads(
        world,
        "Progressing",
        "False",
        "Reconciling",
        "Waiting for control plane default/mcp-01 to be provisioned by the platform (ClusterRequest is Pending). "
        "Nothing to do.",
    )
    assert ("False", "ControlPlaneNotReady") == world.condition("ControlPlaneAccess")
    announced(world, "Normal", "WaitingForControlPlane")


def test_row_1_finds_no_control_plane() -> None:
    """Without a control plane of that name the tenant is told which name it would have to have."""
    world = OcmWorld()
    world.settle()
    reads(
        world,
        "Progressing",
        "False",
        "Reconciling",
        'No control plane "mcp-01" in namespace "default". An OCM serves the control plane of the same name and '
        "namespace: create it, or re-create this OCM under its name.",
    )
    assert ("False", "ControlPlaneNotFound") == world.condition("ControlPlaneAccess")
    announced(world, "Warning", "ControlPlaneNotFound")


def test_row_2_is_denied_access() -> None:
    """A denial is an error that only the platform operator ends."""
    world = OcmWorld()
    world.control_plane()
    world.settle()
    world.grant("Denied")
    world.settle()
    message = f"The platform denied access to control plane default/mcp-01. Ask the platform operator {ACCESS}."
    reads(world, "Progressing", "False", "ReconcileError", message)
    assert ("False", "AccessDenied") == world.condition("ControlPlaneAccess")
    assert ("True", "AccessDenied") == world.condition("Stalled")
    announced(world, "Warning", "AccessDenied")


def test_row_3_misses_a_pull_secret() -> None:
    """A missing pull secret stops an installation and names who can add it."""
    world = OcmWorld()
    world.drop(Ref(PLATFORM, "v1", "Secret", "privateregcred", "openmcp-system"))
    world.until_written()
    message = (
        'Pull secret "privateregcred", named by ProviderConfig "ocm", is missing on the platform. '
        "Only the platform operator can add it [Secret openmcp-system/privateregcred]; "
        "installation then continues automatically."
    )
    reads(world, "Progressing", "False", "ReconcileError", message)
    assert ("False", "PullSecretNotFound") == world.condition("PullSecretsReady")
    announced(world, "Warning", "PullSecretNotFound")
    world.source("privateregcred")
    world.settle()
    assert "HelmRelease" in {kind for kind, _ in world.refs(PLATFORM)}


def test_row_3_keeps_a_running_tenant_ready() -> None:
    """What runs stays Ready when its pull secret goes; the condition tells."""
    world = OcmWorld().until_ready()
    world.drop(Ref(PLATFORM, "v1", "Secret", "privateregcred", "openmcp-system"))
    world.settle()
    reads(world, "Ready", "True", "ReconcileSuccess", READY, "0.4.0")
    assert ("False", "PullSecretNotFound") == world.condition("PullSecretsReady")
    assert ["PullSecretNotFound"] == [event.reason for event in world.events if event.type == "Warning"][-1:]


def test_row_4_asks_for_a_version_that_does_not_exist() -> None:
    """A missing version is the tenant's to mend, and what is installed stays."""
    world = OcmWorld().until_ready()
    world.edit(version="9.9.9")
    world.settle()
    world.flux_cannot_pull(UNKNOWN_TAG)
    world.settle()
    message = (
        f"Version 9.9.9 does not exist in {CHART} (MANIFEST_UNKNOWN). Set spec.version to a published version. "
        "0.4.0 stays installed."
    )
    reads(world, "Progressing", "False", "ReconcileError", message, "0.4.0")
    assert ("False", "VersionNotFound") == world.condition("ChartAvailable")
    announced(world, "Warning", "VersionNotFound")


def test_row_5_is_refused_by_the_registry() -> None:
    """A refusal names the registry and the secret by the name that the operator knows."""
    world = OcmWorld().until_written()
    world.flux_cannot_pull(DENIED)
    world.settle()
    message = (
        'Registry ghcr.io refused the chart (DENIED) with pull secret "privateregcred": wrong credentials or no such '
        "repository. Ask the platform operator [ProviderConfig ocm]; retried when the secret changes."
    )
    reads(world, "Progressing", "False", "ReconcileError", message)
    assert ("False", "RegistryAccessDenied") == world.condition("ChartAvailable")
    announced(world, "Warning", "RegistryAccessDenied")


def test_row_5_is_refused_without_a_secret() -> None:
    """Without a pull secret the message says that there is none."""
    world = OcmWorld(settings=config(chart_secret="")).until_written()
    world.flux_cannot_pull(DENIED)
    world.settle()
    told = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    assert 'refused anonymous access; ProviderConfig "ocm" names no imagePullSecret.' in told["message"]
    assert "ReconcileError" == told["reason"]


def test_row_6_installs() -> None:
    """An installation tells first that the chart is pulled, then that Helm runs."""
    world = OcmWorld().until_written()
    reads(world, "Progressing", "False", "Reconciling", "Installing 0.4.0: pulling the chart.")
    assert ("False", "Installing") == world.condition("Installed")
    announced(world, "Normal", "Installing")
    world.flux_pulls()
    world.flux_starts()
    world.settle()
    message = "Installing 0.4.0: Helm install is running on the control plane."
    reads(world, "Progressing", "False", "Reconciling", message)
    assert ("False", "Installing") == world.condition("Installed")
    assert ("True", "Pulled") == world.condition("ChartAvailable")
    chart = next(item for item in world.status["conditions"] if item["type"] == "ChartAvailable")
    assert f"0.4.0@{DIGEST}" == chart["message"]
    assert 1 == len([event for event in world.events if event.reason == "Installing"])


def test_row_7_is_ready() -> None:
    """A finished installation is Ready, with version and access told."""
    world = OcmWorld().until_ready()
    reads(world, "Ready", "True", "ReconcileSuccess", READY, "0.4.0")
    assert ("True", "Deployed") == world.condition("Installed")
    assert ("True", "Granted") == world.condition("ControlPlaneAccess")
    announced(world, "Normal", "Ready")


def test_row_8_upgrades() -> None:
    """An upgrade says from what to what, and what is installed meanwhile."""
    world = OcmWorld().until_ready()
    world.edit(version="0.5.0")
    world.settle()
    world.flux_pulls(OLD_DIGEST)
    world.flux_starts("upgrade")
    world.settle()
    message = "Upgrading from 0.4.0 to 0.5.0: Helm upgrade is running on the control plane."
    reads(world, "Progressing", "False", "Reconciling", message, "0.4.0")
    installed = next(item for item in world.status["conditions"] if item["type"] == "Installed")
    assert ("True", "Upgrading", "0.4.0") == (installed["status"], installed["reason"], installed["message"])
    assert ["Upgrading"] == [event.reason for event in world.events if event.reason == "Upgrading"]


def test_row_9_is_rolled_back() -> None:
    """A rolled back upgrade gives Helm's cause and says that nobody retries."""
    world = OcmWorld().until_ready()
    world.edit(version="0.5.0")
    world.settle()
    world.flux_pulls(OLD_DIGEST)
    world.flux_rolls_back("spec.selector: field is immutable")
    world.settle()
    told = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    assert told["message"].startswith("Upgrade to 0.5.0 failed and was rolled back; 0.4.0 is installed again. Cause: ")
    assert "field is immutable" in told["message"]
    assert told["message"].endswith(
        f"Not retried: set spec.version to a version that works, or ask the platform operator to retry {RELEASE}."
    )
    reads(world, "Progressing", "False", "ReconcileError", told["message"], "0.4.0")
    assert ("True", "RolledBack") == world.condition("Installed")
    assert ("True", "RetriesExceeded") == world.condition("Stalled")
    announced(world, "Warning", "UpgradeRolledBack")


def test_a_chart_that_rejects_the_values_can_be_corrected_by_two() -> None:
    """Values against a chart's schema: the tenant may choose another version, the operator other values (case 5.4)."""
    world = OcmWorld().until_ready()
    world.edit(version="0.5.0")
    world.settle()
    world.flux_pulls(OLD_DIGEST)
    world.flux_starts("upgrade")
    words = "values don't meet the specifications of the schema(s) in the following chart(s):\nchart:\n- at '/a': no"
    world.flux_fails("UpgradeFailed", words)
    world.settle()
    message = (
        "Upgrade to 0.5.0 failed. Cause: values don't meet the specifications of the schema(s) in the following "
        "chart(s): chart: - at '/a': no. Set spec.version to a version that accepts the configured values, or ask the "
        "platform operator [ProviderConfig ocm] to correct them."
    )
    reads(world, "Progressing", "False", "ReconcileError", message, "0.4.0")
    assert ("True", "UpgradeFailed") == world.condition("Installed")
    announced(world, "Warning", "UpgradeFailed")


def test_row_10_blocks_deletion() -> None:
    """Objects of the tenant's that need the toolkit block its removal and are named."""
    world = OcmWorld().until_ready()
    world.guarded = (
        Guarded(
            Ref("mcp", "delivery.ocm.software/v1alpha1", "Resource", "app", "team-a"),
            "suspended: resume it, else it never goes",
        ),
        Guarded(Ref("mcp", "delivery.ocm.software/v1alpha1", "Replication", "mirror", "team-a")),
    )
    world.instance["metadata"]["generation"] += 1
    world.user_deletes()
    world.settle()
    message = (
        "deletion blocked: 2 resources on the control plane must be deleted first: Replication team-a/mirror, "
        "Resource team-a/app (suspended: resume it, else it never goes). Delete them; the rest continues automatically."
    )
    reads(world, "Terminating", "False", "Terminating", message, "0.4.0")
    assert ("True", "UserResourcesPresent") == world.condition("DeletionBlocked")
    announced(world, "Warning", "DeletionBlocked")


def test_row_10_names_ten_and_counts_the_rest() -> None:
    """Of many blocking objects ten are named."""
    world = OcmWorld().until_ready()
    world.guarded = tuple(
        Guarded(Ref("mcp", "delivery.ocm.software/v1alpha1", "Component", f"c{number:02}", "x")) for number in range(12)
    )
    world.user_deletes()
    world.settle()
    told = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    assert "12 resources" in told["message"]
    assert "Component x/c09 and 2 more." in told["message"]
    assert "c10" not in told["message"]


def test_row_11_has_no_provider_config() -> None:
    """Without a ProviderConfig nothing is written but the status, and running tenants stay as they are."""
    world = OcmWorld().until_ready()
    before = {ref: dict(obj) for ref, obj in world.objects.items() if ref != world.instance_ref}
    world.config = Missing()
    world.settle()
    reads(world, "Ready", "True", "ReconcileSuccess", "OCM K8s Toolkit 0.4.0 is installed and ready.", "0.4.0")
    assert ("False", "ProviderConfigNotFound") == world.condition("ProviderConfigValid")
    assert before == {ref: dict(obj) for ref, obj in world.objects.items() if ref != world.instance_ref}


def test_row_11_has_no_provider_config_for_a_new_tenant() -> None:
    """Who is not Ready reads what is missing, and who must create it."""
    world = OcmWorld()
    world.config = Missing()
    world.control_plane()
    world.settle()
    told = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    assert told["message"].startswith("No ProviderConfig found")
    assert 'ProviderConfig "ocm"' in told["message"]
    reads(world, "Progressing", "False", "ReconcileError", told["message"])
    assert ("False", "ProviderConfigNotFound") == world.condition("ProviderConfigValid")
    announced(world, "Warning", "ProviderConfigNotFound")


def test_row_11_has_an_invalid_provider_config() -> None:
    """An invalid ProviderConfig is told without its details, which are on its own conditions."""
    world = OcmWorld(settings=config(poll_interval="1 day"))
    world.control_plane()
    world.settle()
    reads(
        world,
        "Progressing",
        "False",
        "ReconcileError",
        'ProviderConfig "ocm" is invalid: the platform operator must fix it; what is wrong is in its own conditions.',
    )
    assert ("False", "ProviderConfigInvalid") == world.condition("ProviderConfigValid")
    assert not world.log


def test_row_12a_is_suspended_by_a_person() -> None:
    """A suspended release is neither ready nor failed: a person holds it."""
    world = OcmWorld().until_ready()
    world.release["spec"]["suspend"] = True
    world.settle()
    told = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    reads(world, "Progressing", "False", "Reconciling", told["message"], "0.4.0")
    assert "suspended" in told["message"]
    assert RELEASE[1:-1] in told["message"]
    assert ("Unknown", "Suspended") == world.condition("Installed")
    announced(world, "Warning", "Suspended")


def test_row_12b_keeps_a_running_tenant_ready_when_its_control_plane_does_not_answer() -> None:
    """What Flux last saw running stays Ready; the condition says that the control plane is unreachable."""
    world = OcmWorld().until_ready()
    world.flux_fails("StateError", "failed to query: dial tcp 10.0.0.1:443: connect: connection refused")
    world.settle()
    reads(world, "Ready", "True", "ReconcileSuccess", READY, "0.4.0")
    assert ("False", "Unreachable") == world.condition("ControlPlaneAccess")
    assert "Warning" == next(event.type for event in world.events if event.reason == "ControlPlaneUnreachable")


def test_row_12b_cannot_install_on_a_control_plane_that_does_not_answer() -> None:
    """An installation that cannot reach the control plane is an error."""
    world = OcmWorld(settings=config(manager_secret="privateregcred"))
    world.control_plane()
    world.settle()
    world.dead["mcp"] = Unavailable("no route to host")
    world.grant()
    world.settle()
    told = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    reads(world, "Progressing", "False", "ReconcileError", told["message"])
    assert told["message"].startswith("Control plane default/mcp-01 cannot be reached.")
    assert ("False", "Unreachable") == world.condition("ControlPlaneAccess")
    announced(world, "Warning", "ControlPlaneUnreachable")


def test_row_12c_has_expired_credentials() -> None:
    """Credentials that are refused are told apart from a control plane that does not answer."""
    world = OcmWorld(settings=config(manager_secret="privateregcred"))
    world.control_plane()
    world.settle()
    world.dead["mcp"] = Unauthorized("token expired")
    world.grant()
    world.settle()
    assert ("False", "CredentialsExpired") == world.condition("ControlPlaneAccess")
    announced(world, "Warning", "CredentialsExpired")
    told = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    reads(world, "Progressing", "False", "ReconcileError", told["message"])


def test_row_12d_is_not_picked_up_by_flux() -> None:
    """Two minutes without a sign of Flux are the platform operator's business."""
    world = OcmWorld().until_written()
    world.pass_time(119)
    world.settle()
    assert "Reconciling" == world.condition("Ready")[1]
    world.pass_time(1)
    world.settle()
    told = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    reads(world, "Progressing", "False", "ReconcileError", told["message"])
    assert ("Unknown", "FluxNotResponding") == world.condition("Installed")
    assert "platform operator" in told["message"]
    announced(world, "Warning", "FluxNotResponding")


def test_row_12e_warns_of_charts_that_delete_their_crds() -> None:
    """Up to chart 0.5.0 uninstalling takes the CRDs along; later ones carry no such condition."""
    world = OcmWorld().until_ready()
    assert ("False", "DeletesCRDs") == world.condition("UninstallSafe")
    assert ["Warning"] == [event.type for event in world.events if event.reason == "UninstallDeletesCRDs"]
    later = OcmWorld("0.6.0").until_ready()
    assert ("", "") == later.condition("UninstallSafe")


def test_an_invalid_spec_is_told_with_every_problem_and_touches_nothing() -> None:
    """A spec that cannot be used stalls until the tenant changes it, and what runs stays."""
    world = OcmWorld().until_ready()
    writes = len(world.log)
    world.edit(version="")
    world.settle()
    told = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    assert told["message"].startswith("The spec cannot be used: spec.version is ")
    reads(world, "Progressing", "False", "ReconcileError", told["message"], "0.4.0")
    assert ("True", "InvalidSpec") == world.condition("Stalled")
    assert ("False", "InvalidSpec") == world.condition("SpecValid")
    assert writes == len(world.log)
