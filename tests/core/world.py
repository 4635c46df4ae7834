"""A small world for the decision functions: objects in dictionaries, reads and writes done at once, no I/O.

It carries plans out the way an executor would, and offers hands to play openMCP, Flux and people.
"""

import copy
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from openmcp_provider.domain.conditions import Event
from openmcp_provider.domain.contested import kind_of, sent
from openmcp_provider.domain.copies import source_of
from openmcp_provider.domain.desired import ACCESS_API, access_of
from openmcp_provider.domain.errors import AlreadyExists, Conflict, NotFound, PortError, Unauthorized, Unavailable
from openmcp_provider.domain.names import MANAGED_BY, tenant_namespace
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Ref, dig, ref_of
from openmcp_provider.domain.ownership import Live, observe, take_over_patch
from openmcp_provider.domain.plan import (
    Apply,
    Create,
    Delete,
    Done,
    Failed,
    Patch,
    Plan,
    ReadCluster,
    ReadKubeconfig,
    ReadPlane,
    Step,
    TakeOver,
)
from openmcp_provider.domain.reconcile import marked_owner, reconcile
from openmcp_provider.domain.report import Report, report
from openmcp_provider.domain.snapshot import (
    Content,
    Guarded,
    Invalid,
    Kubeconfig,
    Missing,
    NotRead,
    Plane,
    Refused,
    Sent,
    Snapshot,
    Unreachable,
    Valid,
)
from openmcp_provider.domain.status import says_ready
from openmcp_provider.provider import Problem, Provider
from openmcp_provider.runtime.reader import refusal

START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SYSTEM = "openmcp-system"


