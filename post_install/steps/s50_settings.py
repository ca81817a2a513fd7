"""``/etc/jupyterhub/hub.yaml``, with the authenticator and the spawner that this host has."""

import re

from post_install.choices import choose_auth, choose_spawner
from post_install.host import Host, Step, StepError
from post_install.messages import message
from post_install.record import Default, Record, load

PATH = "/etc/jupyterhub/hub.yaml"


def check(host: Host) -> list[str]:
    """Whether the settings are there, and as new as what is shipped."""
    record = load(host)
    return _settings(host, record)[0].check(host, record)


def ensure(host: Host) -> list[str]:
    """Writes the shipped settings; an edited file stays, and a changed default arrives beside it."""
    record = load(host)
    settings, choices = _settings(host, record)
    changes = settings.ensure(host, record)
    record.save(host)
    if not changes:
        return []
    ignored = [key for key in ("auth", "spawner") if in_force(host, key) != record.choices[key]]
    by_hand = [message("not_in_force", key=key, value=record.choices[key], path=PATH) for key in ignored]
    return [*changes, choices, *by_hand]


def _settings(host: Host, record: Record) -> tuple[Default, str]:
    """The file as it is for this host, and the choices that were made for it. They are kept in ``record``: a Docker
    Engine that is installed later does not change how users work without being asked to."""
    auth = choose_auth(host, record.choices.get("auth", ""))
    spawner = choose_spawner(host, record.choices.get("spawner", ""))
    record.choices |= {"auth": auth.value, "spawner": spawner.value}
    text = (host.config / "hub.yaml").read_text()
    text = _set(_set(text, "auth", auth.value), "spawner", spawner.value)
    return Default(PATH, text.encode(), 0o640), message("chosen", auth=auth, spawner=spawner)


def _set(text: str, key: str, value: str) -> str:
    """Sets one top-level key of the shipped YAML, which holds it once, as a plain scalar."""
    text, count = re.subn(rf"^{key}:[ \t]*[^\s#]+", f"{key}: {value}", text, flags=re.MULTILINE)
    if count != 1:
        raise StepError(message("shipped_settings", count=count, key=key))
    return text


def in_force(host: Host, key: str) -> str:
    """What the installed settings say of a top-level key with a plain value; empty when they don't name it."""
    file = host.at(PATH)
    text = file.read_text(errors="replace") if file.is_file() else ""
    found = re.search(rf"^{key}:[ \t]*['\"]?([\w-]+)", text, re.MULTILINE)
    return found[1] if found else ""


STEP = Step("settings", check, ensure)
