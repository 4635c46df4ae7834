"""The kinds that requests are made for, and what can be sent of each.

A schema says what the generator draws from: of custom kinds it is the definition's own, of built-in kinds one in the
same words with ``examples``. What is ``delicate`` is applied as it should be only: what it cannot convert then, the
server answers with 500, and numbers it cuts short.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Resource
from openmcp_testing.contract.objects import CONFIG_MAPS, GADGET, LEASES, RELIC, SECRETS, SERVICE_ACCOUNTS, WIDGET
from openmcp_testing.contract.sprocket import SPROCKET

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind in one version.

    Attributes:
        resource: How the port names it.
        schema: What can be sent beyond apiVersion, kind and metadata.
        minimum: The smallest valid object beyond those.
        crd: Its definition, of a custom kind.
        selectable: By which fields it can be selected, beyond name and namespace, and what the smallest has there.
    """

    resource: Resource
    schema: Mapping[str, Any]
    minimum: Json
    crd: Json | None = None
    selectable: tuple[tuple[str, str], ...] = ()


def _custom(crd: Json, minimum: Json, version: str = "v1", selectable: tuple[tuple[str, str], ...] = ()) -> Kind:
    spec = crd["spec"]
    found = next(entry for entry in spec["versions"] if entry["name"] == version)
    names = spec["names"]
    return Kind(
        resource=Resource(
            f"{spec['group']}/{version}", names["kind"], names["plural"], namespaced=spec["scope"] == "Namespaced"
        ),
        schema=found["schema"]["openAPIV3Schema"],
        minimum=minimum,
        crd=crd,
        selectable=selectable,
    )


def _text(*examples: str) -> Json:
    return {"type": "string", "examples": list(examples)} if examples else {"type": "string"}


def _struct(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


def _map(values: Json) -> Json:
    return {"type": "object", "additionalProperties": values}


_NUMBER = {"type": "integer", "delicate": True, "examples": [1, 2, 15]}
_FLAG = {"type": "boolean"}
_BYTES = {**_text("MQ==", "Mg==", ""), "format": "byte", "delicate": True}
_MOMENT = {
    **_text("2026-01-01T00:00:00.000000Z", "2026-01-01T10:00:00.500000Z"),
    "format": "micro-time",
    "delicate": True,
}

KINDS: Mapping[str, Kind] = {
    "Widget": _custom(WIDGET, {"spec": {"size": 1}}, selectable=(("spec.mode", "slow"),)),
    "Gadget": _custom(GADGET, {}),
    "Relic": _custom(RELIC, {}),
    "Relic/v1beta1": _custom(RELIC, {}, "v1beta1"),
    "Sprocket": _custom(SPROCKET, {}),
    "ConfigMap": Kind(
        resource=CONFIG_MAPS, schema=_struct(data=_map(_text()), binaryData=_map(_BYTES), immutable=_FLAG), minimum={}
    ),
    "Secret": Kind(
        resource=SECRETS,
        schema=_struct(
            type=_text("Opaque", "t.io/one", "kubernetes.io/dockerconfigjson"),
            data=_map(_BYTES),
            stringData=_map(_text()),
            immutable=_FLAG,
        ),
        minimum={},
        selectable=(("type", "Opaque"),),
    ),
    "Lease": Kind(
        resource=LEASES,
        schema=_struct(
            spec=_struct(
                holderIdentity=_text(),
                leaseDurationSeconds=_NUMBER,
                leaseTransitions=_NUMBER,
                acquireTime=_MOMENT,
                renewTime=_MOMENT,
            )
        ),
        minimum={},
    ),
    "ServiceAccount": Kind(
        resource=SERVICE_ACCOUNTS,
        schema=_struct(
            automountServiceAccountToken=_FLAG,
            imagePullSecrets={"type": "array", "items": _struct(name=_text())},
        ),
        minimum={},
    ),
}
"""By the name that `Op.kind` has."""
