#!/bin/bash
set -euo pipefail
unpack-source
install-archive
