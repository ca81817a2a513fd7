"""``hub.yaml`` as a whole, read and checked. The help of each field is its documentation."""

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from pydantic import Field, IPvAnyAddress, PrivateAttr, TypeAdapter, ValidationError

from hubctl import yamlfile
from hubctl.settings_errors import dotted, expected
from hubctl.settings_sections import (
    DRIVER_SHARE,
    AccountName,
    Auth,
    Docker,
    GroupLimits,
    IdleCuller,
    Image,
    InternalPorts,
    Kerberos,
    Limits,
    Mount,
    Port,
    PySpark,
    Section,
    Spawner,
    Tls,
)
from hubctl.units import format_memory


class Settings(Section):
    """All of ``hub.yaml``."""

    auth: Auth = Field(
        default="pam",
        description="Who checks passwords. kerberos: PAM, then a ticket. pam: PAM alone. "
        "shared-password: one password for all, to try the hub.",
    )
    spawner: Spawner = Field(
        default="local",
        description="Where notebooks run. docker: a container each. local: processes on this host.",
    )
    admin_users: list[AccountName] = Field(default=[], description="Users with the admin page.")
    admin_groups: list[AccountName] = Field(
        default=[], description="Members of these groups have it, too (not with shared-password)."
    )
    allowed_groups: list[AccountName] = Field(
        default=["jupyterhub"], description="Members of these groups may log in (not with shared-password)."
    )
    port: Port = Field(default=8000, description="The port that browsers use.")
    bind: IPvAnyAddress = Field(default=IPv4Address("0.0.0.0"), description="The address to listen on.")
    tls: Tls = Field(default=Tls(), description="The certificate that browsers see.")
    kerberos: Kerberos = Field(default=Kerberos(), description="Tickets.")
    docker: Docker = Field(default=Docker(), description="Containers.")
    limits: Limits = Field(default=Limits(), description="What one user's server may take; enforced for containers.")
    group_limits: list[GroupLimits] = Field(
        default=[],
        description="Limits of the members of groups; of several groups, the first here counts "
        "(not with shared-password).",
    )
    mounts: list[Mount] = Field(default=[], description="Paths of the host inside the containers.")
    pyspark: PySpark = Field(default=PySpark(), description="Kernels with Spark.")
    idle_culler: IdleCuller = Field(default=IdleCuller(), description="Ends servers that nobody uses.")
    proxy_service: bool = Field(
        default=False,
        description="Where systemd runs: the proxy as a service of its own. Connections outlive a restart of the hub.",
    )
    named_servers: int = Field(default=0, ge=0, description="Servers a user may have beside the first.")
    internal_ports: InternalPorts = Field(default=InternalPorts(), description="Ports that only this host uses.")

    _member_of: GroupLimits | None = PrivateAttr(default=None)

    def for_member(self, groups: Collection[str]) -> "Settings":
        """The same settings with the limits of somebody who is in ``groups``."""
        theirs = self.model_copy()
        theirs._member_of = next((entry for entry in self.group_limits if entry.group in groups), None)
        return theirs

    def limits_of(self, image: Image) -> Limits:
        """What a server of ``image`` may take. Without ``for_member``, for somebody who is in no group with limits."""
        return _effective(self.limits, image, self._member_of)

    @property
    def driver_sizes(self) -> list[int]:
        """Sizes of the PySpark kernels in bytes, each once; of the defaults, those that fit into anybody's server."""
        largest = DRIVER_SHARE * max(memory for memory, _ in _memories(self.limits, self.docker, self.group_limits))
        return list(dict.fromkeys(size for size in self.pyspark.driver_memory if size <= largest))

    def largest_driver(self, image: Image) -> float:
        """The largest heap in bytes of a Spark driver in a server of ``image``."""
        return DRIVER_SHARE * self.limits_of(image).memory


def _effective(limits: Limits, image: Image | None, group: GroupLimits | None) -> Limits:
    """The limits of the image or the group instead of the common ones; of both, the smaller ones."""

    def own(name: str) -> Any:
        values = [getattr(source, name) for source in (image, group) if source]
        return min((value for value in values if value is not None), default=getattr(limits, name))

    return Limits.model_construct(memory=own("memory"), cpu=own("cpu"), pids=own("pids"))


def _memories(limits: Limits, docker: Docker, groups: list[GroupLimits]) -> Iterator[tuple[int, str]]:
    """The memory of each kind of server in bytes, and the setting that it comes from."""
    for image in docker.images:
        for group in (None, *groups):
            memory = _effective(limits, image, group).memory
            if memory == image.memory:
                yield memory, "the largest memory of docker.images"
            elif group and memory == group.memory:
                yield memory, "the largest memory of group_limits"
            else:
                yield memory, "limits.memory"


def load(path: Path) -> Settings:
    """Reads and checks ``hub.yaml``.

    Raises:
        HubError: it can't be read.
        MistakesError: everything that is wrong, one line each: file, line, key path, what was expected.
    """
    document = yamlfile.read(path)
    settings, problems = examine(document)
    if settings is None or problems:
        mistakes = {yamlfile.Mistake(document.line(where), dotted(where), text) for where, text in problems}
        raise yamlfile.MistakesError(path, sorted(mistakes))
    return settings


def examine(document: yamlfile.Document) -> tuple[Settings | None, list[tuple[yamlfile.KeyPath, str]]]:
    """The settings, where the document can be read as such, and what is wrong: key path, what was expected."""
    problems: list[tuple[yamlfile.KeyPath, str]] = []
    settings = None
    try:
        settings = Settings.model_validate(document.values)
    except ValidationError as error:
        problems = [(detail["loc"], expected(detail, detail["loc"], Settings)) for detail in error.errors()]
    return settings, [*problems, *_oversized(document.values)]


def _oversized(values: dict[str, Any]) -> list[tuple[yamlfile.KeyPath, str]]:
    """Written Spark sizes above their share of the limit. Checked on the file's values, so that each error has its own
    line and is told together with all others.
    """
    try:
        limits = Limits.model_validate(values.get("limits", {}))
        docker = Docker.model_validate(values.get("docker", {}))
        groups = TypeAdapter(list[GroupLimits]).validate_python(values.get("group_limits", []))
        spark = PySpark.model_validate(values.get("pyspark", {}))
    except ValidationError:
        return []
    sizes = spark.driver_memory if "driver_memory" in spark.model_fields_set else []
    largest, limit = max(_memories(limits, docker, groups))
    return [
        (
            ("pyspark", "driver_memory", index),
            f"expected at most {DRIVER_SHARE} of {limit}, which is {format_memory(largest)}, got {format_memory(size)}",
        )
        for index, size in enumerate(sizes)
        if size > DRIVER_SHARE * largest
    ]
