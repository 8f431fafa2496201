# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the parts share variables
# What the parts of the classroom share: messages, locks, control groups, waiting.
#
# Everything that a classroom starts is in a cgroup of the v2 hierarchy,
# $cgroups/$CLASSROOM, and everything that it mounts is in a mount namespace that
# ends with its processes. So the kernel itself knows what belongs to it, and `down`
# needs no records that a crash could have made wrong.

say() { printf 'classroom: %s\n' "$*" >&2; }
die() { # STATUS MESSAGE...
	status=$1
	shift
	say "$@"
	exit "$status"
}

# need TOOL PACKAGE [TOOL PACKAGE]...: exits with 3 if one of these tools is missing.
need() {
	missing=
	while [ $# -gt 1 ]; do
		command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
		shift 2
	done
	[ -z "$missing" ] || die 3 "missing here:$missing; install with: apt-get install$missing"
}

need_host() {
	[ "$(id -u)" -eq 0 ] || die 3 "only root can make namespaces; run it with sudo"
	need ip iproute2 systemd-nspawn systemd-container socat socat flock util-linux nsenter util-linux \
		avahi-daemon avahi-daemon dbus-daemon dbus-daemon ssh-keygen openssh-client perl perl-base
	cgroups=$(awk '$0 ~ / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
	[ -n "$cgroups" ] || die 3 "no cgroup v2 hierarchy is mounted on this system"
	cgroups=$cgroups/dcop-classroom
	cg=$cgroups/$CLASSROOM
}

# poll SECONDS COMMAND...: until COMMAND succeeds; fails at the deadline.
poll() {
	poll_end=$(($(now) + $1 * 100))
	shift
	until "$@"; do
		[ "$(now)" -lt "$poll_end" ] || return 1
		sleep 0.05
	done
}

now() { # hundredths of a second since boot
	read -r now_up _ </proc/uptime
	echo "${now_up%.*}${now_up#*.}"
}

# Locks are in the cache folder, which stays, so that no process waits on a file that
# has been removed. Descriptor 9: the instance; 8: a short lock.
lock_instance() { # -s for work on single machines, -x for work on the whole instance
	exec 9>>"$locks/$CLASSROOM.instance"
	flock -w 120 "$1" 9 || die 1 "another command has been busy with $CLASSROOM for two minutes"
}
unlock_instance() { exec 9>&-; }
lock_short() { # NAME
	exec 8>>"$locks/$1"
	flock -w 600 -x 8 || die 1 "lock $1 has been held for ten minutes"
}
unlock_short() { exec 8>&-; }

# in_group GROUP COMMAND...: runs it in the background, in that cgroup, without the
# caller's descriptors; output goes to $log. Its pid is in $!.
in_group() {
	in_group=$1
	shift
	mkdir -p "$in_group" || return
	# shellcheck disable=SC2016 # expanded by the inner shell
	setsid sh -c 'echo 0 >"$1/cgroup.procs" && shift && exec "$@"' sh "$in_group" "$@" \
		</dev/null >>"$log" 2>&1 8>&- 9>&- &
}

group_empty() { [ ! -d "$1" ] || ! grep -q 'populated 1' "$1/cgroup.events" 2>/dev/null; }

# kill_group GROUP: kills all of its processes at once, and then removes the group.
kill_group() {
	[ -d "$1" ] || return 0
	if [ -e "$1/cgroup.kill" ]; then
		echo 1 >"$1/cgroup.kill" 2>/dev/null || :
	else
		kill_each "$1"
	fi
	poll 20 group_empty "$1" || {
		say "processes in $1 do not die: $(find "$1" -name cgroup.procs -exec cat {} + | tr '\n' ' ')"
		return 1
	}
	poll 5 remove_group "$1" || say "cannot remove the cgroup $1"
}

# For kernels before 5.14: freeze, so that nothing forks in between, then kill.
kill_each() {
	echo 1 >"$1/cgroup.freeze" 2>/dev/null || :
	find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null | while read -r kill_pid; do
		kill -KILL "$kill_pid" 2>/dev/null || :
	done
	echo 0 >"$1/cgroup.freeze" 2>/dev/null || :
}

remove_group() {
	find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || :
	[ ! -d "$1" ]
}

# Network namespaces are called dcop-INSTANCE.WHAT; no instance has a dot.
netns() { echo "dcop-$CLASSROOM.$1"; }
has_netns() { [ -e "/run/netns/$1" ]; }
add_netns() {
	has_netns "$1" || ip netns add "$1"
	ip -n "$1" link set lo up
}
del_netns() {
	! has_netns "$1" || ip netns del "$1" 2>/dev/null || rm -f "/run/netns/$1"
}

# connect NAMESPACE PORT NUMBER: a cable from the bridge to a new eth0 there.
# Neither end is ever in the host's own namespace.
connect() {
	connect_mac=$(printf '02:dc:09:77:%02x:%02x' $(($3 / 256)) $(($3 % 256)))
	ip -n "$(netns lan)" link add "$2" type veth peer name eth0 address "$connect_mac" netns "$1"
	nsenter "--net=/run/netns/$1" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
		echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_ra'
	ip -n "$1" addr add "$(address4 "$3")/16" dev eth0
	ip -n "$1" addr add "$(address6 "$3")/64" dev eth0 nodad
	ip -n "$1" link set eth0 up
	ip -n "$(netns lan)" link set "$2" master lan0 up
}

address4() { echo "10.77.$(($1 / 256)).$(($1 % 256))"; }
address6() { printf 'fd77:dc09::%x\n' "$1"; }

# The host's own apt settings, in the syntax of apt's configuration file: a machine with
# the same clock and the same mirror needs them too.
apt_settings() {
	echo 'Acquire::Languages "none";'
	for apt_key in Acquire::Check-Valid-Until Acquire::Check-Date; do
		apt_value=
		eval "$(apt-config shell apt_value "$apt_key" 2>/dev/null)"
		[ -z "$apt_value" ] || echo "$apt_key \"$apt_value\";"
	done
}

# The proxy that the host's apt uses, if any.
apt_proxy() {
	apt_proxy=
	eval "$(apt-config shell apt_proxy Acquire::http::Proxy 2>/dev/null)"
	case $apt_proxy in DIRECT) return ;; esac
	echo "${apt_proxy:-${http_proxy:-}}"
}
