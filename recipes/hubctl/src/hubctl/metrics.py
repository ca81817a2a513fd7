"""The hub's metrics for Prometheus: who may ask for them, and what Prometheus is to be told."""

import platform
import sys

from hubctl import api, certificate, tokens
from hubctl import settings as hub_settings
from hubctl.layout import Layout
from hubctl.settings import Settings

PATH = "/hub/metrics"
"""Where JupyterHub has them, for whoever has the scope ``read:metrics``."""


def metrics() -> None:
    """Print what Prometheus needs below `scrape_configs:` to ask this hub; makes the token file that it names.

    The token itself is never printed.

    Example: hubctl metrics
    """
    layout = Layout.current()
    settings = hub_settings.load(layout.settings)
    token = tokens.read_or_make(layout.metrics_token)
    print(scrape_configuration(settings, layout), end="")
    try:
        known = api.get(settings, layout, PATH, token).status == 200
    except (OSError, api.NotOurHubError):
        known = False
    if not known:
        print("The hub takes this token from its next start on: `hubctl restart`", file=sys.stderr)


def scrape_configuration(settings: Settings, layout: Layout) -> str:
    """One entry of ``scrape_configs`` (Prometheus's configuration, YAML)."""
    return f"""\
- job_name: jupyterhub
  scheme: https
  metrics_path: {PATH}
  authorization:
    credentials_file: {layout.metrics_token}
  tls_config:
    ca_file: {layout.below(settings.tls.cert)}
  static_configs:
    - targets: ["{_host(settings, layout)}:{settings.port}"]
"""


def _host(settings: Settings, layout: Layout) -> str:
    """The first name that the certificate is for, `localhost` last; the machine's own where it names none."""
    from cryptography.x509 import DNSName, ExtensionNotFound, SubjectAlternativeName

    shown = certificate.load(layout.below(settings.tls.cert))
    try:
        names = shown.extensions.get_extension_for_class(SubjectAlternativeName).value.get_values_for_type(DNSName)
    except ExtensionNotFound:
        names = []
    names = sorted((name for name in names if "*" not in name), key=lambda name: name == "localhost")
    return names[0] if names else platform.node()