class World:
    """One tenant of one provider.

    Args:
        provider: The provider under test.
        spec: The decoded spec of its instance, None for one that cannot be decoded.
        config: The decoded config, None without a ProviderConfig.
        name: Name of the instance.
        namespace: Its namespace.
    """

    def __init__(
        self, provider: Provider[Any, Any], spec: Any, config: Any, *, name: str = "mcp-01", namespace: str = "default"
    ) -> None:
        self.provider = provider
        self.spec: Valid[Any] | Invalid = (
            Valid(spec) if spec is not None else Invalid((Problem("spec", "bad", "good"),))
        )
        self.config: Valid[Any] | Invalid | Missing = Valid(config) if config is not None else Missing()
        self.now = START
        self.name, self.namespace, self.home = name, namespace, tenant_namespace(name, namespace)
        self.objects: dict[Ref, dict[str, Any]] = {}
        self.reads: dict[str, NotRead | Unreachable | Refused | Content] = {}
        self.kubeconfigs: dict[str, Kubeconfig] = {}
        self.planes: dict[str, Plane] = {}
        self.dead: dict[str, PortError] = {}
        self.met: set[Ref] = set()
        self.sent: dict[tuple[Ref, str], Sent] = {}
        self.policy: Callable[[dict[str, Any]], None] = lambda _: None
        self.guarded: tuple[Guarded, ...] = ()
        self.unlisted: tuple[str, ...] = ()
        self.unserved: set[tuple[str, str]] = set()
        self.leftovers: tuple[Ref, ...] = ()
        self.cluster_exists = True
        self.fail: dict[type, PortError] = {}
        self.events: list[Event] = []
        self.log: list[Step] = []
        self.last: Report = Report()
        self._uids = itertools.count(1)
        self._named = {ref for ref, _ in provider.unmarked(name, namespace) if ref.name}  # chosen when caches begin
        edition = provider.edition
        self.instance_ref = Ref(ONBOARDING, edition.api_version, edition.kind, name, namespace)
        metadata = {"name": name, "namespace": namespace, "generation": 1}
        self.put(self.instance_ref, {"apiVersion": edition.api_version, "kind": edition.kind, "metadata": metadata})
        self.accesses = {asked.cluster.id: asked for asked in access_of(provider, name, namespace, self.home)}

    # -- objects -------------------------------------------------------------------------------------------------

    @property
    def instance(self) -> dict[str, Any]:
        """The instance; an empty object once it is gone."""
        return self.objects.get(self.instance_ref, {})

    @property
    def gone(self) -> bool:
        """Whether the instance is gone."""
        return self.instance_ref not in self.objects

    @property
    def status(self) -> Mapping[str, Any]:
        """The instance's status."""
        status: Mapping[str, Any] = self.instance.get("status", {})
        return status

    def condition(self, kind: str) -> tuple[str, str]:
        """Return status and reason of a condition, empty where it is absent."""
        for item in self.status.get("conditions", ()):
            if item["type"] == kind:
                return item["status"], item["reason"]
        return "", ""

    def put(self, ref: Ref, obj: Mapping[str, Any], manager: str = "") -> dict[str, Any]:
        """Write an object as anybody might, without asking."""
        made = copy.deepcopy(dict(obj))
        made["metadata"] = {"uid": f"u{next(self._uids)}", "resourceVersion": "1", **made["metadata"]}
        if manager:
            made["metadata"]["managedFields"] = [self._entry(manager, "Update", made)]
        self.objects[ref] = made
        return made

    def find(self, kind: str, cluster: str = PLATFORM) -> dict[str, Any] | None:
        """Return the only object of a kind on a cluster, None if there is none."""
        found = [obj for ref, obj in self.objects.items() if ref.kind == kind and ref.cluster == cluster]
        assert len(found) <= 1, f"more than one {kind} on {cluster}"
        return found[0] if found else None

    def refs(self, cluster: str) -> set[tuple[str, str]]:
        """Return kind and name of everything on a cluster."""
        return {(ref.kind, ref.name) for ref in self.objects if ref.cluster == cluster}

    def drop(self, ref: Ref) -> None:
        """Make an object vanish."""
        self.objects.pop(ref, None)

    # -- hands -----------------------------------------------------------------------------------------------------

    def source(self, name: str, value: str = "eyJhdXRocyI6e319", kind: str = "kubernetes.io/dockerconfigjson") -> None:
        """Have the platform operator write a pull secret."""
        data = {".dockerconfigjson": value} if kind.endswith("dockerconfigjson") else {"value": value}
        metadata = {"name": name, "namespace": SYSTEM}
        self.put(
            Ref(PLATFORM, "v1", "Secret", name, SYSTEM),
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": data},
        )

    def control_plane(self, phase: str = "Granted") -> None:
        """Have the platform make the control plane's own ClusterRequest."""
        ref = Ref(PLATFORM, ACCESS_API, "ClusterRequest", self.name, self.home)
        metadata = {"name": self.name, "namespace": self.home, "generation": 1}
        status = {"phase": phase, "observedGeneration": 1} if phase else {}
        self.put(ref, {"apiVersion": ACCESS_API, "kind": "ClusterRequest", "metadata": metadata, "status": status})

    def requests(self) -> dict[str, dict[str, Any]]:
        """Return the AccessRequest of each tenant cluster that has one."""
        refs = {cluster: ref_of(PLATFORM, asked.access) for cluster, asked in self.accesses.items()}
        return {cluster: self.objects[ref] for cluster, ref in refs.items() if ref in self.objects}

    def grant(self, phase: str = "Granted", *, secret: bool = True) -> None:
        """Have the platform answer every AccessRequest."""
        for cluster, request in self.requests().items():
            name = f"kc-{cluster}"
            status = {"phase": phase, "observedGeneration": request["metadata"].get("generation", 0)}
            request["status"] = {**status, **({"secretRef": {"name": name}} if phase == "Granted" else {})}
            if phase == "Granted" and secret:
                self.kubeconfig(name)

    def kubeconfig(self, name: str, content: str = "a3ViZWNvbmZpZw==") -> None:
        """Have the platform write a kubeconfig Secret."""
        metadata = {"name": name, "namespace": self.home}
        data = {"kubeconfig": content}
        self.put(
            Ref(PLATFORM, "v1", "Secret", name, self.home),
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data},
        )

    def user_deletes(self) -> None:
        """Have the tenant delete the instance."""
        self._delete(self.instance_ref)

    def edit(self, **change: Any) -> None:
        """Have the tenant change the spec."""
        assert isinstance(self.spec, Valid)
        self.spec = Valid(type(self.spec.value)(**change))
        self.instance["metadata"]["generation"] += 1

    # -- the runtime's part ------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot[Any, Any]:
        """Return what caches and reads hold."""
        own = self.provider.edition.field_manager
        requests = {
            cluster: self.objects[ref]
            for cluster, asked in self.accesses.items()
            if asked.request and (ref := ref_of(PLATFORM, asked.request)) in self.objects
        }
        control_plane = self.objects.get(Ref(PLATFORM, ACCESS_API, "ClusterRequest", self.name, self.home))
        sources = {
            (ref.kind, ref.name): source_of(obj)
            for ref, obj in self.objects.items()
            if ref.cluster == PLATFORM and ref.namespace == SYSTEM and ref.kind in {"Secret", "ConfigMap"}
        }
        return Snapshot(
            instance=copy.deepcopy(self.instance),
            spec=self.spec,
            config=self.config,
            config_name=self.provider.edition.name,
            namespace=SYSTEM,
            control_plane=copy.deepcopy(control_plane),
            requests=copy.deepcopy(requests),
            access=copy.deepcopy(self.requests()),
            kubeconfigs=dict(self.kubeconfigs),
            sources=sources,
            live={ref: observe(obj, own) for ref, obj in self._watched()},
            reads=dict(self.reads),
            planes=dict(self.planes),
            sent=dict(self.sent),
            unserved=tuple(
                sorted(
                    owned[1:3]
                    for owned in self.provider.owns
                    if owned.cluster == PLATFORM and owned[1:3] in self.unserved
                )
            ),
        )

    def _watched(self) -> Iterable[tuple[Ref, dict[str, Any]]]:
        """Yield what the platform's caches hold: what is marked, or bears a fixed name, or was met."""
        kinds = {(owned.api_version, owned.kind) for owned in self.provider.owns if owned.cluster == PLATFORM}
        for ref, obj in self.objects.items():
            if ref.cluster != PLATFORM or ref.namespace != self.home or (ref.api_version, ref.kind) not in kinds:
                continue
            marked = MANAGED_BY in (dig(obj, "metadata", "labels") or {})
            if marked or ref in self._named or ref in self.met:
                yield ref, obj

    def step(self) -> tuple[Plan, Report]:
        """Do one pass; return its plan and report."""
        snapshot = self.snapshot()
        plan = reconcile(self.provider, snapshot, self.now)
        outcome = self.execute(plan)
        told = report(self.provider, snapshot, plan, outcome, self.now)
        if told.status is not None and not self.gone:
            self.instance["status"] = copy.deepcopy(dict(told.status))
        self.events.extend(told.events)
        self.last = told
        return plan, told

    def settle(self, limit: int = 12) -> Plan:
        """Do passes until nothing is to be done; return the last plan."""
        for _ in range(limit):
            if self.gone:
                return Plan()
            plan, told = self.step()
            if not plan.steps and told.status is None:
                return plan
        raise AssertionError(f"not settled after {limit} passes: {self.step()[0].steps}")

    def pass_time(self, seconds: float) -> None:
        """Let time go by."""
        self.now += timedelta(seconds=seconds)

    def execute(self, plan: Plan) -> Done | Failed:
        """Carry a plan out; the first failing step ends it."""
        for step in plan.steps:
            try:
                self._do(step)
            except PortError as error:
                return Failed(step, error)
            self.log.append(step)
        return Done()

    def _do(self, step: Step) -> None:
        if type(step) in self.fail:
            raise self.fail[type(step)]
        match step:
            case ReadKubeconfig():
                self._read_kubeconfig(step)
            case ReadCluster():
                self._read(step)
            case ReadPlane():
                self.planes[step.cluster] = Plane(self.cluster_exists, self.now)
            case _:
                if step.ref.cluster in self.dead:
                    if isinstance(self.dead[step.ref.cluster], (Unauthorized, Unavailable)):
                        self._lost(step.ref.cluster)
                    raise self.dead[step.ref.cluster]
                self._write(step)
                self._remember(step)
                self._fold(step.ref)

    def _write(self, step: Create | Apply | TakeOver | Patch | Delete) -> None:  # noqa: C901 - one case a kind of step
        ref = step.ref
        live = self.objects.get(ref)
        if (ref.api_version, ref.kind) in self.unserved:
            raise NotFound("the server could not find the requested resource")
        match step:
            case Create(exists_ok=ok):
                if live is None:
                    self.put(ref, {**step.manifest, "metadata": {"generation": 1, **step.manifest["metadata"]}})
                elif not ok:
                    raise AlreadyExists
            case Apply():
                self._apply(step, live)
            case TakeOver():
                assert live is not None
                self._json_patch(live, take_over_patch(live, self.provider.edition.field_manager))
            case Patch():
                if live is None or live["metadata"]["uid"] != step.uid:
                    raise NotFound
                self._patch(ref, live, step)
            case Delete():
                if live is None:
                    return
                if live["metadata"]["uid"] != step.uid:
                    raise Conflict
                self._delete(ref)

    def _remember(self, step: Create | Apply | TakeOver | Patch | Delete) -> None:
        """Let the policy change what was written, and note the answer as the executor does."""
        found = self.objects.get(step.ref)
        if found is None:
            return
        self.policy(found)
        if not isinstance(step, Delete) and step.ref.kind != "Namespace":
            key = (step.ref, kind_of(step))
            ready = self.instance["metadata"]["generation"] if says_ready(self.instance) else 0
            answer = observe(found, self.provider.edition.field_manager)
            self.sent[key] = sent(self.sent.get(key), step, answer, self.now, ready=ready)

    def _apply(self, step: Apply, live: dict[str, Any] | None) -> None:
        if live is None:
            if step.uid:
                raise Conflict
            live = self.put(step.ref, {"metadata": {"name": step.ref.name, "namespace": step.ref.namespace}})
        elif live["metadata"]["uid"] != step.uid:
            self._meet(step.ref)
            raise AlreadyExists
        own = self.provider.edition.field_manager
        body = step.body()
        entries = live["metadata"].get("managedFields", [])
        old = next((entry for entry in entries if entry["manager"] == own and entry["operation"] == "Apply"), None)
        before = copy.deepcopy(live.get("spec"))
        new = self._entry(own, "Apply", body)
        if old:
            _drop_unwanted(live, old["fieldsV1"], new["fieldsV1"])
        _merge(live, body)
        if old == {**new, "time": old["time"]} if old else False:
            return
        live["metadata"]["managedFields"] = [entry for entry in entries if entry is not old] + [new]
        if live.get("spec") != before:
            live["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1

    def _patch(self, ref: Ref, live: dict[str, Any], step: Patch) -> None:
        if step.kind == "merge":
            assert isinstance(step.body, Mapping)
            before = copy.deepcopy(live.get("spec"))
            _merge_patch(live, step.body)
            if live.get("spec") != before:
                live["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1
            return
        assert not isinstance(step.body, Mapping)
        self._json_patch(live, step.body)
        if live["metadata"].get("deletionTimestamp") and not live["metadata"].get("finalizers"):
            del self.objects[ref]

    def _json_patch(self, obj: dict[str, Any], ops: Iterable[Mapping[str, Any]]) -> None:
        for op in ops:
            *path, last = op["path"].strip("/").split("/")
            at: Any = obj
            for key in path:
                at = at[int(key)] if isinstance(at, list) else at.get(key)
            found = (
                at[int(last)]
                if isinstance(at, list) and last != "-"
                else at.get(last)
                if isinstance(at, dict)
                else None
            )
            if op["op"] == "test":
                if found != op["value"]:
                    raise Conflict
            elif op["op"] == "remove":
                at.pop(int(last) if isinstance(at, list) else last)
            elif last == "-":
                at.append(op["value"])
            else:
                at[last] = copy.deepcopy(op["value"])

    def _delete(self, ref: Ref) -> None:
        metadata = self.objects[ref]["metadata"]
        if metadata.get("finalizers"):
            metadata.setdefault("deletionTimestamp", self.now.isoformat())
        else:
            del self.objects[ref]

    def _read_kubeconfig(self, step: ReadKubeconfig) -> None:
        obj = self.objects.get(step.ref)
        data = dig(obj, "data", "kubeconfig")
        self.kubeconfigs[step.cluster] = Kubeconfig(
            name=step.ref.name,
            grant=step.grant,
            read=self.now,
            found=obj is not None,
            usable=bool(data),
            why="" if data else 'it has no key "kubeconfig"',
            uid=dig(obj, "metadata", "uid") or "",
            digest=str(data),
            created=self.now,
            expires=self.now + timedelta(days=30),
        )

    def _read(self, step: ReadCluster) -> None:
        if step.cluster in self.dead:
            self._lost(step.cluster)
            return
        own = self.provider.edition.field_manager
        owner = marked_owner(self.provider, self.snapshot())
        found: dict[Ref, Live] = {}
        for ref, obj in self.objects.items():
            live = observe(obj, own)
            here = ref.cluster == step.cluster and ref.kind != "Namespace"
            selected = step.sweep or MANAGED_BY in (dig(obj, "metadata", "labels") or {})
            if here and selected and owner.may_write(ref, live):
                found[ref] = live
        if step.cluster == PLATFORM:
            found = {ref: live for ref, live in found.items() if ref.namespace == self.home and ref.kind == "Secret"}
        self.reads[step.cluster] = Content(
            at=self.now,
            objects=found,
            unserved=frozenset(
                owned[1:3]
                for owned in self.provider.owns
                if owned.cluster == step.cluster and owned[1:3] in self.unserved
            ),
            swept=step.sweep,
            guarded=self.guarded if step.guards else None,
            unlisted=self.unlisted if step.guards else (),
            leftovers=self.leftovers if step.verify else None,
        )

    def _lost(self, cluster: str) -> None:
        self.reads[cluster] = refusal(self.dead[cluster], self.now)

    def _meet(self, ref: Ref) -> None:
        """Put what holds a name that was thought free into the next snapshot."""
        content = self.reads.get(ref.cluster)
        if ref.cluster == PLATFORM:
            self.met.add(ref)
        elif isinstance(content, Content):
            live = observe(self.objects[ref], self.provider.edition.field_manager)
            self.reads[ref.cluster] = replace(content, objects={**content.objects, ref: live})

    def _fold(self, ref: Ref) -> None:
        """Put the answer of an own write into the last read of a tenant cluster."""
        content = self.reads.get(ref.cluster)
        if not isinstance(content, Content) or ref.kind == "Namespace":
            return
        objects = {key: value for key, value in content.objects.items() if key != ref}
        if ref in self.objects and (ref.cluster != PLATFORM or ref in content.objects):
            objects[ref] = observe(self.objects[ref], self.provider.edition.field_manager)
        self.reads[ref.cluster] = replace(content, objects=objects)

    def _entry(self, manager: str, operation: str, obj: Mapping[str, Any]) -> dict[str, Any]:
        skip = {"apiVersion", "kind", "status"}
        fields = {f"f:{key}": _fields(value) for key, value in obj.items() if key not in skip | {"metadata"}}
        meta = {
            f"f:{key}": _fields(value) for key, value in obj["metadata"].items() if key in {"labels", "annotations"}
        }
        if meta:
            fields["f:metadata"] = meta
        return {"manager": manager, "operation": operation, "time": self.now.isoformat(), "fieldsV1": fields}


def _fields(value: Any) -> dict[str, Any]:
    return {f"f:{key}": _fields(item) for key, item in value.items()} if isinstance(value, Mapping) else {}


def _merge(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    for key, value in source.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = copy.deepcopy(value)


def _merge_patch(target: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, Mapping):
            _merge_patch(target.setdefault(key, {}), value)
        else:
            target[key] = copy.deepcopy(value)


def _drop_unwanted(obj: dict[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for step, below in old.items():
        key = step[2:]
        if step not in new:
            obj.pop(key, None)
        elif below and isinstance(obj.get(key), dict):
            _drop_unwanted(obj[key], below, new[step])
