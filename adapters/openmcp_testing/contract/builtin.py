"""Rules of built-in kinds, and of names and labels."""

import base64

from openmcp_provider.domain.errors import Conflict, Invalid
from openmcp_testing.contract.case import Cases, Harness, equal, holds, refused
from openmcp_testing.contract.objects import (
    CONFIG_MAPS,
    LEASES,
    NAMESPACES,
    SECRETS,
    WIDGET,
    changed,
    config_map,
    fresh,
    secret,
    widget,
)

__all__ = ["CASES"]

CASES = Cases()

DOCKER = "kubernetes.io/dockerconfigjson"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@CASES.rule
async def secrets_are_opaque_by_default(h: Harness) -> None:
    """A Secret without a type is Opaque."""
    equal("Opaque", (await h.cluster.create(SECRETS, secret(h, "a")))["type"])


@CASES.rule
async def secrets_take_plain_text(h: Harness) -> None:
    """What is sent as stringData goes into data, over what is there, and is never shown."""
    sent = secret(h, "a", data={"x": _encoded("old"), "y": _encoded("kept")}, stringData={"x": "new"})
    found = await h.cluster.create(SECRETS, sent)
    equal({"x": _encoded("new"), "y": _encoded("kept")}, found["data"])
    holds("stringData" not in found, "stringData is shown")


@CASES.rule
async def secrets_are_base64(h: Harness) -> None:
    """Data that is not base64 is Invalid."""
    await refused(Invalid, h.cluster.create(SECRETS, secret(h, "a", data={"x": "@@"})))


@CASES.rule
async def secrets_have_proper_keys(h: Harness) -> None:
    """A key of a Secret or ConfigMap is of letters, digits, dash, underscore and dot, else Invalid."""
    await refused(Invalid, h.cluster.create(SECRETS, secret(h, "a", stringData={"a b": "x"})))
    await refused(Invalid, h.cluster.create(CONFIG_MAPS, config_map(h, "a", {"a/b": "x"})))


@CASES.rule
async def secrets_keep_their_type(h: Harness) -> None:
    """The type of a Secret cannot be changed: Invalid."""
    old = await h.cluster.create(SECRETS, secret(h, "a", type="test.io/one"))
    await refused(Invalid, h.cluster.update(SECRETS, changed(old, type="test.io/two")))
    await refused(Invalid, h.cluster.apply(SECRETS, secret(h, "a", type="test.io/two"), manager="m"))


@CASES.rule
async def docker_secrets_have_their_key(h: Harness) -> None:
    """A Secret of type dockerconfigjson without the key .dockerconfigjson is Invalid."""
    await refused(Invalid, h.cluster.create(SECRETS, secret(h, "a", type=DOCKER, stringData={"x": "{}"})))
    await h.cluster.create(SECRETS, secret(h, "a", type=DOCKER, stringData={".dockerconfigjson": '{"auths":{}}'}))


@CASES.rule
async def docker_secrets_are_json(h: Harness) -> None:
    """A Secret of type dockerconfigjson whose value is not JSON is Invalid, and the message shows nothing of it."""
    sent = secret(h, "a", type=DOCKER, stringData={".dockerconfigjson": "topsecret"})
    error = await refused(Invalid, h.cluster.create(SECRETS, sent))
    holds("topsecret" not in str(error), "the message shows the secret")


@CASES.rule
async def immutable_secrets(h: Harness) -> None:
    """The data of an immutable Secret or ConfigMap cannot be changed, nor the mark taken back: Invalid; labels can."""
    for resource, obj in ((SECRETS, secret(h, "a", data={"x": "MQ=="})), (CONFIG_MAPS, config_map(h, "a"))):
        old = await h.cluster.create(resource, changed(obj, immutable=True))
        await refused(Invalid, h.cluster.update(resource, changed(old, data={"x": "Mg=="})))
        await refused(Invalid, h.cluster.update(resource, {key: old[key] for key in old if key != "immutable"}))
        new = await h.cluster.update(resource, fresh(old, labels={"l": "1"}))
        equal({"l": "1"}, new["metadata"]["labels"])


