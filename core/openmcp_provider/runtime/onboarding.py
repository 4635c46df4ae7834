"""The program's own access to the onboarding cluster: asked for once, then kept valid as long as it runs."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from openmcp_provider.domain.objects import Json
from openmcp_provider.domain.onboarding import Onboarding, Progress, Standing, progress_of, regrant
from openmcp_provider.domain.snapshot import Kubeconfig
from openmcp_provider.ports import AlreadyExists, Clock, Cluster, ClusterFactory, Conflict, PortError, Randomness
from openmcp_provider.runtime.backoff import Backoff
from openmcp_provider.runtime.cache import Cache, Selection
from openmcp_provider.runtime.reader import kubeconfig_of, look_up
from openmcp_provider.runtime.renewing import Renewing
from openmcp_provider.runtime.resources import ACCESS_REQUESTS, CLUSTER_REQUESTS, SECRETS

__all__ = ["NoAccess", "OnboardingAccess"]

BACKOFF = Backoff(floor=1.0, ceiling=10.0)  # the older program looks every ten seconds
PATIENCE = 1800.0
REREAD = 5.0
"""Seconds between two looks for newer credentials, however many calls are refused meanwhile."""


class NoAccess(Exception):
    """There is no access to the onboarding cluster; the message says why and who must act."""


class OnboardingAccess:
    """Gets access, and keeps it.

    Args:
        wanted: What is asked for.
        platform: Where it is asked.
        factory: Makes clients.
        clock: The time.
        randomness: For jitter.
        told: Told in words what is waited for, once per state.
        manager: The field manager.
    """

    def __init__(
        self,
        wanted: Onboarding,
        *,
        platform: Cluster,
        factory: ClusterFactory,
        clock: Clock,
        randomness: Randomness,
        told: Callable[[str], None],
        manager: str,
    ) -> None:
        self._wanted = wanted
        self._platform = platform
        self._factory = factory
        self._clock = clock
        self._randomness = randomness
        self._told = told
        self._manager = manager
        self._secret = ""
        self._digest = ""
        self._looked = -REREAD
        self._lock = asyncio.Lock()
        self._cluster: Renewing | None = None
        self.expires: datetime | None = None
        """When the credentials end; None = nobody said."""

    @property
    def cluster(self) -> Renewing:
        """The onboarding cluster.

        Raises:
            RuntimeError: nobody waited for the access.
        """
        if self._cluster is None:
            raise RuntimeError("access is waited for before it is used")
        return self._cluster

    async def obtain(self, patience: float = PATIENCE) -> Renewing:
        """Ask, wait until granted, and return the onboarding cluster.

        Raises:
            NoAccess: it was denied, or is not granted in time.
        """
        end = self._clock.monotonic() + patience
        said, looks = "", 0
        while True:
            failure = None
            try:
                standing = await self._ask()
                if standing.progress is Progress.GRANTED:
                    return await self._connect(standing.secret)
                message = standing.message
            except PortError as error:
                failure = error
                standing, message = None, f"the platform: {error.reason}: {error}"
            except NoAccess as error:
                standing, message = None, str(error)
            if standing and standing.progress is Progress.DENIED:
                raise NoAccess(message)
            if message != said:
                said = message
                self._told(f"waiting for access to the onboarding cluster: {message}")
            pause = BACKOFF.wait(looks, self._randomness, failure)
            looks += 1
            if self._clock.monotonic() + pause > end:
                raise NoAccess(f"no access to the onboarding cluster after {patience / 60:.0f} minutes: {message}")
            await self._clock.sleep(pause)

    async def existing(self) -> Renewing:
        """Return the onboarding cluster by an access that is there already; ask for nothing.

        Raises:
            NoAccess: there is none, or it is not granted.
            PortError: the platform did not answer.
        """
        standing = progress_of(self._wanted, *await self._look())
        if standing.progress is not Progress.GRANTED:
            raise NoAccess(standing.message)
        return await self._connect(standing.secret)

    async def keep(self) -> None:
        """Follow the Secret until cancelled: newer credentials are used as soon as they are there."""
        place = self._wanted.access["metadata"]["namespace"]
        selection = Selection(SECRETS, place, fields=f"metadata.name={self._secret}")
        cache: Cache[str] = Cache(
            self._platform,
            selection,
            keep=self._take,
            changed=lambda *_: None,
            clock=self._clock,
            randomness=self._randomness,
        )
        await cache.run()

    async def _ask(self) -> Standing:
        """Bring the two requests to what is wanted, and tell how far they are."""
        request, access = await self._look()
        standing = progress_of(self._wanted, request, access)
        patch = regrant(self._wanted, access) if access else None
        if standing.progress is Progress.DENIED or (request and access and not patch):
            return standing
        with suppress(AlreadyExists, Conflict):  # somebody was faster; the next look tells
            if request is None:
                await self._platform.create(CLUSTER_REQUESTS, self._wanted.request, manager=self._manager)
            if access is None:
                await self._platform.create(ACCESS_REQUESTS, self._wanted.access, manager=self._manager)
            elif patch:
                name, namespace = _place(self._wanted.access)
                await self._platform.patch(
                    ACCESS_REQUESTS, name, namespace, kind="merge", body=patch, manager=self._manager
                )
        return progress_of(self._wanted, *await self._look())

    async def _look(self) -> tuple[Json | None, Json | None]:
        request = await look_up(self._platform, CLUSTER_REQUESTS, *_place(self._wanted.request))
        return request, await look_up(self._platform, ACCESS_REQUESTS, *_place(self._wanted.access))

    async def _connect(self, secret: str) -> Renewing:
        self._secret = secret
        kept, content = self._read(await self._look_at_secret())
        if not kept.usable:
            place = f"{self._wanted.access['metadata']['namespace']}/{secret}"
            raise NoAccess(f"Secret {place} of the granted AccessRequest is missing or holds no kubeconfig")
        self._cluster = Renewing(self._client(kept, content), self._renew, self._clock)
        return self._cluster

    async def _renew(self) -> bool:
        """Look for newer credentials after a refusal; tell whether there are any now."""
        async with self._lock:
            before = self.cluster.cluster
            if self._clock.monotonic() - self._looked >= REREAD:
                self._looked = self._clock.monotonic()
                secret = await self._look_at_secret()
                if secret is not None:
                    self._take(secret)
            return self.cluster.cluster is not before

    async def _look_at_secret(self) -> Json | None:
        return await look_up(self._platform, SECRETS, self._secret, self._wanted.access["metadata"]["namespace"])

    def _read(self, secret: Json | None) -> tuple[Kubeconfig, bytes]:
        return kubeconfig_of(secret, self._secret, "", self._clock.now())

    def _client(self, kept: Kubeconfig, content: bytes) -> Cluster:
        """Return a client by a kubeconfig, and note which one it is.

        Raises:
            NoAccess: it cannot be used.
        """
        try:
            client = self._factory.connect(content)
        except ValueError as error:
            raise NoAccess(f"the kubeconfig of the onboarding cluster cannot be used: {error}") from None
        self._digest, self.expires = kept.digest, kept.expires
        return client

    def _take(self, secret: Json) -> str:
        """Use what a Secret holds, if it is newer; return its digest, since the Secret itself must not be kept."""
        kept, content = self._read(secret)
        if kept.usable and kept.digest != self._digest:
            try:
                self.cluster.exchange(self._client(kept, content))
            except NoAccess as error:
                self._told(str(error))
        return kept.digest


def _place(manifest: Json) -> tuple[str, str]:
    return manifest["metadata"]["name"], manifest["metadata"]["namespace"]
