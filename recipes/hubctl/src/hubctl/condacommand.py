"""base's conda, as hubctl starts it."""

from pathlib import Path

from hubctl import layout as places


def conda(verb: str, *arguments: str, prefix: Path | None = None) -> list[str]:
    """The command line, for the environment that this program runs from, or for another ``prefix``.

    Raises:
        HubError: there is no conda, or no Python for it.
    """
    return [str(places.base_program("conda")), verb, "--prefix", str(prefix or places.environment()), *arguments]
