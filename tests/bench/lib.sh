# shellcheck shell=sh
# shellcheck disable=SC2154 # $work and $classroom are the user's
# What the measurements on the virtual classroom share.  The user sets $work.

say() { printf 'bench: %s\n' "$*" >&2; }
die() {
	say "$*"
	exit 1
}

controller() { "$classroom" exec controller -- "$@"; }

# timed SERIES COMMAND...: on the controller; its milliseconds go to the series, what
# it says to $work/said.
timed() {
	timed_series=$work/series.$1
	shift
	# shellcheck disable=SC2016 # for the inner shell
	controller sh -c 'from=$(date +%s%N) status=0 said=$1 && shift
		"$@" >"$said" 2>&1 </dev/null || status=$?
		echo $((($(date +%s%N) - from) / 1000000))
		exit $status' sh "$work/said" "$@" >>"$timed_series" || {
		tail -n 20 "$work/said" >&2
		die "this failed: $*"
	}
}

# peak COMMAND...: kB of memory that its biggest process had.
peak() {
	controller time -q -f %M -o "$work/peak" "$@" >"$work/said" 2>&1 </dev/null || die "this failed: $*"
	cat "$work/peak"
}

median() { # SERIES
	sort -n "$work/series.$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

seconds() { median "$1" | awk '{ printf "%.3f", $1 / 1000 }'; }

row() { # WHAT OURS PEER
	awk -v what="$1" -v ours="$2" -v peer="$3" 'BEGIN {
		printf "%s\t%s\t%s\t%s\n", what, ours, peer, (peer > 0 ? sprintf("%.3f", ours / peer) : "-") }'
}

# quiet: until the machine is idle for half a second, as after what was measured
# before; 20 s at most, for others may work here, too.  What is niced gives way.
quiet() {
	quiet_tries=0
	while [ "$quiet_tries" -lt 40 ]; do
		quiet_before=$(sed -n 's/^cpu *//p' /proc/stat)
		sleep 0.5 # the window that is looked at
		if sed -n 's/^cpu *//p' /proc/stat | awk -v before="$quiet_before" '{
			split(before, b, " ")
			for (i = 1; i <= 8; i++) all += $i - b[i]
			exit !($2 + $4 + $5 - b[2] - b[4] - b[5] >= 0.75 * all) }'; then
			return
		fi
		quiet_tries=$((quiet_tries + 1))
	done
	say "something else is at work on this machine: load $(cut -d' ' -f1-3 /proc/loadavg)"
}
