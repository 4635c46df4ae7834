"""The programs of a control plane: found where the ecosystem keeps them, or built once with Go.

The folder that the environment variable ``KUBEBUILDER_ASSETS`` names comes first, as for every tool that tests against
a real API server. Else they are built from their Go modules, in the versions that ``tools/go.mod`` pins, and kept in
the user's cache folder by version.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

__all__ = ["Binaries", "NoBinaries", "find", "install", "missing"]

_TOOLS = Path(__file__).with_name("tools")
_REMEDY = (
    "set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl, or install Go as new as "
    f"{_TOOLS / 'go.mod'} asks for"
)
_KUBERNETES = "k8s.io/kubernetes"
_ETCD = "go.etcd.io/etcd/server/v3"
_PACKAGES = {
    "etcd": _ETCD,
    "kube-apiserver": f"{_KUBERNETES}/cmd/kube-apiserver",
    "kube-controller-manager": f"{_KUBERNETES}/cmd/kube-controller-manager",
    "kubectl": f"{_KUBERNETES}/cmd/kubectl",
}
_NEEDED = ("etcd", "kube-apiserver", "kubectl")
_SAY_EVERY = 10.0  # seconds


class NoBinaries(RuntimeError):
    """There are no usable programs, and they could not be built; the message says why and what to do."""


class Binaries(NamedTuple):
    """A folder with the programs."""

    folder: Path

    def path(self, name: str) -> str:
        """Return the path of a program.

        Raises:
            NoBinaries: the folder lacks it, as those made for other tools lack kube-controller-manager.
        """
        found = self.folder / name
        if not os.access(found, os.X_OK):
            raise NoBinaries(f"{self.folder} has no program {name}; {_REMEDY}")
        return str(found)

    def versions(self) -> dict[str, str]:
        """Return what etcd and kube-apiserver say of their versions."""
        answers = {
            name: subprocess.run([self.path(name), "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
            for name in ("etcd", "kube-apiserver")
        }
        return {name: re.sub(r"^\D*", "", answer.splitlines()[0]) for name, answer in answers.items()}


def pinned() -> dict[str, str]:
    """Return the versions of Kubernetes and etcd that are built, as ``tools/go.mod`` pins them."""
    text = (_TOOLS / "go.mod").read_text()
    return {
        name: re.search(rf"^\t{re.escape(module)} v(\S+)", text, re.MULTILINE)[1]  # type: ignore[index]
        for name, module in (("kubernetes", _KUBERNETES), ("etcd", _ETCD))
    }


def find(environ: Mapping[str, str] = os.environ) -> Binaries | None:
    """Return the programs if they are there already, None if they would have to be built.

    Raises:
        NoBinaries: ``KUBEBUILDER_ASSETS`` names a folder that lacks one of them.
    """
    assets = environ.get("KUBEBUILDER_ASSETS", "")
    found = Binaries(Path(assets) if assets else _cache(environ))
    if assets:
        for name in _NEEDED:
            found.path(name)
        return found
    return found if found.folder.is_dir() else None


def missing(environ: Mapping[str, str] = os.environ) -> str:
    """Return why there are neither programs nor the means to build them, in one line; empty if there are."""
    try:
        found = find(environ)
    except NoBinaries as error:
        return str(error)
    if found or shutil.which("go", path=environ.get("PATH")):
        return ""
    return f"neither programs of a control plane nor Go are at hand: {_REMEDY}"


def install(environ: Mapping[str, str] = os.environ) -> Binaries:
    """Return the programs; build them first if they are not there, which takes minutes and tells of its progress.

    Raises:
        NoBinaries: they could not be had.
    """
    why = missing(environ)
    if why:
        raise NoBinaries(why)
    found = find(environ)
    if found:
        return found
    folder = _cache(environ)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent / "lock"):
        found = find(environ)
        if found is None:
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as work:
                done = Path(work) / "bin"
                _build(done, environ)
                done.rename(folder)
    return Binaries(folder)


def _cache(environ: Mapping[str, str]) -> Path:
    home = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".cache")
    versions = "-".join(f"{name}-{version}" for name, version in pinned().items())
    return Path(home) / "openmcp-testing" / versions


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process in at a time."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another process builds the programs of the control plane; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(folder: Path, environ: Mapping[str, str]) -> None:
    version = pinned()["kubernetes"]
    major, minor, _ = version.split(".", 2)
    # An API server that does not know its version serves other APIs than a released one.
    facts = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    flags = " ".join(f"-X k8s.io/component-base/version.{key}={value}" for key, value in facts.items())
    command = ["go", "build", "-v", "-mod=readonly", "-buildvcs=false", "-trimpath", f"-ldflags=-s -w {flags}"]
    env = {**environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    for number, (name, package) in enumerate(_PACKAGES.items(), 1):
        what = f"building {name} ({number} of {len(_PACKAGES)}, {', '.join(' '.join(pin) for pin in pinned().items())})"
        _say(what)
        _run([*command, "-o", str(folder / name), package], env, what)


def _run(command: list[str], env: Mapping[str, str], what: str) -> None:
    began = said = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(command, cwd=_TOOLS, env=env, text=True, stderr=subprocess.PIPE) as build:  # noqa: S603
        for line in build.stderr or ():
            lines.append(line.rstrip())
            if time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                _say(f"{what}: {len(lines)} packages, {said - began:.0f} s")
    if build.returncode:
        told = "\n".join(lines[-15:])
        raise NoBinaries(f"{what} failed; the last of what Go said:\n{told}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress of minutes
