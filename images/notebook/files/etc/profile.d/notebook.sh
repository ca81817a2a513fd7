# shellcheck shell=sh
# Jupyter's terminals are login shells, and /etc/profile has just set another PATH.
PATH=/opt/notebook/bin:$PATH
