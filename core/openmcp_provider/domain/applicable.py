"""What can be applied server-side: a server reads the body of an apply as YAML, also where it is JSON."""

import json

from openmcp_provider.domain.objects import MAPPING

__all__ = ["LONGEST_KEY", "long_key"]

LONGEST_KEY = 1024
"""Characters of a key, with its quotes and escapes, beyond which YAML does not look for the colon after it."""


_CERTAIN = (LONGEST_KEY - 2) // 6  # characters that fit even if each is escaped; the checks ask in every reconcile


def long_key(value: object, path: str = "") -> str:
    """Return where the first key is that is too long to be applied, ending in its beginning; else empty."""
    if isinstance(value, MAPPING):
        for key, below in value.items():
            if len(key) > _CERTAIN and len(json.dumps(key, ensure_ascii=False)) > LONGEST_KEY:
                return f"{path}.{key[:20]}..."
            if found := long_key(below, f"{path}.{key}"):
                return found
    elif isinstance(value, (list, tuple)):
        return next((found for at, below in enumerate(value) if (found := long_key(below, f"{path}[{at}]"))), "")
    return ""
