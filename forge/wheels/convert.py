"""Many wheels become conda packages: two at a time, and only those that the cache does not hold."""

import inspect
import json
import multiprocessing
import os
import signal
import threading
import zipfile
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from packaging.utils import canonicalize_name

from forge import condapkg
from forge.condapkg import About, Index
from forge.errors import ForgeError
from forge.files import discard_unfinished, sha256_of, tree_digest
from forge.paths import cache_dir
from forge.progress import Step
from forge.symbols import without_symbols
from forge.target import Target
from forge.wheels import amendments, bytecode, metadata
from forge.wheels.layout import lay_out
from forge.wheels.metadata import Wheel
from forge.wheels.names import Names
from forge.wheels.relations import Relations, Universe, relations
from forge.wheels.sdist import from_sdist

BUILD_NUMBER = 0
"""Raise it when the same wheel is to become another package, so that servers take the new one."""

_WORKERS = 2


@dataclass(frozen=True)
class Job:
    """One wheel on its way to a worker; ``folder`` is where its package belongs.

    It travels as plain values: what ``packaging`` has parsed and evaluated can't always be pickled.
    """

    wheel: Path
    sha256: str
    index: Index
    target: Target
    folder: Path

    @property
    def package(self) -> Path:
        """The file that comes out."""
        return self.folder / self.index.file_name


def convert_all(
    files: Mapping[str, Path],
    *,
    python: Path,
    python_version: str,
    names: Path,
    skip: Collection[str] = (),
) -> list[Path]:
    """Converts what is not in the cache yet.

    Args:
        files: wheels and pure source distributions by PyPI name; together with ``skip`` they meet each other's needs.
        python: the interpreter of the target, which makes the byte code.
        python_version: its full version.
        names: conda-pypi's wheel, which carries the mapping of names.
        skip: PyPI names that recipes build; others may depend on them.

    Returns:
        The packages, sorted by name; those of ``skip`` are not among them.

    Raises:
        ForgeError: a file that is no wheel for the target, a dependency that nothing meets, two projects with one conda
            name, an interpreter that is not ``python_version``.
    """
    recipes = frozenset(map(canonicalize_name, skip))
    target = Target(python_version)
    compiled_by = _check_python(python, target)
    wheels = [_wheel(path, target) for name, path in files.items() if canonicalize_name(name) not in recipes]
    universe = Universe({wheel.name: wheel for wheel in wheels}, recipes, Names.from_wheel(names), target)
    _check_names(universe)
    tools = _tools(compiled_by)
    jobs = [_job(wheel, universe, tools) for wheel in sorted(wheels, key=lambda wheel: wheel.name)]
    missing = [job for job in jobs if not job.package.is_file()]
    if missing:
        _run(missing, python)
    return [job.package for job in jobs]


def convert(job: Job, compiler: bytecode.Compiler) -> Path:
    """Writes the package of one wheel.

    Raises:
        ForgeError: something in the wheel has no place in a conda package.
    """
    wheel = metadata.read(job.wheel, job.sha256, job.target)
    layout = lay_out(wheel, job.target, compiler)
    prefix = f"{wheel.dist_info}/"
    with zipfile.ZipFile(wheel.path) as archive:
        licenses = {
            entry.removeprefix(prefix).removeprefix("licenses/"): archive.read(entry) for entry in wheel.licenses
        } or amendments.licenses(wheel.name)
    about = About(
        summary=wheel.metadata.get("summary", ""),
        license=wheel.license or "",
        home=wheel.home,
        extra={"wheel": wheel.path.name, "wheel_sha256": wheel.sha256},
    )
    return condapkg.write(
        job.folder,
        job.index,
        layout.members.values(),
        epoch=_seconds(job.index),
        about=about,
        licenses=licenses,
        entry_points=sorted(layout.entry_points),
    )


def _check_python(python: Path, target: Target) -> str:
    tag, identity = bytecode.identity(python)
    if tag != target.cache_tag:
        raise ForgeError(f"{python} makes byte code for {tag}, the packages are for {target.cache_tag}.")
    return identity


