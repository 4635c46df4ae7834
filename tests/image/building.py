"""Building the image without a network, and starting it as a container engine would, with kernel namespaces alone.

Whatever is mounted is mounted in the namespace of the command that needs it, and goes with it.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

__all__ = ["CREATED", "PINS", "REPOSITORY", "REVISION", "Image", "Workshop"]

REPOSITORY = Path(__file__).parents[2]
PINS = tuple(REPOSITORY / "requirements" / name for name in ("runtime.txt", "build.txt"))
REVISION, CREATED = "0123456789abcdef0123456789abcdef01234567", "2026-01-02T03:04:05Z"

# As engines do: a root that cannot be written to, /proc, no network, a user that is nobody, process 1.
START = """
set -e
mount --bind "$0" "$0"
mount -o remount,bind,ro,nosuid,nodev "$0"
mount -t proc proc "$0/proc"
exec chroot --userspec=65532:65532 --groups= "$0" "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image in a folder, in the layout of OCI.

    Attributes:
        folder: Where it lies.
        root: What is in it, unpacked; besides, what engines add to every container.
    """

    folder: Path
    root: Path

    def _blob(self, described: Mapping[str, Any]) -> Path:
        return self.folder / "blobs" / str(described["digest"]).replace(":", "/")

    def _json(self, described: Mapping[str, Any]) -> Any:
        return json.loads(self._blob(described).read_bytes())

    @cached_property
    def manifest(self) -> Any:
        """What it consists of."""
        (one,) = json.loads((self.folder / "index.json").read_bytes())["manifests"]
        return self._json(one)

    @cached_property
    def config(self) -> Any:
        """How it is started."""
        return self._json(self.manifest["config"])["config"]

    @cached_property
    def files(self) -> dict[str, tarfile.TarInfo]:
        """What is in it, by path."""
        (layer,) = self.manifest["layers"]
        with tarfile.open(self._blob(layer)) as archive:
            return {member.name.removeprefix("./"): member for member in archive}

    @cached_property
    def packages(self) -> Path:
        """Where the Python packages are."""
        (folder,) = self.root.glob("app/lib/python3.*/site-packages")
        return folder

    def unpack(self) -> None:
        """Unpack it, and add what engines add."""
        (layer,) = self.manifest["layers"]
        with tarfile.open(self._blob(layer)) as archive:
            archive.extractall(self.root, numeric_owner=True, filter="fully_trusted")  # noqa: S202 - it is ours
        for name in ("proc", "volume"):
            (self.root / name).mkdir()
        (self.root / "etc" / "hosts").write_text("192.0.2.7 api.example\n", encoding="utf-8")

    @contextmanager
    def started(self, *argv: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Start a program in it, with nothing in the environment but what is given and what the image says."""
        said = dict(entry.split("=", 1) for entry in self.config["Env"])
        command = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", START, str(self.root)]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [*command, *argv], env=said | environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it to its end."""
        with self.started(*argv, **environment) as process:
            out, err = process.communicate(timeout=60)
            return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def python(self, code: str) -> Any:
        """Run Python code in it, and return what it printed, as JSON."""
        done = self.run("/app/bin/python", "-IB", "-c", code)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return json.loads(done.stdout)


@dataclass(frozen=True)
class Workshop:
    """A folder in which images are built, with all that this takes.

    Attributes:
        folder: The folder.
        took: What took how many seconds.
    """

    folder: Path
    took: dict[str, float] = field(default_factory=dict)

    @property
    def wheels(self) -> Path:
        """The packages that the image is built from."""
        return self.folder / "wheels"

    def prepare(self) -> None:
        """Make the base, a small Debian with Python, and fetch the packages."""
        base = self.folder / "base.tar"
        suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
        with self._timed("base"):
            self._run("mmdebstrap", "--quiet", "--variant=minbase", "--include=python3-venv", suite, str(base))
            container = self._buildah("from", "scratch")
            self._buildah("add", "--quiet", container, str(base), "/")
            self._buildah("commit", "--quiet", "--rm", container, "localhost/base")
        with tarfile.open(base) as archive:
            version = archive.getmember("./usr/bin/python3").linkname.removeprefix("python")
        base.unlink()
        # The environment of the tests has no pip; the Python that it was made from has one.
        pip = (f"{sys.base_prefix}/bin/python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
        pins = [word for file in PINS for word in ("-r", str(file))]
        kind = ("--only-binary=:all:", "--require-hashes", "--python-version", version)
        with self._timed("wheels"):
            self._run(*pip, *kind, "--dest", str(self.wheels), *pins)

    def build(self, name: str, version: str) -> Image:
        """Build the image, where no network is to be had, and take it out of buildah's store."""
        values = {"BASE": "localhost/base", "PIP_NO_INDEX": "1"}
        values |= {"VERSION": version, "REVISION": REVISION, "CREATED": CREATED}
        image = Image(folder=self.folder / name, root=self.folder / f"{name}-root")
        with self._timed(name):
            self._buildah(
                "bud",
                "--pull-never",
                "--timestamp=0",
                "--identity-label=false",
                f"--build-context=wheelhouse={self.wheels}",
                *(f"--build-arg={key}={value}" for key, value in values.items()),
                f"--file={REPOSITORY / 'deploy' / 'Containerfile'}",
                f"--tag=localhost/{name}",
                str(REPOSITORY),
            )
            self._buildah("push", "--quiet", f"localhost/{name}", f"oci:{image.folder}")
        return image

    def _buildah(self, *arguments: str) -> str:
        store = [f"--{name}={self.folder / 'store' / name}" for name in ("root", "runroot")]
        # What it keeps outside of its store, a cache, it keeps in memory.
        start = 'mount -t tmpfs none /var/lib; exec buildah --storage-driver=vfs "$@"'
        return self._run("unshare", "--net", "sh", "-e", "-c", start, "sh", *store, *arguments)

    def _run(self, *command: str) -> str:
        """Run a command whose mounts end with it.

        Raises:
            RuntimeError: it failed.
        """
        environment = os.environ | {"TMPDIR": str(self.folder), "BUILDAH_ISOLATION": "chroot"}
        argv = ("unshare", "--mount", *command)
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout.strip()

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.took[what] = time.monotonic() - started

    def clear(self) -> None:
        """Take everything away."""
        shutil.rmtree(self.folder)
