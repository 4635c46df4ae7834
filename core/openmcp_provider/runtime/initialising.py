"""What `init` does: definitions on their clusters, and the provider's registration."""

from collections.abc import Awaitable, Callable, Mapping

from openmcp_provider.domain.definitions import Verdict, cluster_of, established, registration, verdict_on
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Clock, Cluster, Forbidden, Invalid, PortError
from openmcp_provider.provider import Edition
from openmcp_provider.runtime.reader import look_up
from openmcp_provider.runtime.resources import CRDS, SERVICE_PROVIDERS

__all__ = ["NotInitialised", "install_definition", "register"]

PAUSE = 2.0  # seconds between two tries
PATIENCE = 300.0
_ESTABLISHING = 0.5


class NotInitialised(Exception):
    """Something of what was asked for did not happen; the message says what, why and who must act."""


async def install_definition(
    crd: Json,
    clusters: Mapping[str, Cluster],
    *,
    manager: str,
    clock: Clock,
    told: Callable[[str], None],
    patience: float = PATIENCE,
) -> None:
    """Bring one definition to what is wanted, unless it is newer already, and wait until it is established.

    Args:
        crd: The definition.
        clusters: The clusters by the name that definitions call them.
        manager: The field manager.
        clock: The time.
        told: Told in words what was done or is waited for.
        patience: Seconds until it counts as failed.

    Raises:
        NotInitialised: it did not come to be established.
    """
    name, where = crd["metadata"]["name"], cluster_of(crd)
    cluster = clusters[where]

    async def attempt() -> str:
        live = await look_up(cluster, CRDS, name)
        verdict = verdict_on(crd, live, manager)
        if verdict is Verdict.NEWER:
            told(f"CustomResourceDefinition {name} on the {where} cluster is of a newer program and stays as it is")
        elif verdict is Verdict.APPLY:
            await cluster.apply(CRDS, crd, manager=manager)
            told(f"CustomResourceDefinition {name} was {'changed' if live else 'created'} on the {where} cluster")
        return ""

    async def wait() -> str:
        return established(await cluster.get(CRDS, name))

    await _until(attempt, f"CustomResourceDefinition {name} on the {where} cluster", clock, told, patience, PAUSE)
    await _until(wait, f"CustomResourceDefinition {name} on the {where} cluster", clock, told, patience, _ESTABLISHING)


async def register(
    edition: Edition,
    platform: Cluster,
    name: str,
    *,
    clock: Clock,
    told: Callable[[str], None],
    patience: float = PATIENCE,
) -> None:
    """Register the provider's kind at its ServiceProvider, so that openMCP deletes instances before control planes.

    Args:
        edition: Whose kind.
        platform: Where.
        name: Of the ServiceProvider.
        clock: The time.
        told: Told in words what was done or is waited for.
        patience: Seconds until it counts as failed.

    Raises:
        NotInitialised: it could not be registered.
    """

    async def attempt() -> str:
        found = await look_up(platform, SERVICE_PROVIDERS, name)
        if found is None:
            return f"ServiceProvider {name}, named by --provider-name, does not exist"
        patch = registration(edition, found)
        if patch is None:
            return ""
        if not found.get("status"):
            return f"ServiceProvider {name} has no status yet, which the openMCP operator writes"
        await platform.patch(
            SERVICE_PROVIDERS, name, kind="merge", body=patch, subresource="status", manager=edition.field_manager
        )
        told(f"{edition.kind} was registered at ServiceProvider {name}")
        return ""

    await _until(attempt, f"the registration at ServiceProvider {name}", clock, told, patience, PAUSE)


async def _until(
    attempt: Callable[[], Awaitable[str]],
    what: str,
    clock: Clock,
    told: Callable[[str], None],
    patience: float,
    pause: float,
) -> None:
    """Try until an attempt returns no reason to wait; say each reason once.

    Raises:
        NotInitialised: it takes too long, or trying again cannot help.
    """
    end = clock.monotonic() + patience
    said = ""
    while True:
        try:
            why = await attempt()
            if not why:
                return
        except (Forbidden, Invalid) as error:
            raise NotInitialised(f"{what}: {error.reason}: {error}") from error
        except PortError as error:
            why = f"{error.reason}: {error}"
        if clock.monotonic() + pause > end:
            raise NotInitialised(f"{what}, after {patience / 60:.0f} minutes: {why}")
        if why != said:
            said = why
            told(f"waiting for {what}: {why}")
        await clock.sleep(pause)
