"""Measures what the README quotes, side by side in one run, and writes ``bench/results.json``."""

import json
from collections.abc import Callable
from dataclasses import asdict

from bench import builds, hub, installer, picture
from bench.measure import Figure
from forge.errors import ForgeError
from forge.paths import ROOT

PARTS: dict[str, Callable[[], list[Figure]]] = {
    "hub": hub.measure,
    "installer": installer.measure,
    "builds": builds.measure,
}
"""What is measured by itself, in this order; the names in ``results.json``."""

RESULTS = ROOT / "bench" / "results.json"
PICTURE = ROOT / "bench" / "installer.svg"


def main(only: str) -> None:
    """Measures, writes the results, and prints the table.

    Args:
        only: one of the parts; the results of the others stay as they are. All when it is empty.

    Raises:
        ForgeError: there is no such part.
    """
    if only and only not in PARTS:
        raise ForgeError(f"there are no figures called {only}", f"ONLY is one of: {', '.join(PARTS)}.")
    results = json.loads(RESULTS.read_text())
    for part in [only] if only else PARTS:
        results[part] = [asdict(figure) for figure in PARTS[part]()]
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
        if part == "installer":
            PICTURE.write_text(picture.draw(results[part]))
        for figure in results[part]:
            bound = "" if figure["bound"] is None else f"(bound {figure['bound']:g})"
            print(f"{figure['name']:52} {figure['value']:8.2f} {figure['unit']:8} {bound}".rstrip())
