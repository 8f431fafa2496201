# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables shared with the test; from lib.sh
# Many machines on the private network's link (tools/many-machines), and dcop-discover's
# answers.  For tests that have included lib.sh and are in their private network.

# Avahi takes answers from this link only, and all of them are on it.
ip addr add 10.99.0.1/16 dev eth0
ip addr del 10.99.0.1/24 dev eth0
far=

is_apart() { [ "$(readlink "/proc/$far/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }

# start_machines COUNT [LOSS [FLEET_KEY]]: their first address is 10.99.8.1.
start_machines() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare --net sh -c 'ip link set lo up; until ip link set far0 up; do sleep 0.05; done
		ip addr add 10.99.0.2/16 dev far0
		awk -v n="$1" "BEGIN { for (i = 1; i <= n; i++)
			printf \"addr add 10.99.%d.%d/32 dev far0\n\", 8 + int(i / 256), i % 256 }" | ip -batch - || exit
		exec "$2" far0 10.99.8.1 "$1" "$3" ${4+"$4"}' sh "$1" "$build/tests/tools/many-machines" "${2:-0}" ${3+"$3"} \
		>"$scratch/machines" 2>"$scratch/machines.log" &
	far=$!
	await 5 is_apart
	ip link set far0 netns "$far"
	await 60 grep -q ready "$scratch/machines"
}

# The link goes with its other end's namespace, and is made anew.
stop_machines() {
	stop "$far"
	await 10 is_without_link
	ip link add eth0 type veth peer name far0
	ip link set eth0 up
	ip addr add 10.99.0.1/16 dev eth0
}
is_without_link() { ! ip link show eth0; }

# Avahi claims its name anew on a new link; it shall be done with that.
fresh_avahi() {
	stop "$avahi"
	rm -f /run/avahi-daemon/pid /run/avahi-daemon/socket
	avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "$scratch/avahi.conf" >>"$scratch/avahi.log" 2>&1 &
	avahi=$!
	await 10 is_running
}
is_running() {
	dbus-send --system --print-reply --dest=org.freedesktop.Avahi / \
		org.freedesktop.Avahi.Server.GetState | grep -q 'int32 2'
}

# code EXPECTED CASE ARGUMENT...: dcop-discover ends so; its words are in out, err.
code() {
	code_expected=$1
	code_case=$2
	shift 2
	code_is=0
	"$build/dcop-discover" "$@" >"$scratch/out" 2>"$scratch/err" || code_is=$?
	if [ "$code_is" = "$code_expected" ]; then
		ok "$code_case"
	else
		not_ok "$code_case" "exit $code_is, not $code_expected: $(head -c 500 "$scratch/err" "$scratch/out" | tr '\n' ' ')"
	fi
}
counts() { # CASE NUMBER PATTERN
	counts=$(grep -c "$3" "$scratch/out" || :)
	if [ "$counts" = "$2" ]; then ok "$1"; else not_ok "$1" "$counts, not $2: $(cat "$scratch/err")"; fi
}
says() { # CASE PATTERN
	if grep -q "$2" "$scratch/err"; then ok "$1"; else not_ok "$1" "$(cat "$scratch/err")"; fi
}
