"""hub.yaml: what is accepted, and what an administrator is told about a mistake."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hubctl import login
from hubctl.errors import HubError
from hubctl.settings import Settings, load
from hubctl.settings_sections import Auth, Spawner
from hubctl.units import format_duration, format_memory, parse_duration, parse_memory
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML

from post_install import choices

SHIPPED = Path(__file__).parents[2] / "config" / "hub.yaml"
GIB = 1024**3


@pytest.fixture
def problems(tmp_path: Path) -> Any:
    """Gives the messages for a text, without the file's name."""

    def check(text: str) -> list[str]:
        path = tmp_path / "hub.yaml"
        path.write_text(text)
        with pytest.raises(HubError) as caught:
            load(path)
        return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]

    return check


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text("# nothing yet\n")
    assert load(tmp_path / "hub.yaml") == Settings()


def test_the_shipped_file_shows_the_defaults() -> None:
    assert load(SHIPPED) == Settings()


def keys(model: type[BaseModel] = Settings, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every key that can be written, with those of the entries of lists."""
    for name, field in model.model_fields.items():
        yield (*above, name), field
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys(kind, (*above, name))


def written(node: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for entry in node if isinstance(node, list) else []:
        yield from written(entry, above)
    for name, value in node.items() if isinstance(node, dict) else []:
        yield (*above, name)
        yield from written(value, (*above, name))


def with_examples() -> str:
    """The shipped file, with the entries of empty lists that it shows in comments."""
    return re.sub(r"^#  -", "  -", re.sub(r" \[\](.*\n#  -)", r"\1", SHIPPED.read_text()), flags=re.MULTILINE)


def test_the_shipped_file_shows_every_key() -> None:
    shown = set(written(YAML(typ="safe").load(with_examples())))
    assert {key for key, _ in keys() if key not in shown} == set()
    assert ("mounts", "writable") in shown


def test_the_examples_of_the_shipped_file_are_valid(tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text(with_examples())
    found = load(tmp_path / "hub.yaml")
    assert (len(found.mounts), len(found.group_limits)) == (2, 1)


def test_every_setting_is_documented() -> None:
    assert [key for key, field in keys() if not field.description] == []


def test_hub_configuration_and_host_steps_know_the_logins_and_spawners_of_the_settings() -> None:
    assert get_args(Auth) == tuple(login.AUTHENTICATORS) == choices.AUTHS
    assert get_args(Spawner) == choices.SPAWNERS


def test_a_key_without_a_value_means_its_default(tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text("port:\nadmin_users:\nlimits:\n  memory:\n")
    assert load(tmp_path / "hub.yaml") == Settings()


def test_an_unknown_key_is_named_with_its_line_and_a_near_one(problems: Any) -> None:
    assert problems("auth: pam\nprot: 9000\n") == ["2: prot: unknown key, did you mean port?"]


def test_an_unknown_key_in_a_list_is_named_with_its_line(problems: Any) -> None:
    text = "docker:\n  images:\n    - {name: A, image: a}\n    - name: B\n      image: b\n      descripton: x\n"
    assert problems(text) == ["6: docker.images[1].descripton: unknown key, did you mean description?"]


def test_an_unknown_key_far_from_all_lists_the_known_ones(problems: Any) -> None:
    assert problems("tls:\n  zzz: 1\n") == ["2: tls.zzz: unknown key; known here: cert, key"]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(problems: Any) -> None:
    text = "auth: ldap\nport: 99999\nbind: here\nlimits: {memory: 2, cpu: zero}\nadmin_users: alice\n"
    found = problems(text)
    assert [line.split(":")[:2] for line in found] == [
        ["1", " auth"],
        ["2", " port"],
        ["3", " bind"],
        ["4", " limits.cpu"],
        ["4", " limits.memory"],
        ["5", " admin_users"],
    ]
    assert found[0].endswith("expected 'kerberos', 'pam' or 'shared-password', got 'ldap'")
    assert found[1].endswith("expected at most 65535, got 99999")
    assert found[2].endswith("expected an IP address, got 'here'")
    assert "such as 512m or 2g, got 2" in found[4]


def test_a_missing_key_of_an_image_is_named(problems: Any) -> None:
    assert problems("docker:\n  images:\n    - name: A\n") == ["3: docker.images[0].image: is missing"]


def test_a_spark_size_above_its_share_of_the_limit_is_refused(problems: Any) -> None:
    found = problems("limits: {memory: 10g}\npyspark:\n  driver_memory:\n    - 8g\n    - 9g\n")
    assert found == ["5: pyspark.driver_memory[1]: expected at most 0.8 of limits.memory, which is 10g, got 9g"]


def test_the_largest_memory_of_an_image_counts_for_a_spark_size(problems: Any) -> None:
    images = "docker: {images: [{name: A, image: a}, {name: B, image: b, memory: 16g}]}\n"
    assert problems(images + "pyspark: {driver_memory: [12g, 13g]}\n") == [
        "2: pyspark.driver_memory[1]: expected at most 0.8 of the largest memory of docker.images, which is 16g, "
        "got 13g"
    ]


def test_the_largest_memory_of_a_group_counts_for_a_spark_size(problems: Any) -> None:
    groups = "group_limits: [{group: analysts, memory: 20g}, {group: others, cpu: 1}]\n"
    assert problems(groups + "pyspark: {driver_memory: [16g, 17g]}\n") == [
        "2: pyspark.driver_memory[1]: expected at most 0.8 of the largest memory of group_limits, which is 20g, got 17g"
    ]


def test_of_the_limits_of_an_image_and_of_a_group_the_smaller_ones_count() -> None:
    images = [{"name": "Plain", "image": "plain"}, {"name": "Large", "image": "large", "memory": "8g", "pids": 900}]
    groups = [
        {"group": "students", "memory": "2g"},
        {"group": "analysts", "memory": "16g", "cpu": 8, "pids": 1000},
        {"group": "everybody", "memory": "1g"},
    ]
    site = Settings.model_validate({"docker": {"images": images}, "group_limits": groups, "limits": {"pids": 100}})

    def of(*groups: str) -> list[tuple[int, float, int]]:
        theirs = site.for_member(groups)
        limits = [theirs.limits_of(image) for image in theirs.docker.images]
        return [(one.memory // GIB, one.cpu, one.pids) for one in limits]

    assert of() == of("unknown") == [(4, 2, 100), (8, 2, 900)]
    assert of("students") == [(2, 2, 100), (2, 2, 900)]
    assert of("analysts", "everybody") == [(16, 8, 1000), (8, 8, 900)]
    plain, large = site.docker.images
    assert [site.for_member(["students"]).largest_driver(image) for image in (plain, large)] == [1.6 * GIB] * 2
    assert site.largest_driver(large) == 6.4 * GIB


def test_two_entries_of_one_image_have_each_room_for_their_own_sizes_of_spark() -> None:
    images = [{"name": "Small", "image": "a", "memory": "2g"}, {"name": "Large", "image": "a", "memory": "16g"}]
    site = Settings.model_validate({"docker": {"images": images}, "group_limits": [{"group": "few", "memory": "4g"}]})

    def of(*groups: str) -> list[float]:
        theirs = site.for_member(groups)
        return [theirs.largest_driver(image) / GIB for image in theirs.docker.images]

    assert of() == [1.6, 12.8]
    assert of("few") == [1.6, 3.2]


def test_a_group_has_the_name_of_one(problems: Any) -> None:
    (found,) = problems("group_limits: [{group: a b, memory: 2g}]\n")
    assert found.startswith("1: group_limits[0].group: expected a user or group name")


def test_an_idle_timeout_that_would_end_servers_in_use_is_refused(problems: Any) -> None:
    assert problems("idle_culler: {timeout: 5m}\n") == ["1: idle_culler.timeout: expected at least 10m, got 5m"]


def test_a_spark_size_that_spark_would_not_start_with_is_refused(problems: Any) -> None:
    assert problems("pyspark: {driver_memory: [256m]}\n") == [
        "1: pyspark.driver_memory[0]: expected at least 512m, got 256m"
    ]


def test_a_property_that_is_none_or_has_a_setting_of_its_own_is_refused(problems: Any) -> None:
    assert problems("pyspark: {conf: {executor.cores: 4}}\n") == [
        "1: pyspark.conf: expected Spark properties (spark.…), got 'executor.cores'"
    ]
    assert problems("pyspark: {conf: {spark.driver.memory: 4g}}\n") == [
        "1: pyspark.conf: expected further properties; spark.driver.memory is set by pyspark.driver_memory"
    ]


def test_yarn_is_where_hadoops_configuration_says(problems: Any, tmp_path: Path) -> None:
    assert problems("pyspark: {master: yarn}\n") == [
        "1: pyspark: expected hadoop_conf with master yarn: its yarn-site.xml says where YARN is"
    ]
    # Cloudera's Spark knows the place itself
    for place in ("hadoop_conf: /etc/hadoop/conf", "spark_home: /opt/spark"):
        (tmp_path / "hub.yaml").write_text(f"pyspark: {{master: yarn, {place}}}\n")
        assert load(tmp_path / "hub.yaml").pyspark.master == "yarn"


def test_default_spark_sizes_follow_a_small_limit(tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text("limits: {memory: 2g}\n")
    assert load(tmp_path / "hub.yaml").driver_sizes == [GIB]


@pytest.mark.parametrize(
    ("text", "line"),
    [("port: 1\nport: 2\n", 2), ("a: [\n", 2), ("a: 'x\n", 2), ("\ttls:\n", 1)],
    ids=["key twice", "open bracket", "open quote", "tab"],
)
def test_broken_yaml_is_told_with_a_line(problems: Any, text: str, line: int) -> None:
    (found,) = problems(text)
    assert "not valid YAML" in found
    assert int(found.split(":")[0]) <= line


def test_a_list_instead_of_keys_is_refused(problems: Any) -> None:
    (found,) = problems("- port: 1\n")
    assert found.startswith("1: expected keys and values")


def test_a_file_that_is_not_there_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="hubctl setup"):
        load(tmp_path / "hub.yaml")


@pytest.mark.parametrize("path", ["relative/x", "/a/../etc"])
def test_a_mount_must_be_an_absolute_path(problems: Any, path: str) -> None:
    (found,) = problems(f"mounts: [{{host: {path}}}]\n")
    assert found.startswith("1: mounts[0].host: expected an absolute path")


@pytest.mark.parametrize("name", ["-rf", "a/b", "..", "a b", ""])
def test_an_administrator_has_the_name_of_an_account(problems: Any, name: str) -> None:
    (found,) = problems(f"admin_users: ['{name}']\n")
    assert found.startswith("1: admin_users[0]: expected a user or group name")


def test_a_ticket_that_outlives_its_renewal_is_refused(problems: Any) -> None:
    (found,) = problems("kerberos: {ticket_lifetime: 10h, renewable_lifetime: 1h}\n")
    assert found.startswith("1: kerberos: expected renewable_lifetime")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10h", 36000), ("1h30m", 5400), ("7d", 604800), ("1w", 604800), ("1h 5m", 3900)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    duration = parse_duration(text)
    assert duration == timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("value", [10, "10", "h", "10x", "0h", "-1h", "", True, 1.5])
def test_other_durations_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("text", "size"), [("2g", 2 * GIB), ("512M", GIB // 2), ("1.5g", GIB * 3 // 2), ("1GiB", GIB), ("1t", 1024 * GIB)]
)
def test_memory_sizes_are_read(text: str, size: int) -> None:
    assert parse_memory(text) == size
    assert parse_memory(format_memory(size)) == size


@pytest.mark.parametrize("value", [2, "2", "g", "2x", "0g", "-1g", "", True])
def test_other_memory_sizes_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="memory size"):
        parse_memory(value)
