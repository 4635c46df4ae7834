"""The author's interface: all that the author of a provider supplies. The rest is inherited.

A provider is data and pure functions. It says which objects should be there for one tenant; the library decides what
may
be done now, does it, and tells the tenant.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from openmcp_provider.domain.conditions import Condition
from openmcp_provider.domain.objects import PLATFORM, Json, Ref

__all__ = [
    "PLATFORM",
    "Advice",
    "Condition",
    "Copy",
    "Edition",
    "Guard",
    "Health",
    "Item",
    "Json",
    "Owned",
    "Problem",
    "Provider",
    "Ref",
    "Reference",
    "Residue",
    "Tenant",
    "TenantCluster",
]

S = TypeVar("S")
C = TypeVar("C")


class Owned(NamedTuple):
    """A kind that the provider writes: decides caches, rights, pruning and teardown."""

    cluster: str
    api_version: str
    kind: str
    plural: str


class Guard(NamedTuple):
    """Kinds whose objects on a tenant cluster block deletion; no kinds = every served kind of the group."""

    cluster: str
    group: str
    kinds: tuple[str, ...] = ()


class Residue(NamedTuple):
    """What must be gone from a tenant cluster before access is given up; a trailing ``*`` in the name is a prefix."""

    cluster: str
    api_version: str
    kind: str
    namespace: str
    name: str


class Problem(NamedTuple):
    """One thing that is wrong with what a person wrote: where (a path as written), why, and what would be right."""

    path: str
    why: str
    want: str

    def __str__(self) -> str:
        """Return ``path: why; want``."""
        return f"{self.path}: {self.why}; {self.want}"


class Reference(NamedTuple):
    """A Secret or ConfigMap of the provider's namespace that the ProviderConfig names.

    Attributes:
        path: Where it does, such as ``spec.imagePullSecret.name``.
        name: Of what is named.
        kind: ``Secret`` or ``ConfigMap``.
        type: The Secret type that it must have, empty for any.
    """

    path: str
    name: str
    kind: Literal["Secret", "ConfigMap"] = "Secret"
    type: str = ""


class Advice(NamedTuple):
    """A condition of the author's own, announced by a Warning event when it comes up."""

    condition: Condition
    event: str


class Health(NamedTuple):
    """How one written object does.

    Attributes:
        state: ``Suspended`` means that a person stopped it.
        message: What the tenant reads while this object decides.
        conditions: What is added to the instance's conditions; the first one leads.
        installed: The version that runs, empty where none does or the kind knows no versions.
        event: Reason of the event, empty for the reason of the first condition.
        keeps_ready: The failure does not touch what runs: an instance that was Ready stays so.
        retried: It failed with these very inputs and is being tried again.
        stalled: Reason, where nothing is retried until a person acts.
    """

    state: Literal["Ready", "Progressing", "Failed", "Suspended"]
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    installed: str = ""
    event: str = ""
    keeps_ready: bool = False
    retried: bool = False
    stalled: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """The wire identity. Each name is a field of its own, because siblings' names do not follow from their group.

    Attributes:
        name: The provider's short name, also that of the controller in metrics.
        group: API group of the instance and of the ProviderConfig.
        version: API version of both.
        kind: Kind of the instance.
        plural: Its plural.
        finalizer: The finalizer on the instance.
        field_manager: Manager of every field that is written.
        copy_prefix: Prefix of the copies on the platform.
        access_controller: Controller name of the per-tenant access, also the value of the mark.
        onboarding_controller: Controller name of the access to the onboarding cluster.
        lease: Name of the leader election Lease.
    """

    name: str
    group: str
    version: str
    kind: str
    plural: str
    finalizer: str
    field_manager: str
    copy_prefix: str
    access_controller: str
    onboarding_controller: str
    lease: str

    @property
    def api_version(self) -> str:
        """``group/version``."""
        return f"{self.group}/{self.version}"

    @property
    def abandon(self) -> str:
        """The annotation by which a person gives up what is installed on a control plane."""
        return f"{self.group}/abandon"


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantCluster:
    """A cluster of the tenant's to which one AccessRequest is made.

    Attributes:
        id: How the author's items name it.
        suffix: Ends the AccessRequest's name.
        rules: RBAC rules asked for.
        roles: ClusterRoles asked for.
        purpose: None for the tenant's own control plane; else the purpose of a ClusterRequest that is made for it.
        title: What the tenant calls it.
    """

    id: str
    suffix: str
    rules: tuple[Json, ...]
    roles: tuple[str, ...] = ()
    purpose: str | None = None
    title: str = "control plane"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An object that should be there.

    Attributes:
        cluster: `PLATFORM` or the id of a tenant cluster.
        manifest: The object without mark, uid or status.
        wave: Applied upwards, deleted downwards; kept on the object.
        on_delete: Whether it goes with the instance.
        health: The author's rule; None for the library's rule for the kind, which is none for kinds it does not know.
    """

    cluster: str
    manifest: Json
    wave: int = 0
    on_delete: Literal["delete", "orphan"] = "delete"
    health: Callable[[Json, Mapping[Ref, Json]], Health] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A Secret or ConfigMap of the provider's namespace that should be copied; its bytes never pass author code.

    Attributes:
        source: Name in the provider's namespace on the platform.
        to: Where the copy goes; the kind of the source is the kind of the copy.
        wave: As for `Item`.
        type: The Secret type that the source must have, empty for any.
    """

    source: str
    to: Ref
    wave: int = 0
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant(Generic[S, C]):
    """One instance, as the author's code sees it.

    Attributes:
        name: Name of the instance and of its control plane.
        namespace: Their namespace on the onboarding cluster.
        home: The tenant's namespace on the platform.
        spec: What the tenant wrote, decoded and checked.
        config: What the platform operator wrote, decoded and checked; None without a ProviderConfig.
        kubeconfigs: The Secret in `home` with the kubeconfig of each tenant cluster, by its id.
    """

    name: str
    namespace: str
    home: str
    spec: S
    config: C | None
    kubeconfigs: Mapping[str, Ref]


