"""What a landscape is told to do: how long things take, and what goes wrong for whom."""

from typing import Literal

from attrs import define, field

__all__ = ["Answer", "Delays", "Script"]

Answer = Literal["grant", "deny", "never"]
"""What comes of a request for a cluster or for access."""


@define(kw_only=True)
class Delays:
    """Virtual seconds that a step takes.

    Attributes:
        schedule: Until a ClusterRequest has its Cluster.
        provision: Until a Cluster is there.
        deprovision: Until a Cluster is gone.
        access: Until the access controller has found an AccessRequest's cluster.
        grant: Until the cluster provider has made a kubeconfig.
        pull: Until source-controller has a registry's answer.
        store: Until it has stored an artifact.
        load: Until helm-controller has a chart from the artifact server.
        look: Until helm-controller has found a release unchanged.
        install: Until an installed workload is available.
        upgrade: The same after an upgrade.
        rollback: The same after a rollback.
        uninstall: Until an uninstalled workload is gone.
        failure: Until Helm gives up waiting for a workload that never becomes available.
        garbage: Until the garbage collector looks at what was deleted.
    """

    schedule: float = 0.2
    provision: float = 5.0
    deprovision: float = 2.0
    access: float = 0.1
    grant: float = 1.0
    pull: float = 0.5
    store: float = 0.3
    load: float = 0.0
    look: float = 0.5
    install: float = 10.0
    upgrade: float = 8.0
    rollback: float = 5.0
    uninstall: float = 4.0
    failure: float = 60.0
    garbage: float = 1.0


@define(kw_only=True)
class Script:
    """What goes wrong for one tenant.

    Attributes:
        delays: How long its steps take.
        request: What comes of its ClusterRequest.
        access: What comes of AccessRequests in its namespace.
        picked_up: Whether Flux looks at its objects at all.
        install_failures: How many installs from now on fail.
        upgrade_failures: How many upgrades from now on fail.
        rollback_failures: How many rollbacks from now on fail.
        uninstall_timeouts: How many uninstalls from now on time out, leaving the workload behind.
        cause: Why they fail; empty for a workload that never becomes available.
    """

    delays: Delays = field(factory=Delays)
    request: Answer = "grant"
    access: Answer = "grant"
    picked_up: bool = True
    install_failures: float = 0
    upgrade_failures: float = 0
    rollback_failures: float = 0
    uninstall_timeouts: float = 0
    cause: str = ""

    def fails(self, action: Literal["install", "upgrade", "rollback"]) -> bool:
        """Tell whether the next action of this sort fails, and count it."""
        left: float = getattr(self, f"{action}_failures")
        if left > 0:
            setattr(self, f"{action}_failures", left - 1)
        return left > 0

    def times_out(self) -> bool:
        """Tell whether the next uninstall times out, and count it."""
        left = self.uninstall_timeouts
        self.uninstall_timeouts = max(0, left - 1)
        return left > 0
