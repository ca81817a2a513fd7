#!/bin/bash
set -euo pipefail
unpack-source
cd source

./configure --prefix="$PREFIX" \
    --with-shared --without-normal --without-debug --without-ada --without-cxx --without-cxx-binding \
    --without-tests --without-manpages --enable-widec --with-termlib --enable-overwrite \
    --enable-pc-files --with-pkg-config-libdir="$PREFIX/lib/pkgconfig" \
    --with-build-cc="$CC_FOR_BUILD" --disable-stripping --disable-db-install \
    --with-default-terminfo-dir="$PREFIX/share/terminfo" \
    --with-terminfo-dirs="$PREFIX/share/terminfo:/etc/terminfo:/lib/terminfo:/usr/share/terminfo"
make
make install

# The names that programs link by when they do not ask for wide characters.
for name in ncurses tinfo panel form menu; do
    ln -s "lib${name}w.so" "$PREFIX/lib/lib$name.so"
done
ln -s libncursesw.so "$PREFIX/lib/libcurses.so"

# Terminals that people sit at, by the names that their programs set TERM to.
terminals=(
    alacritty alacritty-direct ansi cygwin dtterm dumb Eterm foot foot-direct gnome gnome-256color
    hurd kitty konsole konsole-256color linux linux-16color mlterm ms-terminal nsterm putty putty-256color
    rxvt rxvt-256color rxvt-basic screen screen-16color screen-256color
    screen-bce screen-s screen-w screen.xterm-256color st st-256color sun terminology tmux tmux-256color tmux-direct
    unknown vt100 vt102 vt220 vt52 vte vte-256color wezterm wsvt25 wsvt25m xterm xterm-16color xterm-256color
    xterm-88color xterm-color xterm-direct xterm-mono xterm-r5 xterm-r6 xterm-vt220 xterm-xfree86
)
mkdir -p "$PREFIX/share/terminfo"
# kitty calls itself xterm-kitty.
printf 'xterm-kitty|KovIdTTY,\n\tuse=kitty,\n' >>misc/terminfo.src
"$PREFIX/bin/tic" -x -e "$(IFS=, && echo "${terminals[*]},xterm-kitty")" -o "$PREFIX/share/terminfo" misc/terminfo.src
