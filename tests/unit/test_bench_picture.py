"""The picture of the README: a bar for each installation that was measured, as long as its time."""

import re
from xml.etree import ElementTree

from bench import picture
from bench.constructor import PEER
from bench.installer import FLOOR, OURS


def bars(**seconds: float) -> list[float]:
    """The lengths of the bars, in pixels, of the figures that were measured."""
    names = {"floor": FLOOR, "ours": OURS, "peer": PEER}
    drawn = picture.draw([{"name": names[key], "value": value} for key, value in seconds.items()])
    ElementTree.fromstring(drawn)
    return [float(length) for length in re.findall(r'<rect [^>]*width="([\d.]+)"', drawn)]


def test_bars_are_as_long_as_their_times() -> None:
    floor, ours, peer = bars(floor=2.0, ours=1.0, peer=20.0)
    assert (floor, ours) == (peer / 10, peer / 20)


def test_without_a_peer_the_floor_stands_alone_beside_ours() -> None:
    assert len(bars(floor=2.0, ours=1.0)) == 2
