# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables shared with the test
# What the tests of the steps share: a bundle, a run as the controller does it, and
# what is expected.  A test includes this after it has set $here.

umask 022
repo=$(CDPATH='' cd -- "$here/../.." && pwd)
steps=$repo/deployer/steps
export CLASSROOM
classroom() { "$repo/tests/classroom/classroom" "$@"; }

keep=
if [ "${1:-}" = --keep ]; then keep=yes && shift; fi
site=${1:-$here/site}
work=$(mktemp -d)
failures=0
NL='
'

finish() {
	rm -rf "$work"
	[ -n "$keep" ] || classroom down >/dev/null 2>&1 || :
}
trap finish EXIT
trap 'exit 130' INT TERM

# --- a bundle, and sending it ---------------------------------------------------

# bundle MARK: made in $work/bundle, its digest in $digest; MARK makes it another version.
bundle() {
	rm -rf "$work/bundle"
	mkdir -p "$work/bundle/site" "$work/bundle/scripts"
	cp -R "$steps/." "$work/bundle/"
	rm -f "$work/bundle"/*.py "$work/bundle"/*.pth
	cp -R "$site/." "$work/bundle/site/"
	cp "$steps"/*.py "$steps"/*.pth "$work/bundle/site/"
	printf '# %s\n' "$1" >>"$work/bundle/site/pydcop/__init__.py"
	digest=$(cd "$work/bundle/site" && find . -type f -exec sha256sum {} + | sort | sha256sum)
	digest=${digest%% *}
	echo "$digest" >"$work/bundle/digest"
}

# bundle_of_steps: as for the verbs that install nothing: no site, no scripts.
bundle_of_steps() {
	rm -rf "$work/bundle"
	mkdir -p "$work/bundle"
	cp -R "$steps/." "$work/bundle/"
	rm -f "$work/bundle"/*.py "$work/bundle"/*.pth
	digest=onlysteps
}

# send MACHINE [LINE…]: the bundle and the variables; `mode deploy` unless said.
send() {
	machine=$1
	shift
	: >"$work/events.$machine" # those of its last run are not what is waited for
	nonce=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	folder=/run/dcop/bundles/$digest
	address=$(classroom address "$machine")
	{
		printf '%s\n' "who root@test" "time $(date +%s)"
		[ "$digest" = onlysteps ] || printf '%s\n' "address $address" "digest $digest"
		case "$digest $*" in *orchestrator\ *) ;; onlysteps*) ;; *) echo "orchestrator 10.77.0.1:9000" ;; esac
		case " $*" in *" mode "*) ;; *) echo "mode deploy" ;; esac
		case "$digest $*" in *agents\ *) ;; *no-agents*) ;; onlysteps*) ;; *) echo "agents a1" ;; esac
		for line; do [ "$line" = no-agents ] || printf '%s\n' "$line"; done
		echo end
		tar -C "$work/bundle" -cf - .
	} | classroom exec "$machine" -- sh -c "
		mkdir -p /run/dcop $folder
		while read -r line; do
			[ \"\$line\" = end ] && break
			printf '%s\n' \"\$line\"
		done >/run/dcop/settings.$nonce
		tar -xf - -C $folder"
}

# start MACHINE: runs what was sent; events in $work/events.MACHINE.
start() {
	classroom exec "$1" -- sh -c "exec 3>&1 >&2; sh $folder/run check /run/dcop/settings.$nonce $nonce" \
		>"$work/events.$1" 2>"$work/errors.$1" </dev/null || : # the events say it
}

deploy() {
	send "$@"
	start "$1"
}

# --- what is expected -----------------------------------------------------------

ok() { echo "ok - $1"; }
bad() {
	echo "not ok - $1"
	failures=$((failures + 1))
	for file in "$work"/events.* "$work"/errors.*; do
		if [ -s "$file" ]; then sed "s|^|#   ${file##*/}: |" "$file" | tail -n 25; fi
	done
}
expect() {
	_what=$1
	shift
	if "$@"; then ok "$_what"; else bad "$_what"; fi
}

# has MACHINE PATTERN: a line of its events matches.
has() { [ -e "$work/events.$1" ] && tr '\t' ' ' <"$work/events.$1" | grep -qE -e "$2"; }
lacks() { ! has "$@"; }
not() { ! "$@"; }

# results MACHINE WORD: the steps that ended so, in one line.
results() {
	tr '\t' ' ' <"$work/events.$1" | sed -n "s/^result \([a-z]*\) $2 .*/\1/p" | tr '\n' ' '
}
are() {
	_is=$(results "$1" "$2")
	[ "$_is" = "$3" ] || { echo "#   $2: $_is" && return 1; }
}

on() {
	_machine=$1
	shift
	classroom exec "$_machine" -- sh -c "$*" </dev/null
}

# within SECONDS COMMAND…: becomes true in that time on a machine that has nothing else to
# do; a busy one gets five times as much.
within() {
	_end=$(($(date +%s) + 5 * $1))
	shift
	until "$@"; do
		if [ "$(date +%s)" -ge $_end ]; then
			echo "late: it did not come true: $*"
			return 1
		fi
		sleep 0.2
	done
}

main_pid() { on "$1" systemctl show -p MainPID --value dcop-agent; }
is_running() { [ "$(on "$1" cat /run/dcop/state 2>/dev/null)" = running ]; }
no_unit() { ! on "$1" systemctl -q is-active dcop-run; }
