"""Finding and downloading files as the machine's own pip would, for a target that is not this machine.

``pip download`` prepares metadata, and so runs the ``setup.py`` of an sdist. Its parts, used here from the pinned pip
of the build tool's environment, do not: the options (configuration files and ``PIP_*`` variables), the session (proxy,
certificates, credentials, retries), the finder (which file wins).
"""

import logging
import threading
from dataclasses import dataclass, field
from functools import cached_property
from optparse import Values
from pathlib import Path

from pip._internal.cli.req_command import RequirementCommand
from pip._internal.commands import create_command
from pip._internal.exceptions import NetworkConnectionError, PipError
from pip._internal.index.collector import LinkCollector
from pip._internal.index.package_finder import PackageFinder
from pip._internal.models.format_control import FormatControl
from pip._internal.models.link import Link
from pip._internal.models.selection_prefs import SelectionPreferences
from pip._internal.models.target_python import TargetPython
from pip._internal.network.session import PipSession
from pip._internal.network.utils import HEADERS, raise_for_status
from pip._internal.utils.hashes import Hashes
from pip._internal.utils.misc import redact_auth_from_url
from pip._vendor.packaging.specifiers import SpecifierSet
from pip._vendor.requests import RequestException

from forge.disk import is_full
from forge.errors import ForgeError
from forge.sources.cache import GoneError, UnreachableError
from forge.target import PLATFORMS, PYTHON, SERIES

PATIENCE = 60.0
"""Seconds without a byte after which an index counts as hanging; less where pip's own configuration says so."""

_ATTEMPTS = 3

# What pip would print while it looks is not for the person at the terminal; _Messages keeps what matters.
logging.getLogger("pip").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Found:
    """The file that pip would take: its name, and its sha256 where the index says it."""

    link: Link

    @property
    def filename(self) -> str:
        """The file's own name."""
        return self.link.filename

    @property
    def sha256(self) -> str | None:
        """What the index says the hash is."""
        return self.link.hash if self.link.hash_name == "sha256" else None


def machine_options() -> Values:
    """The options that ``pip install`` has on this machine without arguments.

    Raises:
        ForgeError: pip cannot read its own configuration.
    """
    command = _command()
    try:
        options, _ = command.parse_args([])
    except PipError as error:
        raise ForgeError(f"pip's configuration on this machine cannot be read: {error}") from error
    options.no_input = True
    return options


def _command() -> RequirementCommand:
    command = create_command("install")
    assert isinstance(command, RequirementCommand)
    return command


@dataclass
class PipIndex:
    """The indices that pip on this machine is set up with; safe to use from several threads.

    Args:
        patience: seconds without a byte after which an index counts as hanging; it is asked three times.
        stop: set when downloads are not wanted any more.
    """

    patience: float = PATIENCE
    stop: threading.Event = field(default_factory=threading.Event)
    _local: threading.local = field(default_factory=threading.local)

    @cached_property
    def options(self) -> Values:
        """pip's options, with waiting bounded; what comes is kept in our own cache, and not in pip's as well."""
        options = machine_options()
        options.cache_dir = None
        options.timeout = min(options.timeout or self.patience, self.patience)
        options.retries = _ATTEMPTS - 1
        return options

    @property
    def names(self) -> str:
        """The indices as the machine's configuration gives them, without credentials."""
        places = [] if self.options.no_index else [self.options.index_url, *self.options.extra_index_urls]
        return ", ".join(redact_auth_from_url(place) for place in [*places, *self.options.find_links])

    def find(self, name: str, version: str, hashes: frozenset[str], source_only: bool = False) -> Found:
        """The file of ``name`` ``version`` that pip would install on the target.

        That is the best wheel whose sha256 is in ``hashes``, an sdist where there is none.

        Raises:
            GoneError: the indices answer, and none has such a file.
            UnreachableError: an index does not answer, or not in time.
        """
        with _Messages() as messages:
            result = self._finder(name if source_only else "").find_best_candidate(
                name, SpecifierSet(f"=={version}"), Hashes({"sha256": sorted(hashes)})
            )
        found = Found(result.best_candidate.link) if result.best_candidate else None
        trouble = messages.trouble()
        if found and not (trouble and found.sha256 not in hashes):
            return found
        if trouble:
            raise UnreachableError("\n  ".join([f"{name} {version} could not be looked up on {self.names}:", *trouble]))
        raise GoneError(f"{name} {version} is not on {self.names} for CPython {SERIES}")

    def download(self, found: Found, target: Path) -> None:
        """Writes the file to ``target``; its hash is the caller's to check.

        Raises:
            UnreachableError: the index does not answer, or not in time, or refuses.
        """
        url = found.link.url_without_fragment
        for attempt in range(_ATTEMPTS):
            try:
                response = self._session().get(url, headers=HEADERS, stream=True)
                raise_for_status(response)
                with target.open("wb") as file:
                    for chunk in response.iter_content(1 << 20):
                        if self.stop.is_set():
                            raise UnreachableError(f"{found.filename}: stopped")
                        file.write(chunk)
                return
            except (RequestException, NetworkConnectionError, PipError, OSError) as error:
                if is_full(error):
                    raise
                if attempt == _ATTEMPTS - 1 or isinstance(error, NetworkConnectionError):
                    where = redact_auth_from_url(url)
                    raise UnreachableError(f"{found.filename} could not be fetched from {where}: {error}") from error

    def _session(self) -> PipSession:
        if not hasattr(self._local, "session"):
            self._local.session = _command()._build_session(self.options)
        session: PipSession = self._local.session
        return session

    def _finder(self, source_only: str) -> PackageFinder:
        """A finder of this thread; ``source_only`` names the project whose wheels are not looked at."""
        control = self.options.format_control
        if source_only:
            control = FormatControl(control.no_binary | {source_only}, control.only_binary)
        return PackageFinder.create(
            link_collector=LinkCollector.create(self._session(), options=self.options, suppress_no_index=True),
            selection_prefs=SelectionPreferences(
                allow_yanked=True, format_control=control, prefer_binary=self.options.prefer_binary
            ),
            target_python=TargetPython(PLATFORMS, PYTHON, implementation="cp"),
        )


class _Messages(logging.Handler):
    """pip only logs that an index did not answer, or is not used: this remembers what it said in this thread."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._thread = threading.get_ident()
        self._lines: list[str] = []
        self._loggers = [logging.getLogger(f"pip._internal.{name}") for name in ("index.collector", "network.session")]

    def __enter__(self) -> "_Messages":
        for logger in self._loggers:
            logger.setLevel(logging.DEBUG)
            logger.propagate = False
            logger.addHandler(self)
        return self

    def __exit__(self, *exception: object) -> None:
        for logger in self._loggers:
            logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._lines.append(record.getMessage())

    def trouble(self) -> list[str]:
        """The indices that could not be read, but for those that say they do not have the project."""
        signs = ("Could not fetch URL", "The repository located at ")  # the latter: plain HTTP, and not trusted
        failed = [line for line in self._lines if line.startswith(signs)]
        return [
            line for line in failed if not any(code in line for code in ("404 Client", "410 Client", "HTTP error 404"))
        ]
