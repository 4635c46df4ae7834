"""The Go program on the emulated landscape: what it leaves when it is stopped."""

from collections.abc import Callable
from typing import Any

from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json, dig
from openmcp_provider.ports import Resource
from service_provider_ocm import pull_secret_copy_name
from tests.go_objects import FLUX, GO, TOOLKIT, access_request, instance_status, release, secret_copy, source
from tests.runtime.stage import ACCESS, OCMS, RELEASES, SECRETS, SOURCES, SYSTEM, Stage

NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
PULL = "privateregcred"
SPEC: dict[str, Any] = {
    "imagePullSecret": {"name": PULL},
    "values": {"manager": {"imagePullSecrets": [{"name": PULL}]}},
}


async def gone_by(stage: Stage, *names: str) -> None:
    """Leave everything as v0.1.1 does: written by POST and PUT, without any mark; then let Flux make it Ready."""
    await stage.stop()
    await stage.configure(**SPEC)
    await stage.pull_secret()
    await stage.pull_secret("former")
    for name in names:
        await stage.tenant(name)
    for name in names:
        await _served(stage, name)
    for name in names:
        home = stage.landscape.home(name)
        await _until(stage, RELEASES, FLUX, home, _is_ready)


async def _served(stage: Stage, name: str) -> None:
    await stage.landscape.ready(name)
    home = stage.landscape.home(name)
    platform, onboarding = stage.landscape.client(GO), stage.landscape.client(GO, ONBOARDING)
    found = await onboarding.get(OCMS, name, "default")
    metadata = {**found["metadata"], "finalizers": ["ocm.services.openmcp.cloud/finalizer"]}
    held = await onboarding.update(OCMS, {**found, "metadata": metadata}, manager=GO)
    wanted = access_request(home, name)
    await platform.create(ACCESS, wanted, manager=GO)
    called = wanted["metadata"]["name"]
    granted = await _until(stage, ACCESS, called, home, lambda obj: dig(obj, "status", "phase") == "Granted")
    there = stage.landscape.cluster_of(name)
    toolkit = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TOOLKIT}}
    await stage.landscape.client(GO, there).create(NAMESPACES, toolkit, manager=GO)
    for copied, to, namespace, cluster in (
        (PULL, pull_secret_copy_name(PULL), home, PLATFORM),
        ("former", pull_secret_copy_name("former"), home, PLATFORM),
        (PULL, PULL, TOOLKIT, there),
    ):
        secret = await platform.get(SECRETS, copied, SYSTEM)
        await stage.landscape.client(GO, cluster).create(SECRETS, secret_copy(secret, to, namespace), manager=GO)
    await platform.create(SOURCES, source(home, PULL), manager=GO)
    kubeconfig = granted["status"]["secretRef"]["name"]
    await platform.create(RELEASES, release(home, kubeconfig, SPEC["values"]), manager=GO)
    body = {"status": instance_status(held)}
    await onboarding.patch(OCMS, name, "default", kind="merge", body=body, subresource="status", manager=GO)


async def _until(stage: Stage, resource: Resource, name: str, home: str, wanted: Callable[[Json], bool]) -> Json:
    found: Json = {}

    async def holds() -> bool:
        nonlocal found
        found = await stage.get(resource, name, home) or {}
        return wanted(found)

    await stage.until(holds)
    return found


def _is_ready(release: Json) -> bool:
    conditions = dig(release, "status", "conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def managers(obj: Json) -> set[tuple[str, str]]:
    """Return our managers of an object's fields, status and requests to reconcile apart."""
    entries = dig(obj, "metadata", "managedFields") or ()
    return {
        (entry["manager"], entry["operation"])
        for entry in entries
        if entry["manager"] == GO and not entry.get("subresource")
        if entry["operation"] == "Apply" or set(entry["fieldsV1"]) != {"f:metadata"}
    }


async def taken_over(stage: Stage, *names: str, within: float = 600.0) -> float:
    """Wait until nothing of tenants' Flux objects is the Go program's any more, and they are Ready by our word."""

    async def done() -> bool:
        found = [
            await stage.get(resource, FLUX, stage.landscape.home(name))
            for name in names
            for resource in (SOURCES, RELEASES)
        ]
        told = [
            item["message"] for name in names for item in (await stage.status(name))["conditions"] if _is_told(item)
        ]
        ours = all(obj is not None and managers(obj) == {(GO, "Apply")} for obj in found)
        return ours and told == ["OCM K8s Toolkit 0.6.0 is installed and ready."] * len(names)

    return await stage.until(done, within)


def _is_told(condition: Json) -> bool:
    return bool(condition["type"] == "Ready" and condition["status"] == "True")