def _wheel(path: Path, target: Target) -> Wheel:
    digest = _digest(path)
    if path.suffix == ".whl":
        return metadata.read(path, digest, target)
    folder = cache_dir("packages") / _key("wheel of", digest)
    built = next(folder.glob("*.whl"), None) or from_sdist(path, folder)
    return metadata.read(built, sha256_of(built), target)


def _check_names(universe: Universe) -> None:
    taken: dict[str, str] = {}
    for pypi in sorted({*universe.wheels, *universe.recipes}):
        conda = universe.names.conda(pypi)
        if conda in taken:
            raise ForgeError(f"{taken[conda]} and {pypi} would both be the conda package {conda}.")
        taken[conda] = pypi


def _job(wheel: Wheel, universe: Universe, tools: str) -> Job:
    related = relations(wheel, universe)
    index = Index(
        name=universe.names.conda(wheel.name),
        version=str(wheel.version),
        build=_build_string(wheel, related),
        build_number=BUILD_NUMBER,
        depends=related.depends,
        subdir=related.subdir,
        noarch="python" if wheel.noarch else None,
        license=wheel.license,
        timestamp=wheel.date * 1000,
    )
    key = _key(wheel.sha256, index.document(wheel.date), tools)
    return Job(wheel.path, wheel.sha256, index, universe.target, cache_dir("packages") / key)


def _build_string(wheel: Wheel, related: Relations) -> str:
    """Other content or other dependencies, another file name: a channel never has to replace a file.

    A converter that writes the same content in other bytes needs another ``BUILD_NUMBER``.
    """
    parts = [wheel.sha256, related.depends, wheel.license or ""]
    if not wheel.noarch:
        parts.append("without symbols")
    if replaced := amendments.REPLACED.get(wheel.name):
        parts.append(repr(replaced))
    if left_out := amendments.LEFT_OUT.get(wheel.name):
        parts.append(sorted(left_out))
    if added := amendments.licenses(wheel.name):
        parts.append(repr(added))
    return f"{related.build}h{_key(*parts)[:7]}_{BUILD_NUMBER}"


def _run(jobs: list[Job], python: Path) -> None:
    """The biggest first, so that both processes end at about the same time."""
    ordered = sorted(jobs, key=lambda job: -job.wheel.stat().st_size)
    context = multiprocessing.get_context("spawn")
    with Step("Wheels to packages", len(ordered)) as step:
        pool = ProcessPoolExecutor(_WORKERS, mp_context=context, initializer=_start_worker)
        try:
            with _out_of_reach_of_ctrl_c():
                pending = {pool.submit(_work, job, python): job for job in ordered}
            for future in as_completed(pending):
                future.result()
                step.done(pending[future].index.name)
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.terminate()  # nothing that they write has its final name yet
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _out_of_reach_of_ctrl_c() -> Iterator[None]:
    """Processes that are started here never hear of ctrl-C, from their first moment on: their parent ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    signal.signal(signal.SIGTERM, _end_at_once)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    if parent := multiprocessing.parent_process():
        parent.join()
        _end_at_once()


def _end_at_once(*_: object) -> None:
    """Leaves nothing half-written behind."""
    discard_unfinished()
    os._exit(1)


def _work(job: Job, python: Path) -> Path:
    """A wheel has a compiler of its own: what one has compiled before can change what it makes of a source."""
    with bytecode.Compiler(python) as compiler:
        return convert(job, compiler)


def _tools(compiled_by: str) -> str:
    """Everything that decides the bytes and is not the wheel."""
    sources = tree_digest(
        Path(__file__).parent,
        Path(condapkg.__file__).parent,
        *(Path(inspect.getfile(used)) for used in (Target, without_symbols)),
    )
    return _key(sources, compiled_by, *(f"{name} {version(name)}" for name in ("installer", "zstandard")))


def _digest(path: Path) -> str:
    """The file's sha256; the cache of downloads, which is checked as it is filled, has it as the folder's name."""
    known = path.parent.name
    return known if path.parent.parent == cache_dir("sources") else sha256_of(path)


def _key(*parts: object) -> str:
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _seconds(index: Index) -> int:
    assert index.timestamp is not None
    return index.timestamp // 1000
