# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables shared with the test
# What the tests of --canary share: two machines without a version, sources that live or die, and
# what to look at.  Included after deploy-lib.sh.

problem=$scratch/problem.yaml
sed 's/^agents:.*/agents: [a1, a2]/' tests/data/demo/classroom.yaml >"$problem"

"$classroom" up >/dev/null
"$classroom" mirror on >/dev/null
key=$("$classroom" key)
"$classroom" plug rpi-1 --packages --agent a1 >/dev/null &
one=$!
"$classroom" plug rpi-2 --packages --agent a2 >/dev/null &
two=$!
wait "$one"
wait "$two"
controller build/gcc/dcop-discover --match "$problem" --wait >/dev/null

# version NAME [SECONDS]: a source in $scratch/NAME, whose agents die after so long.  Until then a
# busy machine must have found that they are up.
version() {
	rm -rf "${scratch:?}/$1"
	cp -R tests/data/standin "$scratch/$1"
	printf '# %s %s\n' "$1" "${2:-}" >>"$scratch/$1/pydcop/wire.py"
	[ $# -lt 2 ] || cat >>"$scratch/$1/pydcop/commands/agent.py" <<-EOF


		def die():
		    time.sleep($2)
		    print("RuntimeError: out of chalk", flush=True)
		    os._exit(1)


		import os

		threading.Thread(target=die, daemon=True).start()
	EOF
}
version good
version better
version bad 12

current() { on "$1" readlink /opt/dcop/current; }
is_on() { [ "$(current "$1")" = "$2" ] && running "$1" && listens "$1"; } # MACHINE VERSION
is_watched() { on rpi-1 sh -c 'test -e /opt/dcop/.trial && tail -n 1 /run/dcop/run/events | grep -q "^start.healthy"'; }
has_returned() { is_on rpi-1 "$1" && ! on rpi-1 systemctl -q is-active dcop-run; } # VERSION
# untouched CASE: rpi-2 has the process and the version that $before says.
note_before() { before="$(started rpi-2) $(current rpi-2 || :)"; }
untouched() {
	if [ "$(started rpi-2) $(current rpi-2 || :)" = "$before" ]; then ok "$1"; else
		not_ok "$1" "$before is $(started rpi-2) $(current rpi-2 || :)"
	fi
}
# begin OPTION…: a deploy in the background, until its first machine is watched.
begin() {
	controller build/gcc/dcop-deploy --state-dir "$state" --key "$key" --deps "$deps" -p "$problem" "$@" \
		>"$scratch/said" 2>&1 </dev/null &
	deployer=$!
	await 30 is_watched
}
# kill_deployer SIGNAL: that of `begin`.
kill_deployer() {
	kill -s "$1" "$(pgrep -f -n "dcop-deploy --state-dir $state .*--canary")" 2>/dev/null || :
	wait "$deployer" || :
}
