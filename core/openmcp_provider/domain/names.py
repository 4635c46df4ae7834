"""Names of openMCP: every one a pure function of the names it is made from.

The algorithms are those of openMCP's controller-utils and of the cluster access library; they must stay byte-identical,
because other programs look objects up by these names. They take any text and validate nothing.
"""

import base64
import hashlib
import uuid

__all__ = [
    "LABEL_LIMIT",
    "access_request_name",
    "kubeconfig_secret_name",
    "managed_labels",
    "managed_purpose",
    "name_hash",
    "name_uuid",
    "request_name",
    "shorten",
    "tenant_namespace",
]

LABEL_LIMIT = 63
"""Bytes that a label value and a DNS label may have."""

_HASH_MARK = 10  # "--" and the eight characters of name_hash

MANAGED_BY = "openmcp.cloud/managed-by"
MANAGED_PURPOSE = "openmcp.cloud/managed-purpose"
ONBOARDING_NAME = "openmcp.cloud/onboarding-name"
ONBOARDING_NAMESPACE = "openmcp.cloud/onboarding-namespace"


def name_hash(*parts: str) -> str:
    """Return eight characters of ``a-z2-7`` that stand for the parts: SHAKE128, five bytes, base32."""
    digest = hashlib.shake_128("/".join(parts).encode()).digest(5)
    return base64.b32encode(digest).decode().lower()


def name_uuid(*parts: str) -> str:
    """Return a version 8 UUID in canonical text that stands for the parts.

    Raises:
        ValueError: no part is given, or all are empty.
    """
    if not any(parts):
        msg = "a UUID needs at least one name that is not empty"
        raise ValueError(msg)
    raw = bytearray(hashlib.shake_128("/".join(parts).encode()).digest(16))
    raw[6] = (raw[6] & 0x0F) | 0x80
    raw[8] = (raw[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def shorten(text: str, limit: int = LABEL_LIMIT) -> str:
    """Return the text if it has at most `limit` bytes, else its beginning, ``--`` and the hash of the whole.

    Raises:
        ValueError: the text is too long and `limit` leaves no room for a hash.
    """
    raw = text.encode()
    if len(raw) <= limit:
        return text
    if limit <= _HASH_MARK:
        msg = f"cannot shorten to {limit} bytes: the hash alone takes {_HASH_MARK}"
        raise ValueError(msg)
    return raw[: limit - _HASH_MARK].decode(errors="ignore").rstrip("-.") + "--" + name_hash(text)


def tenant_namespace(name: str, namespace: str) -> str:
    """Return the platform namespace of the control plane `namespace`/`name`.

    Raises:
        ValueError: both are empty.
    """
    return "mcp--" + name_uuid(namespace, name)


def request_name(controller: str, local_name: str, suffix: str = "") -> str:
    """Return the name of a ClusterRequest or AccessRequest of `controller`."""
    raw = f"{controller.lower()}--{local_name.lower()}"
    if not suffix:
        return shorten(raw)
    return shorten(raw, LABEL_LIMIT - len(suffix.encode()) - 2) + "--" + suffix.lower()


def access_request_name(controller: str, name: str, suffix: str = "mcp") -> str:
    """Return the name of the AccessRequest for one tenant cluster of the instance `name`."""
    return request_name(controller, name, suffix)


def kubeconfig_secret_name(access_request: str) -> str:
    """Return the name that the cluster providers give a kubeconfig Secret by default.

    Only for a preview: the truth is ``status.secretRef`` of the AccessRequest.
    """
    return shorten(access_request, 52) + ".kubeconfig"


def managed_purpose(namespace: str, name: str, registration: str) -> str:
    """Return the purpose label of an AccessRequest, before it is shortened."""
    prefix = f"{namespace}." if namespace else ""
    return f"{prefix}{name}.{registration}".strip(". ")


def managed_labels(controller: str, name: str, namespace: str, registration: str = "mcp") -> dict[str, str]:
    """Return the four labels that an AccessRequest of `controller` for `namespace`/`name` carries, each shortened."""
    labels = {
        MANAGED_BY: controller,
        MANAGED_PURPOSE: managed_purpose(namespace, name, registration),
        ONBOARDING_NAME: name,
        ONBOARDING_NAMESPACE: namespace,
    }
    return {key: shorten(value) for key, value in labels.items()}
