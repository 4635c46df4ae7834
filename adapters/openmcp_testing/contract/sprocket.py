"""A kind with what schemas of real kinds have and those of the contract have not."""

from typing import Any

from openmcp_provider.domain.objects import Json
from openmcp_testing.contract.objects import GROUP

__all__ = ["SPROCKET"]

_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "integer"}


def _object(*required: str, **properties: Json) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def _list(items: Json, **more: object) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def _keyed(items: Json, *keys: str) -> dict[str, Any]:
    return _list(items, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)})


_SPEC = _object(
    # Items of an atomic list, with defaults of their own.
    steps=_list(_object("name", name=_TEXT, count={**_NUMBER, "default": 1}), minItems=1),
    # A keyed list with two keys, one of which has a default.
    doors=_keyed(
        _object("number", number=_NUMBER, side={**_TEXT, "default": "left"}, open={"type": "boolean"}), "number", "side"
    ),
    # A keyed list below a keyed list, and a set in it.
    rooms=_keyed(
        _object(
            "name",
            name=_TEXT,
            beds=_keyed(_object("name", name=_TEXT, size=_NUMBER), "name"),
            tags=_list(_TEXT, **{"x-kubernetes-list-type": "set"}),
        ),
        "name",
    ),
    sizes=_list(_NUMBER, **{"x-kubernetes-list-type": "set"}),
    whole={**_object(one=_TEXT, two=_NUMBER), "x-kubernetes-map-type": "atomic"},
    parts={
        "type": "object",
        "additionalProperties": _object(one=_TEXT, two={**_TEXT, "default": "2"}),
        "maxProperties": 2,
    },
    deep=_object(er={**_object(est={**_TEXT, "default": "d"}, other=_TEXT), "default": {}}),
    half={**_object(known={**_NUMBER, "maximum": 2}), "x-kubernetes-preserve-unknown-fields": True},
    maybe={**_TEXT, "nullable": True},
    perhaps={**_object(x=_TEXT), "nullable": True},
    never={**_TEXT, "nullable": True, "default": "n"},
    ratio={"type": "number", "minimum": 0, "exclusiveMinimum": True},
    even={**_NUMBER, "multipleOf": 2},
    small={**_NUMBER, "format": "int32"},
    big={**_NUMBER, "format": "int64"},
    every={**_TEXT, "format": "duration"},
    once={**_TEXT, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]},
    either={
        **_object(x=_TEXT, y=_TEXT),
        "oneOf": [{"required": ["x"]}, {"required": ["y"]}],
    },
    values={"x-kubernetes-preserve-unknown-fields": True},
)

SPROCKET: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"sprockets.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "Sprocket", "plural": "sprockets", "singular": "sprocket", "listKind": "SprocketList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": _object(
                        spec=_SPEC,
                        more=_list(_TEXT),
                        status={**_object(phase={**_TEXT, "default": "new"}), "default": {}},
                    )
                },
                "subresources": {"status": {}},
            }
        ],
    },
}
