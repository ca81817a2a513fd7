"""docs/installer-actions.md names everything that the steps put on a server."""

from post_install import removal
from post_install.host import PREFIX_FILE, UNIT_PATH
from post_install.record import HOST_RECORD
from post_install.steps import (
    STEPS,
    s20_folders,
    s30_shared,
    s40_tls,
    s50_settings,
    s60_prefix,
    s70_secrets,
    s80_pam,
    s90_service,
    s95_logrotate,
)

from .post_install_scratch import CONFIG

DOCUMENT = (CONFIG.parent / "docs/installer-actions.md").read_text()


def test_every_folder_secret_and_default_is_named() -> None:
    folders = [folder.path for folder in (*s20_folders.FOLDERS, s30_shared.NEW)]
    secrets = [secret.path for secret in s70_secrets.SECRETS]
    defaults = [s50_settings.PATH, f"PREFIX/envs/jupyterhubenv/{s60_prefix.NAME}", s80_pam.PATH]
    service = [
        UNIT_PATH,
        s90_service.PROXY_PATH,
        s90_service.SLICE_PATH,
        s90_service.TMPFILES_PATH,
        s95_logrotate.PATH,
        removal.RUNTIME,
    ]
    places = [*folders, *secrets, *defaults, *service, s40_tls.KEY, s40_tls.CERTIFICATE, HOST_RECORD, PREFIX_FILE]
    assert [place for place in places if f"`{place}`" not in DOCUMENT] == []


def test_every_step_has_a_line() -> None:
    assert [step.name for step in STEPS if f"\n| `{step.name}` |" not in DOCUMENT] == []
