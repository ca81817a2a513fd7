# shellcheck shell=sh disable=SC2034
# The installer of a JupyterHub server: this text, then the parts that it names, then the packages.
#
# It needs a POSIX shell and coreutils (GNU's, busybox's or another's). In this order it
#   1. reads the command line and checks this file, the machine and the prefix; nothing is written until all is well,
#      but a temporary folder in PREFIX/.hubforge, with the program that checks the packages;
#   2. unpacks every package to PREFIX/pkgs, each to a temporary name first, so that it is complete or not there;
#   3. lays down the environments, hard links into there, which were worked out when this file was made;
#   4. writes PREFIX/.hubforge/installed.json, prepares the host, and says what comes next.
# Over an installation (-u, -f) it solves the new set before 2, links with the Python and the py-rattler among those very
# packages, and keeps the records of the set before in PREFIX/.hubforge/before during 3: a failure goes back to it.
# Without installed.json the installation is not complete; while PREFIX/.hubforge/installing is there, something is left
# to do, and the same command does it. Temporary files lie below the prefix only.
#
# forge/installer/assemble.py joins it out of forge/installer/header/*.sh and fills in the values between @ signs.

# zsh as itself, and not as the sh of this machine, splits no words, and its $path and $options are its own.
[ -z "${ZSH_VERSION+set}" ] || [ "$(emulate)" != zsh ] || [ ! -f "$0" ] || exec sh "$0" "$@"
set -u
umask 022

product=@NAME@
version=@VERSION@
released=@RELEASED@ # seconds since 1970
platform=linux-64
default_prefix=@DEFAULT_PREFIX@
prefix_limit=@PREFIX_LIMIT@ # characters
glibc_needed=@GLIBC@
package_count=@PACKAGE_COUNT@
installed_mib=@INSTALLED_MIB@
copied_mib=@COPIED_MIB@ # by -t, for a while
python=@PYTHON@ # within PREFIX/pkgs, as the folders below
python_folders=@PYTHON_FOLDERS@
library_folders=@LIBRARY_FOLDERS@
certificates=@CERTIFICATES@ # may be empty

# This file: the header, its parts ("name offset length sha256", offsets from the header's end), the packages.
header_length=@HEADER_LENGTH@
packages_offset=@PACKAGES_OFFSET@
packages_sha256=@PACKAGES_SHA256@
total_length=@TOTAL_LENGTH@
parts=@PARTS@
