#!/bin/bash
set -euo pipefail
unpack-source
cd source

zones=$PREFIX/share/zoneinfo
mkdir -p "$zones"
make --old-file=version AWK=awk tzdata.zi # the archive holds the data without the code that the version is of
# The zones as programs know them, the old names included ("fat" data would only serve readers from before 2014).
/usr/sbin/zic -b slim -d "$zones" tzdata.zi
install -m 644 iso3166.tab zone.tab zone1970.tab zonenow.tab leap-seconds.list leapseconds tzdata.zi "$zones/"
