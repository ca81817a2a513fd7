#!/bin/bash
set -euo pipefail
unpack-source
mkdir -p "$PREFIX/ssl"
python3 bundle.py source/mozilla/certdata.txt source/mozilla/blacklist.txt >"$PREFIX/ssl/cacert.pem"
ln -s cacert.pem "$PREFIX/ssl/cert.pem" # the name that OpenSSL looks for in its own folder
