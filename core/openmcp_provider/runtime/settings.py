"""What a controller works with, and how."""

from dataclasses import dataclass

from openmcp_provider.ports import Clock, Cluster, ClusterFactory, Decoder, EventRecorder, Randomness

__all__ = ["Ports", "Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the controller works with."""

    platform: Cluster
    onboarding: Cluster
    factory: ClusterFactory
    decode: Decoder
    clock: Clock
    randomness: Randomness
    recorder: EventRecorder


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the controller works.

    Attributes:
        config_name: The ProviderConfig to follow.
        namespace: The provider's own, on the platform.
        workers: How many passes may talk to platform and onboarding at once.
        step_deadline: Seconds that one step of a pass may take.
        pass_deadline: Seconds that a pass may take.
        takeovers: How many tenants a second begin to be taken over from an older program. Each is about ten writes at
            once, so by default they are a hundred a second, which API servers do beside their other work. 3,000 tenants
            take five minutes, and nothing hurries: what waits is installed, and runs as it did.
    """

    config_name: str
    namespace: str
    workers: int = 32
    step_deadline: float = 30.0
    pass_deadline: float = 120.0
    takeovers: float = 10.0
