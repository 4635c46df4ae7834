"""Lays the image out: a virtual environment, the interpreter below it, the libraries that both load, and nothing else.

Used by the Containerfile, where it runs on the base's Python and needs nothing besides.
"""

# ruff: noqa: INP001, S603, S607, T201 - a script of the build; programs are the base's, wherever it has them

import compileall
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections import deque
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from py_compile import PycInvalidationMode

__all__ = ["main"]

PROGRAM = """\
#!{python} -IB
import os
import signal
import sys

# The kernel keeps signals from process 1 until it has a handler; the program's own come once it knows what to do.
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: os._exit(128 + number))

from service_provider_ocm_cli import main

sys.exit(main())
"""
USERS = "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin\n"
GROUPS = "root:x:0:\nnonroot:x:65532:\n"
NAMES = "passwd: files\ngroup: files\nhosts: files dns\n"

# What a controller never imports: how to build and install, windows, terminals, databases, tests.
# fmt: off
UNUSED = (
    "__pycache__", "config-*", "dist-packages", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data",
    "site-packages", "sqlite3", "test", "tests", "tkinter", "turtle.py", "turtledemo", "curses", "dbm", "venv",
    "_ctypes_test.*", "_curses*.so", "_dbm.*", "_gdbm.*", "_sqlite3.*", "_test*.so", "_tkinter.*", "_xxtestfuzz.*",
    "nis.*", "ossaudiodev.*", "readline.*", "xxlimited*.so",
)
# fmt: on
ELF = b"\x7fELF"
STATUS = Path("var/lib/dpkg/status.d")


def main(environment: Path, root: Path) -> None:
    """Lay out under a root what a virtual environment needs to run."""
    library = Path(sysconfig.get_path("stdlib"))
    packages = next((environment / "lib").glob("python3.*")) / "site-packages"
    python = environment / "bin" / "python"
    trees = [*_files(library, UNUSED), *_files(packages, ("__pycache__",))]
    programs = [file.resolve() for file in (python, *trees) if _is_elf(file)]
    extras = (environment / "pyvenv.cfg", Path("/etc/os-release"), *_trust())

    root.mkdir()
    libraries = _libraries(programs)
    brought = {_bring(file, root) for file in (python, *trees, *libraries, *extras)}
    _describe(_owners(brought), root)
    _write(root / "service-provider-ocm", PROGRAM.format(python=python), 0o755)
    _write(root / "etc" / "passwd", USERS)
    _write(root / "etc" / "group", GROUPS)
    _write(root / "etc" / "nsswitch.conf", NAMES)
    # Else libraries are looked for in the usual folders only.
    folders = sorted({str(library.parent) for library in libraries})
    subprocess.run(["ldconfig", "-X", "-r", str(root), *folders], check=True)
    for tree in (library, packages):
        if not _compile(tree, root):
            raise SystemExit(f"{tree}: not all of it can be compiled")
    _settle(root)


def _files(folder: Path, without: Iterable[str]) -> Iterator[Path]:
    """Yield the files in a folder, links as links."""
    for path in sorted(folder.iterdir()):
        if any(fnmatch(path.name, pattern) for pattern in without):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files(path, without)
        else:
            yield path


def _is_elf(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(ELF)) == ELF


def _libraries(programs: Iterable[Path]) -> list[Path]:
    """Return the libraries that programs and libraries load."""
    listed = subprocess.run(["ldd", *map(str, programs)], check=True, capture_output=True, text=True).stdout
    missing = re.findall(r"(\S+) => not found", listed)
    if missing:
        raise SystemExit(f"missing in the base: {', '.join(sorted(set(missing)))}")
    found = {Path(path) for path in re.findall(r"(/\S+) \(0x", listed)}
    # Threads that end load it by name.
    beside = {path.with_name("libgcc_s.so.1") for path in found if path.name.startswith("libc.")}
    return sorted(found | {path for path in beside if path.exists()})


def _trust() -> list[Path]:
    """Return OpenSSL's settings, and the certificates that it trusts unless told otherwise, where the base has any."""
    import ssl  # noqa: PLC0415 - loads the library

    certificates = Path(ssl.get_default_verify_paths().openssl_cafile)
    return [file for file in (certificates, certificates.with_name("openssl.cnf")) if file.exists()]


def _bring(file: Path, root: Path) -> Path:
    """Copy a file to its place under a root, with every link on the way, and return where it really is."""
    here, rest = Path("/"), deque(file.parts[1:])
    while rest:
        step = here / rest.popleft()
        copy = root / step.relative_to("/")
        if step.is_symlink():
            if not copy.is_symlink():
                copy.symlink_to(step.readlink())
            target = Path(os.path.normpath(here / step.readlink()))
            here, rest = Path("/"), deque((*target.parts[1:], *rest))
            continue
        if step.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        elif not copy.exists():
            shutil.copyfile(step, copy)
            copy.chmod(0o755 if os.access(step, os.X_OK) and _is_elf(step) else 0o644)
        here = step
    return here


def _owners(files: Iterable[Path]) -> set[str]:
    """Return the Debian packages that files come from."""
    # Where /usr was merged, dpkg may know a file by its older name.
    names = {name for file in map(str, files) for name in (file, file.removeprefix("/usr"))}
    lists = Path("/var/lib/dpkg/info").glob("*.list")
    return {one.stem for one in lists if not names.isdisjoint(one.read_text(encoding="utf-8").splitlines())}


def _describe(packages: Iterable[str], root: Path) -> None:
    """Leave what scanners know Debian's packages by, one file each as in all images without dpkg, and the licences."""
    for package in sorted(packages):
        query = ["dpkg-query", "-s", package]
        name = package.partition(":")[0]
        told = subprocess.run(query, check=True, capture_output=True, text=True).stdout
        _write(root / STATUS / name, told)
        _bring(Path("/usr/share/doc") / name / "copyright", root)


def _compile(tree: Path, root: Path) -> bool:
    """Compile modules such that nobody asks again whether they have changed."""
    return compileall.compile_dir(
        root / tree.relative_to("/"),
        quiet=1,
        workers=0,
        maxlevels=20,
        stripdir=str(root),
        prependdir="/",
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )


def _write(file: Path, text: str, mode: int = 0o644) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)


def _settle(root: Path) -> None:
    """Give everything one time, so that the same input gives the same image."""
    for path in (root, *root.rglob("*")):
        os.utime(path, (0, 0), follow_symlinks=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"laid out on Python {platform.python_version()}")
