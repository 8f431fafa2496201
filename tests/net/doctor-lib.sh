# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables shared with the test; from lib.sh
# A switch with machines on the private network's link: each has an Avahi daemon, a static
# record as a beacon's, and something on port 22 that greets as an SSH server does.  For tests that have included lib.sh and are in their
# private network.

switch=
start_switch() {
	unshare --net sh -c 'ip link add br0 type bridge mcast_snooping 0 && ip link set br0 up && exec sleep infinity' &
	switch=$!
	await 5 nsenter -t "$switch" -n ip link show br0
	ip link set far0 netns "$switch"
	on_switch ip link set far0 master br0 up
}
on_switch() { nsenter -t "$switch" -n "$@"; }

# start_machine NAME ADDRESS/PREFIX ID [avahi|nobeacon|bare|copy]: its process is in
# $machine_NAME.  $card: the MAC address of its network card; a copy, of a machine that has
# the same, never gets a name.
start_machine() {
	mkdir -p "$scratch/$1/services"
	cat >"$scratch/$1/avahi.conf" <<-END
		[server]
		host-name=${host_name:-$1}
		use-ipv4=yes
		use-ipv6=no
		enable-dbus=no
		[wide-area]
		enable-wide-area=no
		[publish]
		publish-workstation=yes
	END
	case ${4:-avahi} in nobeacon | bare) ;; *) cat >"$scratch/$1/services/dcop.service" ;; esac <<-END
		<?xml version="1.0"?><!DOCTYPE service-group SYSTEM "avahi-service.dtd">
		<service-group><name>${instance:-dcop-$3}</name><service><type>_dcop-agent._tcp</type><port>22</port>
		<txt-record>txtvers=1</txt-record><txt-record>id=$3</txt-record>
		<txt-record>agent=$1</txt-record><txt-record>hk=SHA256:${host_key:-$1}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA</txt-record>
		${more_txt:-}</service></service-group>
	END
	printf 'SSH-2.0-test\r\n' >"$scratch/$1/greeting"
	# shellcheck disable=SC2016 # for the inner shell
	unshare --net --mount --pid --fork --kill-child --mount-proc -- sh -c '
		mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/avahi-daemon
		mkdir -p /etc/avahi/services && mount --bind "$1/services" /etc/avahi/services
		ip link set lo up
		until ip link set eth0 up 2>/dev/null; do sleep 0.05; done
		ip addr add "$2" dev eth0
		[ "$3" = bare ] || avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "$1/avahi.conf" &
		python3 -c "import socket, sys
server = socket.create_server((\"\", 22))
while True:
	with server.accept()[0] as client:
		client.sendall(open(sys.argv[1], \"rb\").read())" "$1/greeting" &
		wait' sh "$scratch/$1" "$2" "${4:-avahi}" >"$scratch/$1/log" 2>&1 </dev/null &
	started_pid=$!
	eval "machine_$1=\$started_pid"
	await 5 is_apart_from_here "$started_pid"
	on_switch ip link add "$1" type veth peer name eth0 ${card:+address "$card"} netns "$started_pid"
	on_switch ip link set "$1" master br0 up
	await 10 greets "$started_pid"
	case ${4:-avahi} in
	avahi) await 15 grep -q 'successfully established' "$scratch/$1/log" ;;
	nobeacon) await 15 grep -q 'Server startup complete' "$scratch/$1/log" ;;
	copy) await 15 grep -q 'Host name conflict' "$scratch/$1/log" ;;
	esac
}
# fresh_avahi [LINES]: the controller's, once it has its name.
fresh_avahi() {
	stop "$avahi"
	start_avahi "${1:-}"
	await 10 is_running
}
is_running() {
	dbus-send --system --print-reply --dest=org.freedesktop.Avahi / \
		org.freedesktop.Avahi.Server.GetState | grep -q 'int32 2'
}
is_apart_from_here() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
greets() { nsenter -t "$1" -n sh -c 'ss -ltn | grep -q ":22 "'; }

# in_machine NAME COMMAND...: in its network.
in_machine() {
	eval "in_pid=\$machine_$1"
	shift
	nsenter -t "$in_pid" -n "$@"
}
stop_machine() {
	eval "stop \"\$machine_$1\" KILL"
	on_switch ip link del "$1" 2>/dev/null || :
	ip neigh flush all
}

# finds KINDS CASE ARGUMENT...: exactly these findings, sorted, and the exit code.
finds() {
	finds_expected=$1
	finds_case=$2
	shift 2
	finds_code=0
	"$build/dcop-discover" --doctor --json "$@" >"$scratch/out" 2>"$scratch/err" || finds_code=$?
	finds_got=$(sed -n 's/^ *"kind": "\(.*\)",$/\1/p' "$scratch/out" | sort | tr '\n' ' ')
	finds_got=${finds_got% } finds_wanted=0
	[ -z "$finds_expected" ] || finds_wanted=1
	if [ "$finds_got" = "$finds_expected" ] && [ "$finds_code" = "$finds_wanted" ]; then
		ok "$finds_case"
	else
		not_ok "$finds_case" "exit $finds_code, '$finds_got' instead of '$finds_expected': $(tr '\n' ' ' <"$scratch/out" | head -c 1500) $(cat "$scratch/err")"
	fi
}
proves() { # CASE PATTERN: in a finding of the last case
	if grep -q "$2" "$scratch/out"; then ok "$1"; else not_ok "$1" "$(cat "$scratch/out")"; fi
}
