"""Where things are on an API server."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from openmcp_provider.domain.errors import Invalid
from openmcp_provider.ports import Resource

__all__ = ["collection", "group", "member", "with_query"]


def group(name: str, version: str = "") -> str:
    """Return the path of a group of kinds, or of one of its versions."""
    parts = ("apis", name, version) if name else ("api", version)
    return _path(*filter(None, parts))


def collection(resource: Resource, namespace: str = "") -> str:
    """Return the path of all objects of a kind, or of those of a namespace."""
    name, _, version = resource.api_version.rpartition("/")
    within = ("namespaces", _name(namespace)) if resource.namespaced and namespace else ()
    return group(name, version) + _path(*within, resource.plural)


def member(resource: Resource, name: str, namespace: str = "", subresource: str = "") -> str:
    """Return the path of an object or of its subresource.

    Raises:
        Invalid: name or namespace is one that no object has.
    """
    if resource.namespaced:
        _name(namespace)
    return collection(resource, namespace) + _path(_name(name), *filter(None, [subresource]))


def with_query(path: str, parameters: Mapping[str, object]) -> str:
    """Return a path with its query; what is empty, 0 or false is left out."""
    query = urlencode({key: value for key, value in parameters.items() if value}, quote_via=quote)
    return f"{path}?{query}" if query else path


def _name(name: str) -> str:
    """Return a name that may stand in a path.

    Quoting does not help against these: a server splits the path after it is decoded. An empty name would make an
    object's path that of the whole collection, and "b" of "a/b" a subresource.
    """
    if name in {"", ".", ".."} or "/" in name or "%" in name:
        raise Invalid(f"{name!r} cannot be the name of an object or a namespace")
    return name


def _path(*parts: str) -> str:
    return "".join(f"/{quote(part, safe='')}" for part in parts)
