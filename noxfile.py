"""What is run on this code: `nox` checks everything, `nox -l` lists the sessions, `nox -s NAME -- ARGS` runs one."""

import os
import shutil
from pathlib import Path

import nox

# The README's command finds nox by PYTHONPATH; the sessions must find the pinned tools of their own environments.
os.environ.pop("PYTHONPATH", None)

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.error_on_external_run = True
nox.options.sessions = ["lint", "types", "imports", "tests", "cluster", "docs", "package", "image"]

WHEEL_STANDS_ALONE = """
import importlib.metadata, openmcp_provider, service_provider_ocm
(wheel,) = importlib.metadata.distributions()
tops = {file.parts[0] for file in wheel.files or () if file.suffix in {".py", ".typed"}}
print(wheel.name, wheel.version, "alone:", *sorted(tops))
assert all((wheel.locate_file(top) / "py.typed").is_file() for top in tops), "a package without py.typed"
"""


def install_tools(session: nox.Session) -> None:
    """Install the pinned tools."""
    session.install("-r", "requirements/dev.txt", "--require-hashes")


def install(session: nox.Session) -> None:
    """Install the pinned tools and this project, editable."""
    install_tools(session)
    session.install("--no-deps", "--no-build-isolation", "-e", ".")


def skip(session: nox.Session, why: str) -> None:
    """Skip a session where there is a reason to; but what cannot run in CI has failed."""
    if why and os.environ.get("CI"):
        session.error(why)
    if why:
        session.skip(why)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and licences."""
    install_tools(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("reuse", "lint", "--lines")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    install(session)
    session.run("mypy", *session.posargs)


@nox.session
def imports(session: nox.Session) -> None:
    """Check that imports follow the arrows between the rings."""
    install(session)
    session.run("lint-imports", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests that need no server: all of them with branch coverage, or what the arguments name."""
    install(session)
    everything = ("--ignore=tests/cluster", "--ignore=tests/image", "-n", "auto", "--cov", "--cov-report=term")
    session.run("pytest", *(session.posargs or everything))


@nox.session
def cluster(session: nox.Session) -> None:
    """Run the tests against real API servers: all of them, or what the arguments name.

    Their programs are those in the folder KUBEBUILDER_ASSETS; else they are built once, which takes minutes.
    """
    install(session)
    why = str(session.run("python", "-m", "openmcp_testing.control_plane", "--missing", silent=True)).strip()
    skip(session, why)
    session.run("python", "-m", "openmcp_testing.control_plane")
    session.run("pytest", *(session.posargs or ("tests/cluster", "-n", "2", "--durations=5")))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    install(session)
    session.run("sphinx-build", "-W", "--keep-going", "-q", "docs", "docs/_build/html")


@nox.session
def package(session: nox.Session) -> None:
    """Build the wheel and check that without extras it brings nothing else and can be imported."""
    install_tools(session)
    out = Path(session.create_tmp()).resolve()
    shutil.rmtree(out)
    session.run("python", "-m", "hatchling", "build", "-t", "wheel", "-d", str(out))
    (wheel,) = out.glob("*.whl")
    python = str(out / "bare" / "bin" / "python")
    session.run("uv", "venv", "-q", "--python", f"{session.bin}/python", str(out / "bare"))
    session.run("uv", "pip", "install", "-q", "--no-index", "--python", python, str(wheel))
    session.run(python, "-I", "-c", WHEEL_STANDS_ALONE, external=True, log=False)


@nox.session
def image(session: nox.Session) -> None:
    """Build the image on a base made on the spot, start it, and check what is in it; or what the arguments name."""
    missing = [name for name in ("buildah", "mmdebstrap", "unshare") if not shutil.which(name)]
    needed = [*(["root"] if os.geteuid() else []), *missing]
    skip(session, f"needed: {', '.join(needed)}" if needed else "")
    install_tools(session)
    session.run("pytest", *(session.posargs or ("tests/image", "--durations=5")))


@nox.session(default=False, name="format")
def format_(session: nox.Session) -> None:
    """Rewrite the code in its style."""
    install_tools(session)
    session.run("ruff", "check", "--fix", ".")
    session.run("ruff", "format", ".")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure how long decisions take, what a tenant costs in requests, and what the clients cost on a real server."""
    install(session)
    session.run("python", "benchmarks/decide.py", *session.posargs)
    session.run("python", "benchmarks/creation.py")
    session.run("python", "benchmarks/clients.py")  # says so where no control plane is to be had


@nox.session(default=False)
def fleet(session: nox.Session) -> None:
    """Measure and judge many tenants on real servers: at once, beside dead ones, taken over, soaked. Takes an hour."""
    install(session)
    for name in ("scale", "dead", "takeover", "soak"):
        session.run("python", f"benchmarks/{name}.py")


@nox.session(default=False)
def pins(session: nox.Session) -> None:
    """Choose new versions of the tools: nothing younger than a week, a hash for each file, no addresses."""
    names = ("controller", "cli", "lightkube", "kubernetes", "testing")
    extras = tuple(word for name in names for word in ("--extra", name))
    form = ("--universal", "--generate-hashes", "--no-emit-index-url", "--no-header", "--exclude-newer", "1 week")
    pinned = ("--upgrade", "--quiet", "--output-file", "requirements/dev.txt", *session.posargs)
    session.run("uv", "pip", "compile", "pyproject.toml", "requirements/dev.in", *extras, *form, *pinned)
    # The image gets of these what it needs, and what builds its wheel.
    tested = ("--constraint", "requirements/dev.txt", "--no-annotate", "--quiet")
    needs = ("pyproject.toml", "--extra", "controller", "--extra", "lightkube")
    for output, inputs in (("runtime.txt", needs), ("build.txt", ("requirements/build.in",))):
        session.run("uv", "pip", "compile", *inputs, *form, *tested, "--output-file", f"requirements/{output}")
