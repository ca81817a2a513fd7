"""The sections of ``hub.yaml`` as types, and what their values can be. The help of each field is its documentation."""

import re
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from hubctl.units import Duration, Memory, format_duration, format_memory, parse_duration, parse_memory

DRIVER_SHARE = 0.8
"""The part of a server's memory limit that a Spark driver's heap may take: the JVM and Python need the rest."""

SMALLEST_DRIVER = parse_memory("512m")
"""Spark does not start below 450 MiB."""

SHORTEST_IDLE = parse_duration("10m")
"""The hub hears of activity every five minutes: with less, servers that are used would be ended."""

PICTURE_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
"""Pictures that browsers show, by the end of the file's name."""


def _absolute(path: PurePosixPath) -> PurePosixPath:
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(f"expected an absolute path without `..`, got {str(path)!r}")
    return path


def _account(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*", name):
        raise ValueError(f"expected a user or group name, got {name!r}")
    return name


AbsolutePath = Annotated[PurePosixPath, AfterValidator(_absolute)]
AccountName = Annotated[str, AfterValidator(_account)]
Port = Annotated[int, Field(ge=1, le=65535)]
Auth = Literal["kerberos", "pam", "shared-password"]
Spawner = Literal["docker", "local"]


class Section(BaseModel):
    """Keys that belong together; one that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, defer_build=True)


class Tls(Section):
    """The certificate that browsers see."""

    key: AbsolutePath = Field(
        default=PurePosixPath("/etc/jupyterhub/ssl/hub.key"), description="Private key, PEM, not encrypted."
    )
    cert: AbsolutePath = Field(
        default=PurePosixPath("/etc/jupyterhub/ssl/hub.crt"), description="Certificate and its chain, PEM."
    )


class Kerberos(Section):
    """Tickets of `auth: kerberos`."""

    realm: str | None = Field(default=None, description="The users' realm; without it, default_realm of krb5.conf.")
    keytab: AbsolutePath = Field(
        default=PurePosixPath("/etc/krb5.keytab"),
        description="The host's keytab: proves that the KDC is the real one. Used where it exists.",
    )
    ticket_lifetime: Duration = Field(default=parse_duration("10h"), description="How long a ticket is good for.")
    renewable_lifetime: Duration = Field(
        default=parse_duration("7d"), description="How long a ticket can be renewed without the password."
    )
    http_keytab: AbsolutePath | None = Field(
        default=None,
        description="Keytab of HTTP/NAME-OF-THE-SITE: browsers log in with their own ticket. Not without it.",
    )
    destroy_tickets: list[Literal["logout", "stop"]] = Field(
        default=[],
        description="When a user's ticket is destroyed before it is over: logout of the user, stop of the last server.",
    )

    @model_validator(mode="after")
    def _renewable_covers_lifetime(self) -> "Kerberos":
        if self.renewable_lifetime < self.ticket_lifetime:
            raise ValueError("expected renewable_lifetime to be at least ticket_lifetime")
        return self


class Image(Section):
    """One image that users can choose."""

    name: str = Field(min_length=1, description="What users see in the list.")
    image: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$", description="What Docker calls it; never pulled.")
    description: str = Field(default="", description="One line for the list.")
    picture: AbsolutePath | None = Field(
        default=None, description="A picture for the list, on the host: PNG, JPEG, GIF, WebP or SVG, up to 256 KiB."
    )
    memory: Memory | None = Field(default=None, description="Memory limit instead of limits.memory.")
    cpu: float | None = Field(default=None, gt=0, description="Processors instead of limits.cpu.")
    pids: int | None = Field(default=None, ge=32, description="Processes and threads instead of limits.pids.")
    root: bool = Field(
        default=False,
        description="Run as root inside, not as the user. Whoever may choose it is root on each folder that it mounts.",
    )

    @field_validator("picture")
    @classmethod
    def _known_kind(cls, picture: PurePosixPath | None) -> PurePosixPath | None:
        if picture and picture.suffix.lower() not in PICTURE_TYPES:
            raise ValueError(f"expected a file that ends in one of {', '.join(PICTURE_TYPES)}, got {str(picture)!r}")
        return picture


class Docker(Section):
    """Containers of `spawner: docker`."""

    network: Literal["bridge", "host"] = Field(
        default="bridge",
        description="bridge: a network of their own. host: the host's, which a cluster reaches.",
    )
    images: list[Image] = Field(
        default=[Image(name="Notebook", image="hubforge/notebook")],
        min_length=1,
        description="The images to choose from; the first is the default.",
    )

    @field_validator("images")
    @classmethod
    def _different_names(cls, images: list[Image]) -> list[Image]:
        names = [image.name for image in images]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"expected each name once, got {', '.join(twice)} more than once")
        return images


class Limits(Section):
    """What one user's server may take; enforced for containers."""

    memory: Memory = Field(default=parse_memory("4g"), description="Memory; more is killed.")
    cpu: float = Field(default=2, gt=0, description="Processors.")
    pids: int = Field(default=512, ge=32, description="Processes and threads.")


class GroupLimits(Section):
    """Limits of the servers of one group's members."""

    group: AccountName = Field(description="A group of the host or of its domain.")
    memory: Memory | None = Field(default=None, description="Memory limit instead of limits.memory.")
    cpu: float | None = Field(default=None, gt=0, description="Processors instead of limits.cpu.")
    pids: int | None = Field(default=None, ge=32, description="Processes and threads instead of limits.pids.")


class Mount(Section):
    """A folder or file of the host inside the containers."""

    host: AbsolutePath = Field(description="The path on the host; skipped, and logged once, where it does not exist.")
    container: AbsolutePath | None = Field(default=None, description="The path inside; without it, the same.")
    writable: bool = Field(default=False, description="Whether users may write there.")


def _driver(size: int) -> int:
    if size < SMALLEST_DRIVER:
        raise ValueError(f"expected at least {format_memory(SMALLEST_DRIVER)}, got {format_memory(size)}")
    return size


def _spark_property(value: Any) -> Any:
    """YAML reads ``true`` and ``4`` as what they look like; to Spark every value is text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


SparkProperty = Annotated[str, BeforeValidator(_spark_property)]


class PySpark(Section):
    """Kernels with Spark."""

    driver_memory: list[Annotated[Memory, AfterValidator(_driver)]] = Field(
        default=[parse_memory("1g"), parse_memory("2g")],
        description=f"Heap of the driver, one kernel a size; none above {DRIVER_SHARE} of limits.memory.",
    )
    master: str = Field(
        default="local[*]", pattern=r"^(local(\[.+\])?|yarn|k8s://.+|spark://.+)$", description="Spark's master."
    )
    spark_home: AbsolutePath | None = Field(
        default=None, description="The cluster's Spark on the host; without it, the image's own."
    )
    hadoop_conf: AbsolutePath | None = Field(
        default=None, description="Hadoop's configuration on the host, a folder with core-site.xml and yarn-site.xml."
    )
    conf: dict[str, SparkProperty] = Field(default={}, description="Further Spark properties.")

    @field_validator("conf")
    @classmethod
    def _further_properties(cls, conf: dict[str, str]) -> dict[str, str]:
        own = {"spark.driver.memory": "driver_memory", "spark.master": "master"}
        for name in conf:
            if not name.startswith("spark."):
                raise ValueError(f"expected Spark properties (spark.…), got {name!r}")
            if name in own:
                raise ValueError(f"expected further properties; {name} is set by pyspark.{own[name]}")
        return conf

    @model_validator(mode="after")
    def _yarn_is_found(self) -> "PySpark":
        if self.master == "yarn" and not (self.hadoop_conf or self.spark_home):
            raise ValueError("expected hadoop_conf with master yarn: its yarn-site.xml says where YARN is")
        return self


def _longer_than_unseen(timeout: timedelta) -> timedelta:
    if timeout < SHORTEST_IDLE:
        raise ValueError(f"expected at least {format_duration(SHORTEST_IDLE)}, got {format_duration(timeout)}")
    return timeout


class IdleCuller(Section):
    """Ends servers that nobody uses."""

    enabled: bool = Field(default=True, description="Whether idle servers are ended.")
    timeout: Annotated[Duration, AfterValidator(_longer_than_unseen)] = Field(
        default=parse_duration("12h"), description="How long a server may be idle; at least 10m."
    )


class PortRange(Section):
    """Ports of the users' servers where they share the loopback of the host."""

    first: Annotated[int, Field(ge=1024, le=65535)] = Field(default=20000, description="The lowest port.")
    last: Annotated[int, Field(ge=1024, le=65535)] = Field(
        default=29999, description="The highest port; below the kernel's ip_local_port_range."
    )

    @model_validator(mode="after")
    def _ordered(self) -> "PortRange":
        if self.last < self.first:
            raise ValueError(f"expected last to be at least first, got {self.first} and {self.last}")
        return self


class InternalPorts(Section):
    """Ports that nobody but this host uses; change them where another program has them."""

    hub: Port = Field(default=8081, description="The hub behind the proxy.")
    proxy_api: Port = Field(default=8001, description="The proxy's control port.")
    servers: PortRange = Field(
        default=PortRange(), description="Users' servers: of spawner: local, and containers of network: host."
    )