@CASES.rule
async def leases_change_hands_once(h: Harness) -> None:
    """Of two updates of one state of a Lease one passes and the other is a Conflict."""
    spec = {"holderIdentity": "nobody", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}
    metadata = {"name": "a", "namespace": h.namespace}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    old = await h.cluster.create(LEASES, lease)
    equal(spec, old["spec"])
    await h.cluster.update(LEASES, changed(old, spec={**spec, "holderIdentity": "one"}))
    await refused(Conflict, h.cluster.update(LEASES, changed(old, spec={**spec, "holderIdentity": "two"})))
    equal("one", (await h.cluster.get(LEASES, "a", h.namespace))["spec"]["holderIdentity"])


@CASES.rule
async def namespaces_bear_their_name(h: Harness) -> None:
    """A namespace has phase Active and a label with its name."""
    found = await h.cluster.get(NAMESPACES, h.namespace)
    equal(h.namespace, found["metadata"]["labels"]["kubernetes.io/metadata.name"])
    equal("Active", found["status"]["phase"])


@CASES.rule
async def namespaces_are_dns_labels(h: Harness) -> None:
    """The name of a namespace has at most 63 characters and no dots, else Invalid."""
    for name in ("n" * 64, f"{h.namespace}.x", "Upper"):
        obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await refused(Invalid, h.cluster.create(NAMESPACES, obj))


@CASES.rule
async def names_are_dns_subdomains(h: Harness) -> None:
    """A name is of lower case letters, digits, dashes and dots, at most 253 of them, else Invalid."""
    widgets = await h.crd(WIDGET)
    for name in ("Upper", "under_score", "-dash", "two..dots", "n" * 254):
        await refused(Invalid, h.cluster.create(CONFIG_MAPS, config_map(h, name)))
        await refused(Invalid, h.cluster.create(widgets, widget(h, name)))
    await h.cluster.create(widgets, widget(h, "n" * 253))
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a.b-c.0"))


@CASES.rule
async def labels_are_short(h: Harness) -> None:
    """A label's value has at most 63 characters, and begins and ends with a letter or digit, else Invalid."""
    widgets = await h.crd(WIDGET)
    for value in ("v" * 64, "two words", "-dash", "dash-"):
        await refused(Invalid, h.cluster.create(widgets, widget(h, "a", labels={"l": value})))
    found = await h.cluster.create(widgets, widget(h, "a", labels={"a": "v" * 63, "b": "", "c": "A_b.c-9"}))
    equal({"a": "v" * 63, "b": "", "c": "A_b.c-9"}, found["metadata"]["labels"])


@CASES.rule
async def label_keys_are_qualified_names(h: Harness) -> None:
    """A label's key is a name of at most 63 characters, with an optional domain before a slash, else Invalid."""
    widgets = await h.crd(WIDGET)
    for key in ("k" * 64, "a/b/c", "/k", "Upper.io/", "two words"):
        await refused(Invalid, h.cluster.create(widgets, widget(h, "a", labels={key: "v"})))
    await h.cluster.create(widgets, widget(h, "a", labels={"test.io/Some_Key.1": "v"}))


@CASES.rule
async def labels_are_texts(h: Harness) -> None:
    """A label or annotation that is no text is Invalid."""
    widgets = await h.crd(WIDGET)
    await refused(Invalid, h.cluster.create(widgets, widget(h, "a", labels={"l": 1})))
    await refused(Invalid, h.cluster.create(CONFIG_MAPS, config_map(h, "a", annotations={"l": True})))


@CASES.rule
async def annotations_are_limited(h: Harness) -> None:
    """All annotations together have at most 256 KiB, else Invalid."""
    big = 256 * 1024
    await refused(Invalid, h.cluster.create(CONFIG_MAPS, config_map(h, "a", annotations={"k": "v" * big})))
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a", annotations={"k": "v" * (big - 1)}))


@CASES.rule
async def finalizers_are_qualified_names(h: Harness) -> None:
    """A finalizer is a qualified name, on built-in kinds one with a domain, else Invalid."""
    widgets = await h.crd(WIDGET)
    await refused(Invalid, h.cluster.create(widgets, widget(h, "a", finalizers=["two words"])))
    await refused(Invalid, h.cluster.create(CONFIG_MAPS, config_map(h, "a", finalizers=["nodomain"])))


@CASES.rule
async def owners_are_complete(h: Harness) -> None:
    """An owner reference without apiVersion, kind, name or uid is Invalid."""
    widgets = await h.crd(WIDGET)
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "0000-1"}
    for key in owner:
        lacking = {name: value for name, value in owner.items() if name != key}
        await refused(Invalid, h.cluster.create(widgets, widget(h, "a", ownerReferences=[lacking])))
