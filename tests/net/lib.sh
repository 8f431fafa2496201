# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables shared with the test
# What the network tests share: results, waiting, and a private network with a
# D-Bus and an Avahi daemon of its own.
#
# A test sets $test_name, includes this, and ends with `finish`.

passed=0
failed=0
evidence=
scratch=$(mktemp -d "${TMPDIR:-/tmp}/dcop-test.XXXXXX")

ok() { # CASE
	passed=$((passed + 1))
	printf 'ok %s: %s\n' "$test_name" "$1"
}

not_ok() { # CASE WHY
	failed=$((failed + 1))
	printf 'not ok %s: %s: %s\n' "$test_name" "$1" "$2"
}

# finish: the last line, and the exit code.
finish() {
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[ "$failed" -eq 0 ]
}

now() { # hundredths of a second since boot
	read -r now_up _ </proc/uptime
	echo "${now_up%.*}${now_up#*.}"
}

# comes_true SECONDS COMMAND...: until COMMAND succeeds; fails at the deadline.  To ask
# costs processor time that other tests want: after a second it is asked less often.
comes_true() {
	await_end=$(($(now) + $1 * 100))
	await_soon=$(($(now) + 100))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(now)" -lt "$await_end" ] || return 1
		if [ "$(now)" -lt "$await_soon" ]; then sleep 0.05; else sleep 0.2; fi
	done
}

# await SECONDS COMMAND...: as long as it takes on a machine that has nothing else to do:
# a busy one gets five times as much.
await() {
	await_seconds=$((5 * $1))
	shift
	comes_true "$await_seconds" "$@" && return
	printf 'late: not within %d s: %s\n' "$await_seconds" "$*"
	return 1
}

# check CASE SECONDS COMMAND...: a case that holds when COMMAND comes true, with await's
# patience.  Where it does not, the end of the files that COMMAND names is told, or of
# $evidence.
check() {
	check_case=$1
	check_seconds=$((5 * $2))
	shift 2
	if comes_true "$check_seconds" "$@"; then
		ok "$check_case"
		return
	fi
	not_ok "$check_case" "not within $check_seconds s: $*"
	for check_file in "$@" ${evidence:+"$evidence"}; do
		case $check_file in
		/*) [ ! -s "$check_file" ] || tail -n 8 -- "$check_file" | cut -c1-300 | sed 's/^/    | /' ;;
		esac
	done
}

not() { ! "$@"; }

is_gone() { [ ! -d "/proc/$1" ]; } # PID

# in_private_network SCRIPT [ARGUMENT...]: runs it anew in namespaces of its
# own, with a /run of its own: what it starts reaches no real network, and dies
# with it.  Returns in that new life only.
in_private_network() {
	if [ -z "${DCOP_PRIVATE:-}" ]; then
		rm -rf "$scratch"
		[ "$(id -u)" -eq 0 ] || {
			echo "only root can make namespaces" >&2
			exit 3
		}
		DCOP_PRIVATE=1 exec unshare --net --mount --pid --fork --kill-child --mount-proc -- sh "$@"
	fi
	mount --make-rprivate /
	mount -t sysfs sysfs /sys # of this network namespace
	mount -t tmpfs tmpfs /run
	mkdir -p /run/dbus /run/avahi-daemon
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 130' INT TERM HUP
	ip link set lo up
	# One link with this end and a far one; Avahi here listens on this end.
	ip link add eth0 type veth peer name far0
	ip link set far0 up
	ip link set eth0 up
	ip addr add 10.99.0.1/24 dev eth0
	start_bus
	start_avahi
}

start_bus() {
	cat >"$scratch/dbus.conf" <<-'END'
		<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
		 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
		<busconfig>
		  <type>system</type>
		  <listen>unix:path=/run/dbus/system_bus_socket</listen>
		  <auth>EXTERNAL</auth>
		  <policy context="default">
		    <allow user="*"/>
		    <allow own="*"/>
		    <allow send_destination="*"/>
		    <allow receive_sender="*"/>
		  </policy>
		</busconfig>
	END
	rm -f /run/dbus/system_bus_socket
	dbus-daemon "--config-file=$scratch/dbus.conf" --nofork --nopidfile >>"$scratch/dbus.log" 2>&1 &
	bus=$!
	await 10 test -S /run/dbus/system_bus_socket
}

# start_avahi [LINES]: with more settings, "[SECTION]\nKEY=VALUE".
start_avahi() {
	cat >"$scratch/avahi.conf" <<-END
		[server]
		host-name=tester
		use-ipv4=yes
		use-ipv6=no
		[wide-area]
		enable-wide-area=no
		[publish]
		publish-workstation=no
		[rlimits]
	END
	printf '%b\n' "${1:-}" >>"$scratch/avahi.conf"
	rm -f /run/avahi-daemon/pid /run/avahi-daemon/socket
	avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "$scratch/avahi.conf" \
		>>"$scratch/avahi.log" 2>&1 &
	avahi=$!
	await 10 test -S /run/avahi-daemon/socket
}

# stop PID [SIGNAL]: and wait for its end.
stop() {
	kill -s "${2:-TERM}" "$1" 2>/dev/null || :
	await 10 is_dead "$1"
}
is_dead() { # gone, or waiting to be reaped
	[ ! -d "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status"
}
