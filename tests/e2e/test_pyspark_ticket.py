"""The whole story in a browser: domain login, image, PySpark kernel, and the user's own ticket inside."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import in_a_terminal, run_cell, wait_while_open
from tests.e2e.hive_server import HiveServer, hive_server
from tests.realm_server import PASSWORD, REALM, SERVICE, USER, RealmServer, realm_server

GSS = """\
import kerberos, urllib.request
_, context = kerberos.authGSSClientInit("HTTP@{service}")
kerberos.authGSSClientStep(context, "")
token = kerberos.authGSSClientResponse(context)
request = urllib.request.Request("{address}", headers={{"Authorization": "Negotiate " + token}})
print("known as", urllib.request.urlopen(request, timeout=30).read().decode())
"""

SPARK = """\
heap = sc._jvm.java.lang.Runtime.getRuntime().maxMemory() // 2**20
print("rows", spark.range(1000).filter("id % 2 = 0").count(), spark.conf.get("spark.driver.memory"), "heap", heap)
"""


# What HDFS's and YARN's clients go by, and Hadoop's own HTTP client, which is WebHDFS's.
HADOOP = """\
security = sc._jvm.org.apache.hadoop.security
login = security.UserGroupInformation.getLoginUser()
print("Hadoop's user", login.getUserName(), login.hasKerberosCredentials())
client = security.authentication.client
token = client.AuthenticatedURL.Token()
client.AuthenticatedURL().openConnection(sc._jvm.java.net.URL("{address}"), token)
print("Java is known as", token.toString())
"""

HIVE = """\
from pyhive import hive
from impala import dbapi
def ask(connection):
    cursor = connection.cursor()
    cursor.execute("select current_user(), 6 * 7")
    return cursor.fetchall()
print("pyhive", ask(hive.connect("{host}", {port}, auth="KERBEROS", kerberos_service_name="hive")))
print("impyla", ask(dbapi.connect("{host}", {port}, auth_mechanism="GSSAPI", kerberos_service_name="hive")))
"""


@pytest.fixture(scope="module")
def server(installer: Path, notebook_image: str) -> Iterator[RealmServer]:
    with realm_server(installer) as running:
        yield running


@pytest.fixture(scope="module")
def hive(server: RealmServer, notebook_image: str) -> Iterator[HiveServer]:
    with hive_server(server, notebook_image) as running:
        yield running


def test_a_domain_user_computes_with_spark_and_services_know_the_ticket(
    server: RealmServer, hive: HiveServer, page: Page
) -> None:
    page.goto(server.address)
    page.fill("#username_input", USER)
    page.fill("#password_input", "not the password")
    page.click("#login_submit")
    expect(page.locator(".login_error")).to_contain_text("Invalid username or password")
    page.fill("#username_input", USER)
    page.fill("#password_input", PASSWORD)
    page.click("#login_submit")

    page.get_by_role("radio", name="Notebook").check()
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(f"**/user/{USER}/lab**")

    card = page.locator(".jp-LauncherCard[data-category=Notebook]")
    card.get_by_text("PySpark 1g").click()
    said = run_cell(page, SPARK)
    found = re.search(r"rows 500 1g heap (\d+)", said)
    assert found, said
    # The whole of it with G1; the collector for small machines holds a survivor space back.
    assert 0.9 * 1024 <= int(found[1]) <= 1024
    assert f"known as {USER}@{REALM}" in run_cell(page, GSS.format(service=SERVICE, address=server.service_address))

    said = run_cell(page, HADOOP.format(address=server.service_address))
    assert f"Hadoop's user {USER}@{REALM} True" in said, said
    assert f"Java is known as u={USER}&p={USER}@{REALM}&t=kerberos" in said, said
    hive.wait()
    said = run_cell(page, HIVE.format(host=hive.host, port=hive.port))
    assert f"pyhive [('{USER}', 42)]" in said, said
    assert f"impyla [('{USER}', 42)]" in said, said

    in_a_terminal(page, "klist > ticket 2>&1; id -u > uid; touch done")
    wait_while_open(page, "the end of what the terminal runs", (server.home / "done").exists)
    assert f"Default principal: {USER}@{REALM}" in (server.home / "ticket").read_text()
    assert (server.home / "uid").read_text() == f"{server.home.stat().st_uid}\n"

    assert PASSWORD not in server.log()
    inspected = subprocess.run(["docker", "inspect", f"jupyter-{USER}"], check=True, capture_output=True, text=True)
    assert PASSWORD not in inspected.stdout
