"""Access to a tenant's clusters: from the first request to the renewed kubeconfig, whatever happens in between."""

import dataclasses
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmcp_provider.domain.access import RETRY
from openmcp_provider.domain.desired import ACCESS_FINALIZER, access_of
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Ref, ref_of
from openmcp_provider.domain.plan import Create, Delete, Patch, Plan, ReadKubeconfig
from openmcp_provider.domain.reconcile import reconcile
from openmcp_provider.domain.standing import Stage, kubeconfig_ref, request_of, stage_of, unreachable
from openmcp_provider.provider import Copy, Item, Owned, Provider, Tenant, TenantCluster
from tests.core.second import ALL, GROUP, Beacon, BeaconConfig, BeaconSpec
from tests.core.world import START, World

FOREIGN = "clusters.openmcp.cloud/finalizer"
"""The finalizer by which a cluster provider holds an AccessRequest until it has cleaned up."""

DAY = timedelta(days=1)


class Plain(Provider[BeaconSpec, BeaconConfig]):
    """Reaches the tenant's control plane and wants nothing on it, but a note on the platform."""

    edition = Beacon.edition
    title, spec, config = "Beacon", BeaconSpec, BeaconConfig
    clusters: tuple[TenantCluster, ...] = (TenantCluster(id="mcp", suffix="mcp", rules=ALL, roles=("cluster-admin",)),)
    owns: tuple[Owned, ...] = (Owned(PLATFORM, "v1", "ConfigMap", "configmaps"),)

    def desired(self, tenant: Tenant[BeaconSpec, BeaconConfig]) -> Iterable[Item | Copy]:
        """Want a note."""
        metadata = {"name": "note", "namespace": tenant.home}
        yield Item(cluster=PLATFORM, manifest={"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    def poll(self, config: BeaconConfig | None) -> timedelta:
        """Never read the tenant cluster."""
        return timedelta(0)


class Both(Plain):
    """Reaches also a workload cluster, for which it asks itself."""

    clusters: tuple[TenantCluster, ...] = Beacon.clusters


class Story(World):
    """A tenant whose control plane is there."""

    def __init__(
        self, provider: Provider[BeaconSpec, BeaconConfig] | None = None, phase: str = "Granted", **place: str
    ) -> None:
        super().__init__(provider or Plain(), BeaconSpec(replicas=1), None, **place)
        self.control_plane(phase)

    @property
    def request(self) -> dict[str, Any]:
        """The AccessRequest for the control plane."""
        return self.requests()["mcp"]

    @property
    def looked(self) -> list[ReadKubeconfig]:
        """Every read of a kubeconfig so far."""
        return [step for step in self.log if isinstance(step, ReadKubeconfig)]

    @property
    def message(self) -> str:
        """What the tenant reads."""
        return next((item["message"] for item in self.status["conditions"] if item["type"] == "Ready"), "")

    def steps(self) -> list[Any]:
        """Return what would be done now."""
        return list(self.plan().steps)

    def plan(self) -> Plan:
        """Return the plan of a pass now."""
        return reconcile(self.provider, self.snapshot(), self.now)

    def granted(self) -> "Story":
        """Go on until access was granted and nothing is left to do."""
        self.step()
        self.grant()
        self.settle()
        return self

    def forget_reads(self) -> None:
        """Restart: what was read is no longer known."""
        self.kubeconfigs.clear()

    def read_at(self, created: datetime | None, expires: datetime | None, read: datetime) -> None:
        """Have read a token of these times, then."""
        known = dataclasses.replace(self.kubeconfigs["mcp"], created=created, expires=expires, read=read)
        self.kubeconfigs["mcp"] = known
        self.now = read

    def due(self) -> datetime:
        """Return when the kubeconfig is read next."""
        plan = self.plan()
        assert not plan.steps
        assert plan.look is not None
        return self.now + plan.look


WANTED = {"permissions": [{"rules": [dict(rule) for rule in ALL]}]}
ADMIN = {"kind": "ClusterRole", "name": "cluster-admin"}

DRIFTS: dict[str, dict[str, Any]] = {
    "less": {"token": {"permissions": []}},
    "another role": {"token": {**WANTED, "roleRefs": [ADMIN, {**ADMIN, "name": "view"}]}},
    "another field": {"token": {**WANTED, "roleRefs": [ADMIN], "added": {"x": 1}}},
    "more": {"token": {"permissions": [*WANTED["permissions"], {"rules": []}]}},
    "oidc": {"oidc": {"issuer": "https://example.org"}},
    "both": {"token": {**WANTED, "roleRefs": [ADMIN]}, "oidc": {"issuer": "https://example.org"}},
}
"""What people may make of an AccessRequest's spec, beside the reference that cannot be changed."""


def kinds(steps: Iterable[Any]) -> list[tuple[type, str]]:
    """Return what is done to which kind."""
    return [(type(step), step.ref.kind) for step in steps]


# -- asking ------------------------------------------------------------------------------------------------------------


def test_access_is_asked_for_by_a_post_after_the_finalizer_stands() -> None:
    """The first pass holds the instance, then creates the AccessRequest: four labels, finalizer, reference, token."""
    world = Story()
    hold, ask = world.steps()

    assert (type(hold), hold.ref.cluster) == (Patch, ONBOARDING)
    assert isinstance(ask, Create)
    assert not ask.exists_ok
    assert ask.ref == Ref(
        PLATFORM, "clusters.openmcp.cloud/v1alpha1", "AccessRequest", f"{GROUP}--mcp-01--mcp", world.home
    )
    assert ask.manifest == {
        "apiVersion": "clusters.openmcp.cloud/v1alpha1",
        "kind": "AccessRequest",
        "metadata": {
            "name": f"{GROUP}--mcp-01--mcp",
            "namespace": world.home,
            "labels": {
                "openmcp.cloud/managed-by": GROUP,
                "openmcp.cloud/managed-purpose": "default.mcp-01.mcp",
                "openmcp.cloud/onboarding-name": "mcp-01",
                "openmcp.cloud/onboarding-namespace": "default",
            },
            "finalizers": ["clusters.openmcp.cloud/clusteraccess"],
        },
        "spec": {
            "requestRef": {"name": "mcp-01", "namespace": world.home},
            "token": {
                "permissions": [{"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}],
                "roleRefs": [{"kind": "ClusterRole", "name": "cluster-admin"}],
            },
        },
    }


def test_nothing_is_asked_for_a_control_plane_that_does_not_exist() -> None:
    """Any name may be written on the onboarding cluster; the platform sees nothing of it without a ClusterRequest."""
    world = World(Plain(), BeaconSpec(replicas=1), None)
    plan = world.settle()

    assert not world.log
    assert plan.look is None
    assert world.condition("ControlPlaneAccess") == ("False", "ControlPlaneNotFound")


@pytest.mark.parametrize("phase", ["", "Pending"])
def test_access_is_asked_for_while_the_control_plane_is_still_made(phase: str) -> None:
    """Once the ClusterRequest exists the AccessRequest may wait beside it, and the tenant reads what is waited for."""
    world = Story(phase=phase)
    world.settle()

    assert (Create, "AccessRequest") in kinds(world.log)
    assert world.condition("ControlPlaneAccess") == ("False", "ControlPlaneNotReady")
    assert "ClusterRequest is Pending" in world.message


def test_a_denied_control_plane_is_an_end() -> None:
    """Where the platform denied the control plane itself, no access is asked for and a person must act."""
    world = Story(phase="Denied")
    world.settle()

    assert not world.requests()
    assert world.condition("ControlPlaneAccess") == ("False", "ControlPlaneDenied")
    assert world.condition("Stalled")[0] == "True"


def test_a_request_without_answer_is_waited_for() -> None:
    """A pending request needs nothing from us: no step, no clock, only words."""
    world = Story()
    plan = world.settle()

    assert (plan.steps, plan.look) == ((), None)
    assert world.condition("ControlPlaneAccess") == ("False", "AccessPending")
    assert world.message.startswith("Waiting for the platform to grant access to control plane default/mcp-01")


def test_a_denied_access_is_an_end_that_names_who_can_help() -> None:
    """A denial is told once and for all, with the request that the platform operator must look at."""
    world = Story()
    world.step()
    world.grant("Denied")
    plan = world.settle()

    assert (plan.steps, plan.look) == ((), None)
    assert world.condition("ControlPlaneAccess") == ("False", "AccessDenied")
    assert world.condition("Stalled") == ("True", "AccessDenied")
    assert f"[AccessRequest {world.home}/{GROUP}--mcp-01--mcp]" in world.message


@pytest.mark.parametrize("phase", ["Granted", "Denied"])
def test_an_answer_to_an_older_generation_is_no_answer(phase: str) -> None:
    """Neither a grant nor a denial counts until it is for what is asked now."""
    world = Story()
    world.step()
    world.grant(phase)
    world.request["metadata"]["generation"] += 1
    world.settle()

    assert not world.looked
    assert world.condition("ControlPlaneAccess") == ("False", "AccessPending")

    world.grant()
    world.settle()

    assert len(world.looked) == 1
    assert world.condition("Ready")[0] == "True"


def test_a_grant_without_a_secret_reference_is_told() -> None:
    """A granted request that names no Secret cannot be used, and the platform operator is asked."""
    world = Story()
    world.step()
    world.grant()
    del world.request["status"]["secretRef"]
    plan = world.settle()

    assert (plan.steps, plan.look) == ((), None)
    assert not world.looked
    assert world.condition("ControlPlaneAccess") == ("False", "KubeconfigMissing")
    assert "is granted but names no Secret" in world.message


@pytest.mark.parametrize(
    ("data", "told"),
    [(None, "kc-mcp, which does not exist"), ({}, 'kc-mcp, which cannot be used: it has no key "kubeconfig"')],
)
def test_a_kubeconfig_that_is_not_there_is_looked_for_again(data: dict[str, str] | None, told: str) -> None:
    """A missing Secret, or one without the key, is told by name and read again after a while, until it is right."""
    world = Story()
    world.step()
    world.grant(secret=data is not None)
    ref = Ref(PLATFORM, "v1", "Secret", "kc-mcp", world.home)
    if data is not None:
        world.objects[ref]["data"] = data
    plan = world.settle()

    assert plan.look == RETRY
    assert world.condition("ControlPlaneAccess") == ("False", "KubeconfigMissing")
    assert told in world.message

    world.pass_time(RETRY.total_seconds() - 1)

    assert not world.steps()

    world.pass_time(1)

    assert len(world.steps()) == 1

    world.kubeconfig("kc-mcp")
    world.settle()

    assert world.condition("ControlPlaneAccess") == ("True", "Granted")
    assert world.condition("Ready")[0] == "True"


# -- whose it is -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [None, "", "somebody.else"])
@pytest.mark.parametrize(
    "label",
    ["managed-by", "managed-purpose", "onboarding-name", "onboarding-namespace"],
)
def test_a_request_that_lacks_any_of_our_labels_is_left_alone(label: str, change: str | None) -> None:
    """A request under our name that somebody else labelled is neither changed nor used, granted or not."""
    world = Story()
    world.step()
    world.grant()
    labels = world.request["metadata"]["labels"]
    labels.pop(f"openmcp.cloud/{label}") if change is None else labels.update({f"openmcp.cloud/{label}": change})
    world.request["spec"]["token"] = {}
    world.request["metadata"]["finalizers"] = []
    before = repr(world.request)
    plan = world.settle()

    assert (plan.steps, plan.look) == ((), None)
    assert repr(world.request) == before
    assert not world.looked
    assert world.condition("ControlPlaneAccess") == ("False", "AccessRequestNotOurs")
    assert world.condition("Stalled")[0] == "True"

    world.user_deletes()
    world.settle()

    assert world.gone
    assert repr(world.request) == before


def test_labels_of_others_do_not_matter() -> None:
    """The platform adds labels of its own to a request, which stays ours."""
    world = Story().granted()
    world.request["metadata"]["labels"]["clusters.openmcp.cloud/provider"] = "kind"

    assert not world.steps()


@given(st.text("ab", min_size=40, max_size=100))
def test_labels_written_whole_are_ours(name: str) -> None:
    """The older program wrote long label values as they are; a request that it made is taken as ours."""
    (asked,) = access_of(Plain(), name, "default", "mcp--home")
    whole = {
        "openmcp.cloud/managed-by": GROUP,
        "openmcp.cloud/managed-purpose": f"default.{name}.mcp",
        "openmcp.cloud/onboarding-name": name,
        "openmcp.cloud/onboarding-namespace": "default",
    }
    request = {**asked.access, "metadata": {**asked.access["metadata"], "labels": whole, "generation": 1}}
    other = {
        **request,
        "metadata": {**request["metadata"], "labels": {**whole, "openmcp.cloud/onboarding-name": "b" + name}},
    }
    world = Story(name=name)
    snapshot = world.snapshot()

    assert stage_of(asked, dataclasses.replace(snapshot, access={"mcp": request})) is Stage.PENDING
    assert stage_of(asked, dataclasses.replace(snapshot, access={"mcp": other})) is Stage.FOREIGN


# -- keeping it --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", DRIFTS.values(), ids=DRIFTS)
def test_a_changed_token_is_put_right(spec: dict[str, Any]) -> None:
    """Rights that somebody took away, added, or asked for by other means are what they were after one patch."""
    world = Story(Plain()).granted()
    wanted = world.request["spec"]
    kept = {key: value for key, value in wanted.items() if key not in {"token", "oidc"}}
    world.request["spec"] = {**kept, **spec}
    (step,) = world.steps()

    assert (type(step), step.ref.kind, step.uid) == (Patch, "AccessRequest", world.request["metadata"]["uid"])

    world.step()

    assert world.request["spec"] == wanted

    world.grant()
    world.settle()

    assert world.condition("Ready")[0] == "True"


def test_roles_that_nobody_asked_for_are_taken_away() -> None:
    """Where no role is wanted, one that somebody added goes, and does not come up again and again."""
    world = Story(Both()).granted()
    wanted = dict(world.request["spec"]["token"])
    world.request["spec"]["token"] = {**wanted, "roleRefs": [{"kind": "ClusterRole", "name": "cluster-admin"}]}
    world.step()

    assert world.request["spec"]["token"] == wanted

    world.grant()
    world.settle()


@pytest.mark.parametrize("others", [[], [FOREIGN]])
def test_a_lost_finalizer_is_put_back(others: list[str]) -> None:
    """Our finalizer comes back and everybody else's stay."""
    world = Story().granted()
    world.request["metadata"]["finalizers"] = list(others)
    world.settle()

    assert world.request["metadata"]["finalizers"] == [*others, ACCESS_FINALIZER]


def test_of_two_repairs_the_guarded_one_comes_first() -> None:
    """The patch that tests a resourceVersion goes before the one that changes it, else every double repair fails."""
    world = Story().granted()
    world.request["metadata"]["finalizers"] = []
    world.request["spec"]["token"] = {}
    guarded, free = world.steps()

    assert guarded.body[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "1"}
    assert free.kind == "merge"
    assert "resourceVersion" not in free.body["metadata"]

    world.settle()

    assert world.request["metadata"]["finalizers"] == [ACCESS_FINALIZER]


def test_what_others_write_on_a_request_stays() -> None:
    """The reference that the platform fills in, its labels, annotations and finalizer are no drift."""
    world = Story().granted()
    world.request["spec"]["clusterRef"] = {"name": "mcp-xqklscif", "namespace": world.home}
    world.request["metadata"]["annotations"] = {"clusters.open-control-plane.io/local-access": "https://127.0.0.1:1"}
    world.request["metadata"]["finalizers"].append(FOREIGN)

    assert not world.steps()


def test_a_request_that_is_being_deleted_is_let_go_and_made_anew() -> None:
    """Somebody deleted the request while the instance lives: our finalizer goes, theirs stays, a new one follows."""
    world = Story().granted()
    old = world.request
    old["metadata"] |= {"deletionTimestamp": START.isoformat(), "finalizers": [FOREIGN, ACCESS_FINALIZER]}
    (release,) = world.steps()

    assert (type(release), release.uid) == (Patch, old["metadata"]["uid"])

    world.settle()

    assert old["metadata"]["finalizers"] == [FOREIGN]
    assert not world.steps()
    assert world.condition("ControlPlaneAccess") == ("False", "AccessPending")

    world.drop(ref_of(PLATFORM, old))
    (create,) = world.steps()

    assert (type(create), create.ref.kind) == (Create, "AccessRequest")

    world.step()
    world.grant()
    world.settle()

    assert len(world.looked) == 2
    assert world.condition("ControlPlaneAccess") == ("True", "Granted")


def test_a_deleted_request_is_let_go_even_if_nobody_else_holds_it() -> None:
    """A request that only we hold goes with our finalizer, and the next pass asks again."""
    world = Story().granted()
    world.request["metadata"]["deletionTimestamp"] = START.isoformat()
    world.step()

    assert not world.requests()

    world.step()

    assert "deletionTimestamp" not in world.request["metadata"]


def test_an_instance_that_is_written_again_is_served_again() -> None:
    """Nothing is remembered of a deletion: an instance of the same name gets its access like any other."""
    world = Story().granted()
    first = world.instance
    world.user_deletes()
    world.settle()

    assert world.gone

    world.put(world.instance_ref, {**first, "metadata": {"name": "mcp-01", "namespace": "default", "generation": 1}})
    world.granted()

    assert world.condition("Ready")[0] == "True"


@given(st.lists(st.sampled_from(["a", "b", ACCESS_FINALIZER]), unique=True))
def test_a_finalizer_comes_and_goes_alone(held: list[str]) -> None:
    """Adding ours keeps all others in their order, and so does taking it away, guarded by what was read."""
    world = Story().granted()
    world.request["metadata"]["finalizers"] = list(held)
    others = [name for name in held if name != ACCESS_FINALIZER]
    world.settle()

    assert sorted(world.request["metadata"]["finalizers"]) == sorted([*others, ACCESS_FINALIZER])
    assert [name for name in world.request["metadata"]["finalizers"] if name != ACCESS_FINALIZER] == others

    world.request["metadata"] |= {"deletionTimestamp": START.isoformat(), "finalizers": ["c", *held]}
    for step in world.steps():
        assert {"op": "test", "path": "/metadata/uid", "value": step.uid} == step.body[0]
    world.step()

    assert world.request["metadata"]["finalizers"] == ["c", *others]


# -- reading it --------------------------------------------------------------------------------------------------------


def test_a_kubeconfig_is_read_once_a_grant() -> None:
    """Passes, hours and status changes cost no further read; nothing else is done before the read."""
    world = Story()
    world.step()
    world.grant()
    (read,) = world.steps()

    assert isinstance(read, ReadKubeconfig)
    assert read.ref == Ref(PLATFORM, "v1", "Secret", "kc-mcp", world.home)
    assert not world.plan().known

    for _ in range(20):
        world.settle()
        world.pass_time(3600)

    assert len(world.looked) == 1


@pytest.mark.parametrize("how", ["generation", "uid", "secret", "restart"])
def test_a_kubeconfig_is_read_again_for_another_grant(how: str) -> None:
    """A new generation, a new request, another Secret, or a process that remembers nothing: one more read."""
    world = Story().granted()
    if how == "generation":
        world.request["metadata"]["generation"] += 1
        world.grant()
    elif how == "uid":
        world.request["metadata"]["uid"] = "another"
    elif how == "secret":
        world.kubeconfig("kc-other")
        world.request["status"]["secretRef"] = {"name": "kc-other"}
    else:
        world.forget_reads()
    world.settle()

    assert len(world.looked) == 2
    assert world.looked[-1].ref.name == ("kc-other" if how == "secret" else "kc-mcp")
    assert world.condition("Ready")[0] == "True"


lives = st.timedeltas(min_value=timedelta(hours=1), max_value=timedelta(days=400))
instances = st.text("abcdefgh-0123", min_size=1, max_size=40)


@given(lives, st.floats(0, 0.8), instances)
def test_a_kubeconfig_is_read_again_after_the_platform_renews_it_and_before_it_expires(
    life: timedelta, age: float, name: str
) -> None:
    """The platform renews at four fifths of a token's life: the next read is due in 82 to 92 % of it."""
    world = Story(name=name).granted()
    world.read_at(START, START + life, START + life * age)
    due = world.due()

    assert 0.8 * life < due - START < life
    assert 0.82 * life <= due - START + timedelta(microseconds=1)
    assert due - START <= 0.92 * life + timedelta(microseconds=1)

    world.now = due - timedelta(microseconds=1)

    assert not world.steps()

    world.now = due

    assert [step.why for step in world.steps()] == ["its token expires soon"]


def test_a_fleet_does_not_read_at_once() -> None:
    """The moment of the next read differs by tenant and fills the whole window."""
    life, moments = 30 * DAY, []
    for number in range(200):
        world = Story(name=f"mcp-{number}").granted()
        world.read_at(START, START + life, START)
        moments.append((world.due() - START) / life)

    for tenth in range(10):
        low = 0.82 + tenth / 100
        assert any(low <= moment < low + 0.01 for moment in moments), f"none from {low:.2f}"


@given(lives, instances)
@settings(max_examples=30)
def test_each_token_is_read_once(life: timedelta, name: str) -> None:
    """While the platform renews in time, a token is never read twice and never used when expired."""
    world = Story(name=name).granted()
    world.read_at(START, START + life, START)
    seen = [START]
    for _ in range(8):
        expires = seen[-1] + life
        world.now = world.due()
        assert world.now < expires
        (step,) = world.steps()
        assert isinstance(step, ReadKubeconfig)
        # The platform renewed at 0.8, as soon as it saw that, again and again.
        made = seen[-1] + 0.8 * life * ((world.now - seen[-1]) // (0.8 * life))
        assert made > seen[-1]
        seen.append(made)
        world.read_at(made, made + life, world.now)

        assert not world.steps()


@given(lives, st.floats(0, 0.999), instances)
@settings(max_examples=30)
def test_a_token_that_is_not_renewed_is_read_ever_nearer_to_its_end(life: timedelta, age: float, name: str) -> None:
    """A platform that is late is asked again, not often, at last before the end if that is not within moments."""
    world = Story(name=name).granted()
    expires = START + life
    world.read_at(START, expires, START + life * age)
    reads: list[datetime] = []
    while world.now < expires:
        before = world.now
        world.now = world.due()
        assert world.now >= before + min(RETRY, 0.02 * life)
        reads.append(world.now)
        world.read_at(START, expires, world.now)

    assert len(reads) <= 60
    if life * (1 - age) > 4 * RETRY:
        assert reads[0] < expires


def test_expired_credentials_are_found_and_healed() -> None:
    """A token that the platform did not renew is told from its last second on, read again soon, and good once new."""
    world = Story().granted()
    world.read_at(START, START + DAY, START + DAY - timedelta(seconds=1))
    world.settle()

    assert world.condition("ControlPlaneAccess") == ("True", "Granted")

    world.now = START + DAY
    plan = world.plan()

    assert [finding.condition.reason for finding in plan.findings] == ["CredentialsExpired"]

    world.read_at(START, START + DAY, START + DAY)
    plan = world.settle()

    assert world.condition("ControlPlaneAccess") == ("False", "CredentialsExpired")
    assert world.condition("Ready")[0] == "True"
    assert plan.look == RETRY

    world.pass_time(RETRY.total_seconds())
    world.settle()

    assert world.condition("ControlPlaneAccess") == ("True", "Granted")


def test_a_token_of_unknown_end_is_not_read_again() -> None:
    """Where the platform does not say when a token ends, only a refusal tells; no clock runs."""
    world = Story().granted()
    world.read_at(START, None, START)
    plan = world.plan()

    assert (plan.steps, plan.look) == ((), None)


@given(lives, instances)
def test_a_token_of_unknown_beginning_is_read_before_its_end(life: timedelta, name: str) -> None:
    """Where the platform says only when a token ends, its life counts from the read."""
    world = Story(name=name).granted()
    world.read_at(None, START + life, START)

    assert 0.8 * life < world.due() - START < life


# -- another cluster ---------------------------------------------------------------------------------------------------


def test_a_workload_cluster_is_requested_before_its_access() -> None:
    """A cluster that nobody else asks for gets a ClusterRequest, created before the AccessRequest that names it."""
    world = Story(Both())
    steps = world.steps()

    assert kinds(steps[1:]) == [(Create, "ClusterRequest"), (Create, "AccessRequest"), (Create, "AccessRequest")]
    cluster, _, access = (step.manifest for step in steps[1:])

    assert cluster["spec"] == {"purpose": "workload"}
    assert cluster["metadata"]["name"] == access["metadata"]["name"] == f"{GROUP}--mcp-01--wl"
    assert access["spec"]["requestRef"] == {"name": f"{GROUP}--mcp-01--wl", "namespace": world.home}
    assert access["metadata"]["labels"]["openmcp.cloud/managed-purpose"] == "default.mcp-01.workload"


def test_nothing_is_written_before_every_cluster_is_granted_and_read() -> None:
    """As long as one access is missing the items wait, and the kubeconfig of the other is read all the same."""
    world = Story(Beacon())
    world.step()
    world.grant()
    world.requests()["workload"]["status"] = {"phase": "Pending", "observedGeneration": 1}
    world.settle()

    assert [step.cluster for step in world.looked] == ["mcp"]
    assert not world.refs("workload")

    world.grant()
    plan = world.plan()

    assert [type(step) for step in plan.steps] == [ReadKubeconfig]

    world.settle()

    assert ("ConfigMap", "ca-bundle") not in world.refs("workload")
    assert world.condition("ConfigMapsReady") == ("False", "ConfigMapNotFound")


def test_a_denied_workload_cluster_is_told() -> None:
    """A denial of the cluster itself is no waiting for access to it: a person must act, on the ClusterRequest."""
    world = Story(Both())
    world.step()
    made = world.objects[
        Ref(PLATFORM, "clusters.openmcp.cloud/v1alpha1", "ClusterRequest", f"{GROUP}--mcp-01--wl", world.home)
    ]
    made["status"] = {"phase": "Denied", "observedGeneration": 1}
    plan = world.settle()

    assert (plan.steps, plan.look) == ((), None)
    assert world.condition("Stalled")[0] == "True"
    assert world.message == (
        "The platform denied workload cluster default/mcp-01. "
        f"Ask the platform operator [ClusterRequest {world.home}/{GROUP}--mcp-01--wl]."
    )


def test_somebody_elses_workload_cluster_is_not_used() -> None:
    """A ClusterRequest under our name that is not ours is left alone, and no access to its cluster is asked for."""
    world = Story(Both())
    (_, asked) = access_of(Both(), "mcp-01", "default", world.home)
    assert asked.request is not None
    ref = ref_of(PLATFORM, asked.request)
    world.put(ref, {**asked.request, "metadata": {**asked.request["metadata"], "labels": {}}})
    before = repr(world.objects[ref])
    world.settle()

    assert repr(world.objects[ref]) == before
    assert set(world.requests()) == {"mcp"}
    assert world.condition("ControlPlaneAccess") == ("False", "ClusterRequestNotOurs")
    assert f"[ClusterRequest {world.home}/{ref.name}]" in world.message

    world.user_deletes()
    world.settle()

    assert world.gone
    assert repr(world.objects[ref]) == before


@pytest.mark.parametrize(
    ("reason", "event", "begins"),
    [
        ("Unreachable", "ControlPlaneUnreachable", "Workload cluster default/mcp-01 cannot be reached."),
        ("Forbidden", "ControlPlaneForbidden", "Workload cluster default/mcp-01 refuses what the provider must do"),
        (
            "CredentialsExpired",
            "CredentialsExpired",
            "The credentials for workload cluster default/mcp-01 have expired",
        ),
    ],
)
def test_a_cluster_that_does_not_let_us_in_is_told_by_name(reason: str, event: str, begins: str) -> None:
    """Each way of not being let in has its words and event, names the request, and leaves alone what runs."""
    world = Story(Both())
    found = unreachable(world.snapshot(), world.accesses["workload"], reason)

    assert (found.condition.type, found.condition.reason) == ("ControlPlaneAccess", reason)
    assert (found.keeps_ready, found.stalled) == (True, "")
    assert found.announcement.type == "Warning"
    assert found.announcement.reason == event
    assert found.message.startswith(begins)
    assert f"[AccessRequest {world.home}/{GROUP}--mcp-01--wl]" in found.message


def test_a_workload_cluster_is_given_up_after_its_access() -> None:
    """In deletion the AccessRequests go first, then our ClusterRequest; the control plane's own stays."""
    world = Story(Both()).granted()
    _, asked = world.accesses.values()
    made = request_of(asked, world.snapshot())
    assert made is not None
    ref = ref_of(PLATFORM, made)
    world.objects[ref]["metadata"]["finalizers"] = ["clusters.openmcp.cloud/request"]
    world.user_deletes()
    world.settle()

    assert world.instance
    assert not world.requests()
    assert not world.steps()

    world.drop(ref)
    world.settle()

    assert world.gone
    assert [step.ref.kind for step in world.log if isinstance(step, Delete)] == [
        "ConfigMap",
        "AccessRequest",
        "AccessRequest",
        "ClusterRequest",
    ]
    assert (
        world.find("ClusterRequest")
        == world.objects[Ref(PLATFORM, "clusters.openmcp.cloud/v1alpha1", "ClusterRequest", "mcp-01", world.home)]
    )


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 30, 31, 63, 253])
def test_an_instance_of_any_name_gets_access(length: int) -> None:
    """Long names are shortened alike wherever they are used, so that what was asked for is found again."""
    world = Story(Both(), name="n" * length, namespace="s" * 63).granted()
    (request, other) = world.requests().values()

    assert world.condition("Ready")[0] == "True"
    assert request["spec"]["requestRef"]["name"] == "n" * length
    for found, suffix in ((request, "--mcp"), (other, "--wl")):
        assert len(found["metadata"]["name"]) <= 63
        assert found["metadata"]["name"].endswith(suffix)
        assert all(len(value) <= 63 for value in found["metadata"]["labels"].values())

    world.user_deletes()
    world.settle()

    assert world.gone
    assert not world.requests()


@given(instances, instances)
def test_two_instances_never_share_a_request(one: str, other: str) -> None:
    """Requests of two instances differ in name or namespace, unless the instances are the same."""
    first, second = Story(name=one), Story(name=other)
    same = [asked.access["metadata"]["name"] for asked in first.accesses.values()] == [
        asked.access["metadata"]["name"] for asked in second.accesses.values()
    ] and first.home == second.home

    assert same == (one == other)


def test_behind_each_cluster_is_one_cluster_request() -> None:
    """The control plane has its own ClusterRequest, a workload cluster the one that was made for it."""
    world = Story(Both()).granted()
    found = [request_of(asked, world.snapshot()) for asked in world.accesses.values()]

    assert [request["metadata"]["name"] for request in found if request] == ["mcp-01", f"{GROUP}--mcp-01--wl"]


def test_a_kubeconfig_is_where_the_request_says() -> None:
    """Without a request, or with one that names none, the default name serves for a preview."""
    (asked,) = access_of(Plain(), "mcp-01", "default", "mcp--home")

    assert kubeconfig_ref(asked, None) == kubeconfig_ref(asked, {"status": {}}) == asked.secret
    assert kubeconfig_ref(asked, {"status": {"secretRef": {"name": "x"}}}) == asked.secret._replace(name="x")
