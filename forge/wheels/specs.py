"""Version specifiers of PEP 440 as conda match specs (CEP 29)."""

from collections.abc import Iterable

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from forge.errors import ForgeError

_ORDER = (">=", ">", "==", "<", "<=", "!=")


def conda_spec(specifiers: SpecifierSet | Iterable[Specifier], of: str) -> str:
    """The version part of a match spec: ``>=1.2,<3``; empty when any version will do.

    Versions keep their meaning: conda orders epochs, pre-, post- and development releases as PEP 440 does. It is wider
    in two corners, which locked sets never meet: ``<2`` lets 2.0rc1 in and ``>1`` lets 1.post1 in.

    Args:
        specifiers: all have to hold.
        of: what they are said of, for errors.

    Raises:
        ForgeError: ``===`` with something that is no version of PEP 440.
    """
    terms = {term for specifier in specifiers for term in _terms(specifier, of)}
    for operator, strictest in ((">=", max), ("<", min)):
        bounds = [version for found, version in terms if found == operator]
        if bounds:
            kept = strictest(bounds, key=Version)
            terms = {term for term in terms if term[0] != operator} | {(operator, kept)}
    ordered = sorted(terms, key=lambda term: (_ORDER.index(term[0]), term[1]))
    return ",".join(
        version if operator == "==" and version.endswith(".*") else operator + version for operator, version in ordered
    )


def _terms(specifier: Specifier, of: str) -> list[tuple[str, str]]:
    operator, text = specifier.operator, specifier.version
    try:
        version = Version(text.removesuffix(".*"))
    except InvalidVersion as error:
        raise ForgeError(f"{of}: conda has no spec for {specifier}.", "Write a recipe for the package.") from error
    if operator == "~=":
        return [(">=", str(version)), ("==", f"{_release(version, len(version.release) - 1)}.*")]
    if text.endswith(".*"):
        return [(operator, f"{_release(version, len(version.release))}.*")]
    return [("==" if operator == "===" else operator, str(version))]


def _release(version: Version, length: int) -> str:
    epoch = f"{version.epoch}!" if version.epoch else ""
    return epoch + ".".join(map(str, version.release[:length]))
