#!/bin/sh
# praisonrun @VERSION@ in one file. The first start unpacks what follows this script; every start runs what was unpacked.
# Names begin with praisonrun_: an assignment would change a variable of the user's that has the same name.
praisonrun_id=@ID@
praisonrun_size=@SIZE@

# Only this user may change the directory $1.
praisonrun_private() {
    [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && case $(ls -ld "$1") in d????-??-*) ;; *) false ;; esac
}

# Unpack below the directory $1. It is a subshell, whose umask and traps end with it. Starts that run at the same
# time each unpack; the first rename wins. It is the unpacked interpreter that renames: not every mv has -T.
praisonrun_unpack() (
    umask 077
    mkdir -p "$1" 2>/dev/null
    praisonrun_private "$1" && new=$(mktemp -d "$1/.new.XXXXXX" 2>/dev/null) || exit 1
    trap 'rm -rf "$new"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    { tail -c "$praisonrun_size" "$0" | gzip -dc && : >"$new/sound"; } | tar -xf - -C "$new"
    if ! [ -e "$new/sound" ] || ! [ -e "$new/ID" ] || [ "$(cat "$new/ID")" != "$praisonrun_id" ]; then
        echo "praisonrun: cannot unpack into $1: the disk is full, or this file is damaged (compare SHA256SUMS)" >&2
        exit 1
    fi
    rm "$new/sound"
    "$new/bin/python3" -I -S -c 'import os, sys
os.sync()
try: os.rename(*sys.argv[1:])
except OSError: sys.exit(not os.path.isdir(sys.argv[2]))' "$new" "$1/$praisonrun_id" && exit
    echo "praisonrun: cannot run what was unpacked into $1: this file needs @NEEDS@, and a directory without noexec" >&2
    exit 1
)

# Run what is unpacked below the directory $1, with the other arguments. Returns where that is impossible.
praisonrun_start() {
    praisonrun_home=$1/$praisonrun_id
    [ -O "$praisonrun_home" ] || praisonrun_unpack "$1" || return
    { true >"$praisonrun_home/used"; } 2>/dev/null # whoever removes old versions leaves this one alone
    shift
    exec "$praisonrun_home/bin/python3" -I -X praisonrun="$0" -m praisonrun "$@"
}

case ${XDG_DATA_HOME:-} in
/*) praisonrun_data=$XDG_DATA_HOME ;;
*) praisonrun_data=${HOME:+$HOME/.local/share} ;;
esac
[ -z "$praisonrun_data" ] || praisonrun_start "$praisonrun_data/praisonrun/versions" "$@"
praisonrun_data=${TMPDIR:-/tmp}/praisonrun-$(id -u)
if [ ! -e "$praisonrun_data" ] || praisonrun_private "$praisonrun_data"; then
    praisonrun_start "$praisonrun_data" "$@"
fi
echo "praisonrun: no directory to unpack into; set XDG_DATA_HOME, or TMPDIR, to one that is yours alone" >&2
exit 1
