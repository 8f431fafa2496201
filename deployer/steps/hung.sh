# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the variables of run and lib.sh
# A process that does not go on: its disk or file server hangs, or somebody has stopped it.  Sourced by apply.sh.

# 5 min without one tick of processor time.  A worn card may take longer for one sync(2), but then
# what waits to be written gets less.
HUNG_LOOKS=30
HUNG_PAUSE=10 # seconds

# await_hung FILE: waits until a process of this control group hangs; why, for a person, in $hung.
# FILE keeps what the last look saw.  Fails where processes cannot be looked at.
await_hung() {
	_group=none
	while IFS=: read -r _ _kind _path; do
		case $_kind in '') _kind=/sys/fs/cgroup ;; name=systemd) _kind=/sys/fs/cgroup/systemd ;; *) continue ;; esac
		[ ! -r "$_kind$_path/cgroup.procs" ] || _group=$_kind$_path
	done </proc/self/cgroup
	[ "$_group" != none ] || return 1
	: >"$1"
	while sleep $HUNG_PAUSE; do
		look_for_hung "$1" || continue
		hung="$_name (pid $_pid) did not go on for $((HUNG_LOOKS * HUNG_PAUSE / 60)) min"
		case $_state in
		T) hung="$hung, so the run was ended: it was stopped by a signal (SIGSTOP) or a debugger; deploy again" ;;
		*) hung="$hung, so the run was ended: it waits for a disk or file server, which hangs (dmesg may say why); reboot the machine, or pull its plug, then deploy again; if it happens again, replace the card" ;;
		esac
		return 0
	done
}

# look_for_hung FILE: has a process been stopped, or waiting for a disk that writes nothing, in the
# same way for HUNG_LOOKS looks?  Which, in $_pid, $_state and $_name.  The first line of FILE has
# the kB that wait to be written.
look_for_hung() {
	_files=
	while read -r _pid; do _files="$_files /proc/$_pid/stat"; done <"$_group/cgroup.procs"
	# shellcheck disable=SC2086 # words
	cat $_files 2>/dev/null | awk -v before="$1" -v meminfo="$ROOT/proc/meminfo" '
		BEGIN {
			while ((getline line < meminfo) > 0) if (split(line, f, " ") > 1 && f[1] ~ /^(Dirty|Writeback):$/) unwritten += f[2]
			while ((getline line < before) > 0) {
				split(line, f, " ")
				if (f[2] == "unwritten") writes = unwritten < f[3] + 0
				else if (f[3] != "D" || !writes) looks[f[2] " " f[3] " " f[4]] = f[1]
			}
			print 0, "unwritten", unwritten + 0
		}
		{
			name = $0
			sub(/^[^(]*\(/, "", name)
			sub(/\)[^)]*$/, "", name)
			rest = $0
			sub(/^.*\) /, "", rest)
			split(rest, f, " ") # f[1] is field 3 of proc(5), the state; then the times of user and system
			if (f[1] == "t") f[1] = "T" # by a debugger
			key = $1 " " f[1] " " f[12] + f[13]
			if (f[1] == "D" || f[1] == "T") print looks[key] + 1, key, name
		}' >"$1.new"
	mv -f "$1.new" "$1"
	while read -r _count _pid _state _ticks _name; do
		if [ "$_count" -ge $HUNG_LOOKS ]; then return 0; fi
	done <"$1"
	return 1
}
