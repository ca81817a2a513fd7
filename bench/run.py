"""Measures what the README quotes, side by side in one run, and writes ``bench/results.json``."""

import json
from collections.abc import Callable
from dataclasses import asdict

from bench import builds, hub
from bench.measure import Figure
from forge.errors import ForgeError
from forge.paths import ROOT

HALVES: dict[str, Callable[[], list[Figure]]] = {"hub": hub.measure, "builds": builds.measure}
"""What is measured by itself, in this order; the names in ``results.json``."""

RESULTS = ROOT / "bench" / "results.json"


def main(only: str) -> None:
    """Measures, writes the results, and prints the table.

    Args:
        only: one of the halves; the results of the other stay as they are. Both when it is empty.

    Raises:
        ForgeError: there is no such half.
    """
    if only and only not in HALVES:
        raise ForgeError(f"there are no figures called {only}", f"ONLY is one of: {', '.join(HALVES)}.")
    results = json.loads(RESULTS.read_text())
    for half in [only] if only else HALVES:
        results[half] = [asdict(figure) for figure in HALVES[half]()]
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
        for figure in results[half]:
            bound = "" if figure["bound"] is None else f"(bound {figure['bound']:g})"
            print(f"{figure['name']:52} {figure['value']:8.2f} {figure['unit']:8} {bound}".rstrip())
