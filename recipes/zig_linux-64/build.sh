#!/bin/bash
set -euo pipefail
install -D -m 755 zcc "$PREFIX/bin/zcc"
ln -s zcc "$PREFIX/bin/z++"
install -D -m 755 zar "$PREFIX/bin/zar"
ln -s zar "$PREFIX/bin/zranlib"
install -D -m 644 activate.sh "$PREFIX/etc/conda/activate.d/zig_linux-64.sh"
