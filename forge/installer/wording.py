"""What our Python parts say on the server, in the language that the header has chosen; it says the rest itself."""

import os

ENGLISH = {
    "condarc_stays": "{path} was edited and stays; the new one is beside it as .condarc.new",
    "set_aside": "  {path} was here before; it is {name} now",
    "plan_failed": "hub-installer: looking at what is installed failed: {why}",
    "link_failed": "hub-installer: linking the packages failed: {why}",
    "back_failed": "hub-installer: going back failed: {why}",
    "tests_failed": "hub-installer: testing the packages failed: {why}",
    "tests_found": "  {environment}: {count} tests of packages",
    "test_failed": "  {environment}: {package}: failed, exit code {code}: {why}",
    "test_impossible": "  {environment}: {package}: cannot be run here: {why}",
    "test_slow": "did not end within {seconds} seconds",
}

RUSSIAN = {
    "condarc_stays": "{path} изменён вручную и остаётся; новый лежит рядом под именем .condarc.new",
    "set_aside": "  {path} был здесь раньше; теперь он называется {name}",
    "plan_failed": "hub-installer: не удалось изучить установленное: {why}",
    "link_failed": "hub-installer: не удалось создать окружения: {why}",
    "back_failed": "hub-installer: не удалось вернуться: {why}",
    "tests_failed": "hub-installer: не удалось запустить тесты пакетов: {why}",
    "tests_found": "  {environment}: тестов пакетов: {count}",
    "test_failed": "  {environment}: {package}: не прошёл, код завершения {code}: {why}",
    "test_impossible": "  {environment}: {package}: здесь не запускается: {why}",
    "test_slow": "не завершился за {seconds} секунд",
}


def message(key: str, /, **values: object) -> str:
    """A message, with its values in it. The header names its language by a locale in ``LANG``."""
    texts = RUSSIAN if os.environ.get("LANG", "").startswith("ru") else ENGLISH
    return texts[key].format(**values)
