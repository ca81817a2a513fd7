"""The picture of the README: how long an installation takes, as bars."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from bench.constructor import PEER
from bench.installer import FLOOR, OURS

BARS = {
    FLOOR: ("zstd -dc | tar x of the same files", "#9aa5b1"),
    OURS: ("hub-installer.sh, every sha256 checked", "#f37726"),
    PEER: ("constructor's installer of the same packages", "#5b6770"),
}
"""The figures that get a bar: their words and colour."""

WIDTH, LABEL, ROW, BAR = 760, 340, 40, 22
"""In pixels: the picture, its left column, a row and the bar in it."""

STYLE = """\
<style>
text { font: 14px system-ui, sans-serif; fill: #24292f }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
</style>"""


def draw(figures: Sequence[Mapping[str, Any]]) -> str:
    """An SVG with a bar for each of BARS that was measured; a figure is as in ``results.json``."""
    seconds = {figure["name"]: figure["value"] for figure in figures}
    shown = [(*BARS[name], seconds[name]) for name in BARS if name in seconds]
    longest = max(value for *_, value in shown)
    rows = [_row(number, *bar, longest) for number, bar in enumerate(shown)]
    height = ROW * len(shown)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
    )
    title = "<title>Seconds that an installation of both environments takes</title>"
    return "\n".join([opening, title, STYLE, *rows, "</svg>\n"])


def _row(number: int, words: str, colour: str, value: float, longest: float) -> str:
    length = value / longest * (WIDTH - LABEL - 70)
    middle = ROW * number + ROW / 2
    return (
        f'<text x="{LABEL - 10}" y="{middle + 5}" text-anchor="end">{escape(words)}</text>\n'
        f'<rect x="{LABEL}" y="{middle - BAR / 2}" width="{length:.1f}" height="{BAR}" rx="3" fill="{colour}"/>\n'
        f'<text x="{LABEL + length + 8:.0f}" y="{middle + 5}">{value:.1f} s</text>'
    )