class Provider(Protocol[S, C]):
    """All that an author supplies. A class that derives from this inherits what most providers leave empty."""

    @property
    def edition(self) -> Edition:
        """The wire identity."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """What tenants call the thing that is installed."""
        raise NotImplementedError

    @property
    def spec(self) -> type[S]:
        """A frozen dataclass or attrs class: the instance's spec."""
        raise NotImplementedError

    @property
    def config(self) -> type[C]:
        """A frozen dataclass or attrs class: the ProviderConfig's spec."""
        raise NotImplementedError

    @property
    def crds(self) -> tuple[Json, ...]:
        """The CustomResourceDefinitions, each labelled with the cluster it belongs to."""
        return ()

    @property
    def clusters(self) -> tuple[TenantCluster, ...]:
        """The clusters of a tenant that are reached."""
        raise NotImplementedError

    @property
    def owns(self) -> tuple[Owned, ...]:
        """The kinds that may be written."""
        raise NotImplementedError

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The kinds whose objects block deletion."""
        return ()

    @property
    def residues(self) -> tuple[Residue, ...]:
        """What must be gone before access is given up."""
        return ()

    def check_spec(self, spec: S) -> Iterable[Problem]:
        """Return every problem of the tenant's spec, paths starting with ``spec``."""
        return ()

    def check_config(self, config: C | None) -> Iterable[Problem]:
        """Return every problem of the ProviderConfig's spec; None = there is no ProviderConfig."""
        return ()

    def references(self, config: C) -> Iterable[Reference]:
        """Return what a ProviderConfig that passed the checks names: whether it can be used is told on it."""
        return ()

    def desired(self, tenant: Tenant[S, C]) -> Iterable[Item | Copy | Problem]:
        """Return what should be there. Total and deterministic for everything that passed the checks.

        A `Problem` among it means that this cannot be decided: then nothing is written or pruned, and the tenant is
        told the problems. Nothing at all means that nothing is wanted: what was written goes.
        """
        raise NotImplementedError

    def version(self, spec: S) -> str:
        """Return the version that the tenant asked for, as told in messages; empty where there is none."""
        return ""

    def poll(self, config: C | None) -> timedelta:
        """Return how often tenant clusters are read; zero or less = never."""
        return timedelta(minutes=1)

    def unmarked(self, name: str, namespace: str) -> Iterable[tuple[Ref, int]]:
        """Return the objects of older programs that may be ours, with their wave.

        `Ref.name` empty = every object of that kind in that namespace; managedFields decide.
        """
        return ()

    def advise(self, spec: S, installed: str) -> Iterable[Advice]:
        """Return conditions of the author's own, from what is asked for and what runs (empty = nothing)."""
        return ()

    def status(self, tenant: Tenant[S, C], live: Mapping[Ref, Json]) -> Json:
        """Return extra status fields; never phase, conditions or observedGeneration."""
        return {}
