#include "boot.h"

/* Files are copied from the base, not linked: what is written to one bundle is
 * never written to another. */
const char boot_command[] =
    "set -eu; umask 022; LC_ALL=C; export LC_ALL; exec 3>&1 1>&2; n=$1 d=$2; "
    "b=/run/dcop/bundles; t=$b/.$$.$d.$n; v=/run/dcop/settings.$$.$d.$n; "
    "trap \"rm -rf $t $v $v.list\" EXIT; mkdir -p /run/dcop $b; "
    /* what sessions that were killed have left, known by their process */
    "for x in /run/dcop/settings.* $b/.[0-9a-f]*; do p=${x##*/}; p=${p#*.}; "
    "kill -0 \"${p%%.*}\" 2>/dev/null || rm -rf \"$x\"; done; "
    /* the settings may hold a key */
    "( umask 077; : >$v ); "
    /* the hello */
    "if [ -e $b/$d/SHA256SUMS ]; then h=have; o=; touch $b/$d; else h=want; "
    "o=$(ls -t $b | head -n 3 | while read -r l; do "
    "if [ -e $b/$l/SHA256SUMS ]; then printf \"\\t%s\" $l; fi; done); fi; "
    "printf \"dcop-step 1 %s\\t%s%s\\n\" $n $h \"$o\" >&3; "
    /* the settings */
    "e= f= z=0; while IFS= read -r l; do case $l in \"end $n\") e=y; break;; "
    "\"base \"*) f=$b/${l#* };; \"size \"*) z=${l#* };; *) printf \"%s\\n\" \"$l\";; esac; done "
    ">$v; printf \"connection %s\\n\" \"${3:-}\" >>$v; "
    "[ -n \"$e\" ] || { echo \"the settings came incomplete\"; exit 1; }; "
    /* the bundle; with a base, what SHA256SUMS does not list is removed */
    "if [ $h = want ]; then mkdir $t; "
    "if [ -n \"$f\" ]; then cp -a $f/. $t; fi; "
    "{ head -c $z | tar -xzf - -C $t && ( cd $t && sha256sum --quiet -c SHA256SUMS ); } || "
    "{ [ -z \"$f\" ] || rm -f $f/SHA256SUMS; exit 1; }; "
    "if [ -n \"$f\" ]; then ( cd $t; "
    "{ cut -c67- SHA256SUMS; echo SHA256SUMS; } >$v.list; "
    "find . -type d -o -print | cut -c3- | grep -vxFf $v.list | "
    "while IFS= read -r l; do rm -f \"./$l\"; done; "
    "find . -mindepth 1 -type d -empty -delete ); fi; "
    "mv -T $t $b/$d 2>/dev/null || [ -e $b/$d/SHA256SUMS ]; "
    /* a bundle that a living session has named is its own */
    "ls -t $b | tail -n +4 | while read -r l; do set -- /run/dcop/settings.*.$l.*; "
    "[ -e \"$1\" ] || rm -rf \"$b/$l\"; done; fi; "
    "sh $b/$d/run check $v $n";
