"""Laws of deciding and telling, under whatever openMCP, Flux, operators and tenants do in whatever order.

Every rule lets somebody act or a pass happen; every pass is held against the laws, and in the end all faults stop and
the instance must go.
"""

import copy
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from openmcp_provider.domain.copies import source_of
from openmcp_provider.domain.errors import Conflict, PortError, TooManyRequests, Unauthorized, Unavailable
from openmcp_provider.domain.names import MANAGED_BY
from openmcp_provider.domain.objects import PLATFORM, Ref, dig
from openmcp_provider.domain.ownership import WAVE
from openmcp_provider.domain.plan import Apply, Delete, Plan, explain
from openmcp_provider.domain.report import Report
from openmcp_provider.domain.snapshot import Guarded, Missing, Valid
from tests.core.ocm_world import DIGEST, OLD_DIGEST, OcmWorld, config
from tests.core.world import SYSTEM

SECRET_TEXT = "c2VjcmV0LWJ5dGVz"  # stands for what nobody may read
DOCKER = "eyJhdXRocyI6eyJyIjp7ImF1dGgiOiJjMlZqY21WMExXSjVkR1Z6In19fQ=="
CONFIGS = [
    config(),
    config(chart_secret=""),
    config(manager_secret="privateregcred"),
    config(chart_secret="other", manager_secret="privateregcred"),
    config(manager_secret="other", poll_interval="0s"),
    config(poll_interval="never"),
]
FAULTS: list[PortError] = [Unavailable("x"), Unauthorized("x"), Conflict("x"), TooManyRequests("x")]
BLOCKER = Guarded(Ref("mcp", "delivery.ocm.software/v1alpha1", "Repository", "mirror", "team-a"))
LEFTOVER = Ref("mcp", "v1", "Secret", "sh.helm.release.v1.ocm-k8s-toolkit.v1", "ocm-k8s-toolkit-system")


