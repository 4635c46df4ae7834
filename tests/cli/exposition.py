"""Reading metrics as Prometheus does, and the rules of ``promtool check metrics``, for where there is no promtool."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["Family", "Sample", "families", "promtool", "troubles", "values"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
_SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("", "_count", "_sum")}
# Units that are none of the base units which Prometheus asks for.
_BAD_UNITS = re.compile(
    r"_(milliseconds|microseconds|nanoseconds|minutes|hours|days|weeks|kelvins|percent|milligrams|bits"
    r"|(?:kilo|mega|giga|kibi|mebi|gibi)(?:bytes|bits|meters|grams))(?:_|$)"
)
_ABBREVIATED = re.compile(r"_(s|ms|us|ns|sec|b|kb|mb|gb|tb|pb|m|h|d)(?:_|$)")


class Sample(NamedTuple):
    """One line."""

    name: str
    labels: Mapping[str, str]
    value: float


class Family(NamedTuple):
    """One metric."""

    name: str
    type: str
    help: str
    samples: list[Sample]


def families(text: str) -> dict[str, Family]:
    """Return the metrics of a text, by name; a text that Prometheus would not read is an AssertionError."""
    found: dict[str, Family] = {}
    helps: dict[str, str] = {}
    family: Family | None = None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, words = line.removeprefix("# HELP ").partition(" ")
            assert name not in helps, f"{name} has two HELPs"
            helps[name] = words
        elif line.startswith("# TYPE "):
            name, kind = line.removeprefix("# TYPE ").split(" ")
            assert _NAME.fullmatch(name)
            assert name not in found, f"{name} has two TYPEs"
            family = found[name] = Family(name, kind, helps.get(name, ""), [])
        else:
            assert family is not None, line
            sample = _sample(line)
            allowed = [family.name + suffix for suffix in _SUFFIXES.get(family.type, ("",))]
            assert sample.name in allowed, f"{sample.name} stands under {family.name}"
            family.samples.append(sample)
    return found


def _sample(line: str) -> Sample:
    parts = _SAMPLE.fullmatch(line)
    assert parts, line
    name, inner, value = parts.groups()
    labels = dict(_LABEL.findall(inner or ""))
    assert _LABEL.sub("", inner or "") == "", line
    return Sample(name, labels, float(value))


def troubles(found: Mapping[str, Family]) -> Iterator[str]:
    """Yield what promtool would say of metrics."""
    for name, family in found.items():
        histogram = family.type in _SUFFIXES
        series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        labels = {label for sample in family.samples for label in sample.labels}
        for wrong, words in (
            (not family.help, "no help"),
            (family.type == "counter" and not name.endswith("_total"), "a counter ends in _total"),
            (family.type != "counter" and name.endswith("_total"), "only counters end in _total"),
            (not histogram and re.search("_(count|sum|bucket)$", name), "ends like a histogram"),
            (re.search(f"_{family.type}(_|$)", name), "its name has its type"),
            (_BAD_UNITS.search(name) or _ABBREVIATED.search(name), "not in base units"),
            (":" in name or re.search("[a-z][A-Z]", name), "no snake case"),
            (labels & {"le", "quantile"} and not histogram, "a label of histograms"),
            (any(re.search("[a-z][A-Z]", label) for label in labels), "a label is no snake case"),
            (len(series) != len(set(series)), "a series twice"),
        ):
            if wrong:
                yield f"{name}: {words}"


def values(text: bytes, name: str, **labels: str) -> dict[tuple[str, ...], float]:
    """Return the values of the series of a name that have some labels, by the values of their other labels.

    Of a histogram, a name with its suffix is wanted; ``controller`` and ``name`` are never among the others.
    """
    found = {}
    for family in families(text.decode()).values():
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                rest = {
                    key: value for key, value in sample.labels.items() if key not in {*labels, "controller", "name"}
                }
                found[tuple(value for _, value in sorted(rest.items()))] = sample.value
    return found


def promtool(text: bytes) -> list[str] | None:
    """Return what promtool says of metrics; None where there is no promtool."""
    program = shutil.which("promtool")
    if program is None:
        return None
    done = subprocess.run([program, "check", "metrics"], input=text, capture_output=True, timeout=60, check=False)
    said = (done.stdout + done.stderr).decode().splitlines()
    return said or ([f"exit code {done.returncode}"] if done.returncode else [])
