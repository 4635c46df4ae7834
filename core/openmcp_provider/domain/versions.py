"""Versions as people write them and as charts are labelled."""

__all__ = ["same_version"]


def same_version(installed: str, wanted: str) -> bool:
    """Tell whether the installed version is the wanted one, however it is spelt.

    Flux puts its own digest where a version has build metadata, so that these are missing from what is installed.
    """
    one, other = installed.removeprefix("v"), wanted.removeprefix("v").replace("_", "+")
    return bool(one) and one in {other, other.partition("+")[0]}