class Landscape(RuleBasedStateMachine):
    """One OCM in a landscape where anything may happen."""

    def __init__(self) -> None:
        super().__init__()
        self.world = OcmWorld("0.6.0")
        self.world.source("privateregcred", DOCKER)
        self.foreign = self._foreign()
        self.access_lost = False

    def _foreign(self) -> dict[Ref, Any]:
        """Have others' objects stand around; one bears our mark without being ours."""
        found = {}
        for cluster, namespace, name in (
            (PLATFORM, self.world.home, "sp-ocm-foreign"),
            ("mcp", "ocm-k8s-toolkit-system", "tenants-own"),
        ):
            ref = Ref(cluster, "v1", "Secret", name, namespace)
            labels = {
                MANAGED_BY: "ocm.services.openmcp.cloud",
                "openmcp.cloud/onboarding-name": "mcp-01",
                "openmcp.cloud/onboarding-namespace": "default",
            }
            metadata = {"name": name, "namespace": namespace, "labels": labels}
            found[ref] = copy.deepcopy(
                self.world.put(ref, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}, manager="kubectl")
            )
        return found

    @initialize(start=st.sampled_from(["new", "written", "ready"]), chosen=st.sampled_from(CONFIGS[:5]))
    def begin(self, start: str, chosen: Any) -> None:
        """Begin anywhere in a life."""
        self.world.source("other", DOCKER)
        self.world.config_is(chosen)
        if start == "written":
            self.world.until_written()
        elif start == "ready":
            self.world.until_ready()

    # -- what others do ----------------------------------------------------------------------------------------------

    @rule(phase=st.sampled_from(["", "Pending", "Granted", "Denied"]))
    def platform_answers_request(self, phase: str) -> None:
        """The scheduler moves."""
        self.world.control_plane(phase)

    @rule()
    def control_plane_vanishes(self) -> None:
        """The ClusterRequest is gone."""
        self.world.drop(Ref(PLATFORM, "clusters.openmcp.cloud/v1alpha1", "ClusterRequest", "mcp-01", self.world.home))

    @rule(exists=st.booleans())
    def cluster_exists(self, exists: bool) -> None:
        """The cluster itself is there, or not."""
        self.world.cluster_exists = exists

    @rule(phase=st.sampled_from(["Pending", "Granted", "Denied"]), secret=st.booleans())
    def platform_answers_access(self, phase: str, secret: bool) -> None:
        """The cluster provider moves."""
        self.world.grant(phase, secret=secret)

    @rule()
    def kubeconfig_goes(self) -> None:
        """The kubeconfig Secret vanishes."""
        self.world.drop(Ref(PLATFORM, "v1", "Secret", "kc-mcp", self.world.home))

    @rule(kind=st.sampled_from(["access", "source", "release"]))
    def somebody_deletes(self, kind: str) -> None:
        """Somebody deletes an object of ours by hand."""
        ref = {"access": self.world.access_ref, "source": self.world.source_ref, "release": self.world.release_ref}[
            kind
        ]
        if ref in self.world.objects:
            self.world._delete(ref)
            self.access_lost = self.access_lost or kind == "access"

    @rule(digest=st.sampled_from([DIGEST, OLD_DIGEST]))
    def source_is_fetched(self, digest: str) -> None:
        """source-controller succeeds."""
        if self.world.source_ref in self.world.objects:
            self.world.flux_pulls(digest)

    @rule(text=st.sampled_from(["MANIFEST_UNKNOWN: unknown", "DENIED: denied", "dial tcp: i/o timeout"]))
    def source_fails(self, text: str) -> None:
        """source-controller fails."""
        if self.world.source_ref in self.world.objects:
            self.world.flux_cannot_pull(text)

    @rule(action=st.sampled_from(["install", "upgrade"]), done=st.booleans())
    def release_moves(self, action: str, done: bool) -> None:
        """helm-controller works on what it sees."""
        world = self.world
        if world.release_ref in world.objects and dig(world.objects.get(world.source_ref), "status", "artifact"):
            (world.flux_deploys if done else world.flux_starts)(action)

    @rule(text=st.sampled_from(["dial tcp 10.0.0.1:443: i/o timeout", "Unauthorized"]))
    def release_cannot_reach(self, text: str) -> None:
        """helm-controller cannot reach the control plane."""
        if self.world.release_ref in self.world.objects:
            self.world.flux_fails("StateError", text)

    @rule()
    def flux_lets_go(self) -> None:
        """Flux finishes a deletion."""
        self.world.flux_lets_go()

    @rule(suspend=st.booleans())
    def person_suspends(self, suspend: bool) -> None:
        """A person suspends or resumes the release."""
        if self.world.release_ref in self.world.objects:
            self.world.release["spec"]["suspend"] = suspend

    @rule(chosen=st.sampled_from(CONFIGS))
    def operator_configures(self, chosen: Any) -> None:
        """The platform operator writes another ProviderConfig."""
        self.world.config_is(chosen)

    @rule()
    def operator_removes_config(self) -> None:
        """The platform operator deletes the ProviderConfig."""
        self.world.config = Missing()

    @rule(name=st.sampled_from(["privateregcred", "other"]), there=st.booleans())
    def operator_changes_secret(self, name: str, there: bool) -> None:
        """The platform operator adds, rotates or removes a pull secret."""
        if there:
            self.world.source(name, DOCKER)
        else:
            self.world.drop(Ref(PLATFORM, "v1", "Secret", name, SYSTEM))

    @precondition(lambda self: not self.world.gone)
    @rule(version=st.sampled_from(["0.6.0", "0.7.0", ""]))
    def tenant_edits(self, version: str) -> None:
        """The tenant asks for another version, or for none."""
        self.world.edit(version=version)

    @precondition(lambda self: not self.world.gone)
    @rule()
    def tenant_deletes(self) -> None:
        """The tenant deletes the instance."""
        self.world.user_deletes()

    @rule(error=st.sampled_from([None, *FAULTS[:2]]))
    def control_plane_dies_or_lives(self, error: PortError | None) -> None:
        """The control plane stops answering, or answers again."""
        self.world.dead = {"mcp": error} if error else {}

    @rule(step=st.sampled_from([Apply, Delete]), error=st.sampled_from([None, *FAULTS]))
    def platform_fails(self, step: type, error: PortError | None) -> None:
        """Writes of one kind fail from now on, or no more."""
        self.world.fail = {step: error} if error else {}

    @rule(guarded=st.booleans(), unlisted=st.booleans(), leftovers=st.booleans())
    def tenant_uses_the_toolkit(self, guarded: bool, unlisted: bool, leftovers: bool) -> None:
        """Objects that block come and go."""
        self.world.guarded = (BLOCKER,) if guarded else ()
        self.world.unlisted = ("components",) if unlisted else ()
        self.world.leftovers = (LEFTOVER,) if leftovers else ()

    @rule(seconds=st.sampled_from([1.0, 11.0, 61.0, 200.0, 86400.0 * 25]))
    def time_passes(self, seconds: float) -> None:
        """The clock moves."""
        self.world.pass_time(seconds)

    @rule()
    def runtime_forgets(self) -> None:
        """The process restarts: whatever was only read is gone."""
        self.world.reads, self.world.kubeconfigs, self.world.planes = {}, {}, {}

    # -- what we do, and the laws ------------------------------------------------------------------------------------

    @precondition(lambda self: not self.world.gone)
    @rule()
    def one_pass(self) -> None:
        """Decide, do and tell, once."""
        world = self.world
        before = {ref: copy.deepcopy(obj) for ref, obj in world.objects.items()}
        was = copy.deepcopy(dict(world.status))
        plan, told = world.step()
        self._writes_in_order(plan)
        self._deletes_only_ours(plan, before)
        self._ready_is_true(plan, told, was)
        self._nothing_leaks(plan, told)
        self._deletion_moves(plan, told)

    def _writes_in_order(self, plan: Plan) -> None:
        """Waves go upwards when written and downwards when deleted for good."""
        waves = [int(step.manifest["metadata"]["annotations"][WAVE]) for step in plan.steps if isinstance(step, Apply)]
        assert waves == sorted(waves)

    def _deletes_only_ours(self, plan: Plan, before: dict[Ref, Any]) -> None:
        """A delete names an object that we wrote, as it was seen."""
        for step in plan.steps:
            if isinstance(step, Delete):
                assert step.ref not in self.foreign
                assert step.uid == before[step.ref]["metadata"]["uid"]

    def _ready_is_true(self, plan: Plan, told: Report, was: dict[str, Any]) -> None:
        """Ready is written only where nothing that runs changes, and new only while the wanted version is deployed."""
        if told.status is None or self.world.gone:
            return
        status = told.status
        ready = next(item for item in status["conditions"] if item["type"] == "Ready")
        assert (status["phase"] == "Ready") == (ready["status"] == "True")
        if ready["status"] != "True":
            return
        assert not plan.changes
        assert not dig(self.world.instance, "metadata", "deletionTimestamp")
        generation = self.world.instance["metadata"]["generation"]
        before: dict[str, Any] = next((item for item in was.get("conditions", ()) if item["type"] == "Ready"), {})
        if before.get("status") == "True" and before["observedGeneration"] == generation:
            return
        assert isinstance(self.world.spec, Valid)
        version = self.world.spec.value.version
        source, release = self.world.oci, self.world.release
        tag, _, digest = source["status"]["artifact"]["revision"].partition("@")
        assert version == tag == source["spec"]["ref"]["tag"]
        newest = release["status"]["history"][0]
        assert ("deployed", digest) == (newest["status"], newest["ociDigest"])
        assert release["status"]["observedGeneration"] == release["metadata"]["generation"]
        assert not release["spec"].get("suspend")

    def _nothing_leaks(self, plan: Plan, told: Report) -> None:
        """No byte of a Secret is shown anywhere."""
        shown = repr(plan) + repr(told) + "".join(explain(plan)) + repr(self.world.snapshot().sources)
        assert DOCKER not in shown
        assert SECRET_TEXT not in shown
        assert "a3ViZWNvbmZpZw" not in shown

    def _deletion_moves(self, plan: Plan, told: Report) -> None:
        """While deleting there is a step, or words on what is waited for."""
        if self.world.gone or not dig(self.world.instance, "metadata", "deletionTimestamp"):
            return
        if not dig(self.world.instance, "metadata", "finalizers"):
            return
        assert plan.steps or plan.findings
        assert told.status is None or told.status["phase"] == "Terminating"

    @invariant()
    def foreign_objects_stay(self) -> None:
        """Whatever happens, what others own is as it was."""
        assert all(self.world.objects[ref] == obj for ref, obj in self.foreign.items())

    def teardown(self) -> None:
        """All faults stop: passes end with nothing to do and nothing new to tell, and a deletion ends."""
        world = self.world
        world.dead, world.fail, world.guarded, world.unlisted, world.leftovers = {}, {}, (), (), ()
        world.cluster_exists = True
        for _ in range(4):
            if world.gone:
                break
            world.pass_time(61)
            self._settle()
        if not world.gone:
            self._go()

    def _settle(self) -> None:
        """Go on until a pass neither does nor tells anything; a second one must be the same."""
        plan = self.world.settle(limit=30)
        if not self.world.gone:
            again, told = self.world.step()
            assert (again, told.status) == (plan, None)
            assert not told.events

    def _go(self) -> None:
        """Let platform and Flux do their part until the instance is gone."""
        world = self.world
        if not dig(world.instance, "metadata", "deletionTimestamp"):
            world.user_deletes()
        for _ in range(12):
            if world.gone:
                break
            if world.release_ref in world.objects:
                world.release["spec"]["suspend"] = False
            world.control_plane()
            world.grant()
            world.pass_time(61)
            self._settle()
            world.flux_lets_go()
        assert world.gone, [finding.message for finding in world.step()[0].findings]
        left = {
            (ref.kind, ref.name)
            for ref in world.objects
            if ref.kind in {"HelmRelease", "OCIRepository", "AccessRequest"}
        }
        assert not left
        ours = [ref for ref in world.objects if ref not in self.foreign and ref.namespace == "ocm-k8s-toolkit-system"]
        # With the access lost before anything was installed, copies on the control plane stay: docs/deletion.md.
        assert not ours or self.access_lost


Landscape.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestLandscape = Landscape.TestCase


def test_a_source_shows_nothing() -> None:
    """The law about secrets would notice a leak: the text it looks for is what is copied."""
    obj = {"kind": "Secret", "metadata": {"name": "x"}, "type": "Opaque", "data": {"a": SECRET_TEXT}}
    assert SECRET_TEXT not in repr(source_of(obj))
    assert SECRET_TEXT == source_of(obj).sealed.reveal()["data"]["a"]
