"""configurable-http-proxy as a child of the hub."""

from urllib.parse import urlsplit

from jupyterhub.proxy import ConfigurableHTTPProxy  # type: ignore[import-untyped]

from hubctl.processes import command_line


class OwnProxy(ConfigurableHTTPProxy):  # type: ignore[misc]
    """The proxy, whose pid file is trusted only when the process it names is this hub's proxy.

    JupyterHub ends whatever process has the number in the file: after a crash and a reboot that can be anybody's.
    """

    def _check_pid(self, pid: int) -> None:
        arguments = command_line(pid)
        api_port = str(urlsplit(self.api_url).port)
        if self.command[-1] not in arguments or ["--api-port", api_port] not in _pairs(arguments):
            raise ProcessLookupError(pid)


def _pairs(arguments: list[str]) -> list[list[str]]:
    return [arguments[index : index + 2] for index in range(len(arguments))]
