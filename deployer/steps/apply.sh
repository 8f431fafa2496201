# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the variables of run and lib.sh
# `run apply` and `run finish`: what happens in dcop-run.service.  Sourced by run.
# shellcheck source=canary.sh
. "$B/canary.sh"
# shellcheck source=hung.sh
. "$B/hung.sh"

run_apply() {
	RUN=$1
	exec 3>>"$RUN/events"
	read_vars "$RUN/vars"
	choose_layer
	umask 077 # nobody else may open it, and so lock it
	exec 9<>"$LOCK"
	umask 022
	if ! flock -w 5 9; then
		event busy somebody
		event end failed
		exit 1
	fi
	printf '%s, since %s\n' "${want_who:-dcop-deploy}" "$(date '+%F %T %Z')" >"$LOCK"
	ln -sfn "$RUN" "$RUNTIME/run.new"
	mv -fT "$RUNTIME/run.new" "$RUNTIME/run"
	remove_old_runs
	rm -f "$ETC"/*.dcop-new # of a write_file that was killed: the lock is ours
	read -r start_uptime <"$RUN/uptime"

	DEBIAN_FRONTEND=noninteractive
	export DEBIAN_FRONTEND
	end_when_hung >/dev/null 2>&1 </dev/null 9>&- &
	broken='' stopped=
	find_plan
	before_end() { :; }
	after_end() { :; }
	for file in $plan; do
		if [ -n "$broken" ]; then
			step_name "$file"
			event result "$name" skipped "after $broken" ''
			continue
		fi
		if [ -n "$stopped" ] || [ -e "$RUN/stop" ]; then
			stopped=yes
			step_name "$file"
			event result "$name" skipped stopped ''
			continue
		fi
		apply_step "$file"
	done
	if [ -n "$broken" ]; then
		exec 9>&-
		event end failed
		exit 1
	fi
	if [ -n "$stopped" ]; then
		if go_back 'the run was stopped'; then event note "$went"; fi
		exec 9>&-
		event end skipped
		exit 0
	fi
	# Whoever reads the end may begin the next run at once.
	before_end
	[ -n "${holds_machine:-}" ] || exec 9>&-
	event end ok
	after_end
}

# end_when_hung: ends this run when one of its processes hangs; the disk may let nothing else do so.
end_when_hung() {
	await_hung "$RUN/looks" || return 0
	printf '%s\n' "$hung" >"$RUN/hung"
	trap '' TERM # systemd's, when the run has ended
	kill -KILL $$
	# After a trial run_finish goes back and writes the end; the disk may not let it.
	if [ -e "$TRIAL" ]; then
		event note "$hung"
		return 0
	fi
	_step=$(awk -F '\t' '$1 == "start" { step = $2 } $1 == "result" { step = "" } END { print step }' "$RUN/events")
	if [ -n "$_step" ]; then event result "$_step" failed "$hung" ''; else event refused "$hung"; fi
	event end failed
}

# remove_old_runs: the folders of runs whose sessions have ended.  Whoever lives may still
# be preparing its folder, or reading it.
remove_old_runs() {
	for _old in "$RUNS"/*; do
		[ "$_old" = "$RUN" ] || remove_left "$_old"
	done
}

# await_hangup: waits until the channel's connection has ended, at most 10 s.  A deployer
# that has the end event hangs up, and then sshd's process for that connection ends.
await_hangup() {
	timeout 10 tail -f "--pid=${RUN##*.}" /dev/null || :
}

apply_step() {
	unit_read=
	check_step "$1"
	case $verdict in
	0) event result "$name" ok "$detail" '' && return 0 ;;
	10) ;;
	*) step_failed "$detail" && return 0 ;;
	esac
	event start "$name"
	wanted=$detail
	echo "== $name: $detail"
	rm -f "$RUN/why" "$RUN/did"
	: >"$RUN/output"
	# In the background, because set -e is off where a status is tested.
	(
		set -e
		apply
	) 3>&- 9>&- >"$RUN/output" 2>&1 </dev/null &
	_status=0
	wait $! || _status=$?
	cat "$RUN/output"
	if [ $_status != 0 ]; then
		_why="the step failed (status $_status); its last lines say why"
		if slurp "$RUN/why"; then _why=${slurped%"$NL"}; else common_why; fi
		step_failed "$_why"
		return 0
	fi
	unit_read=
	check_step "$1"
	if [ "$verdict" = 0 ]; then
		if slurp "$RUN/did"; then wanted=${slurped%"$NL"}; fi
		event result "$name" changed "${detail:-$wanted}" ''
	else
		step_failed "the step ran, but its check still fails: $detail"
	fi
}

# common_why: the reason for failures that any step can have, from its output, in $_why;
# $again is the pattern whose repeated lines are shown only once.
common_why() {
	while IFS='|' read -r _pattern _words; do
		_line=$(grep -m 1 -e "$_pattern" "$RUN/output") || continue
		again=$_pattern
		if [ "$_words" = full ]; then
			full_why "$_line"
		else
			_why="$_words: $_line"
		fi
		return 0
	done <<-'EOF'
		No space left on device|full
		: I/O error$|full
		Disk quota exceeded|the disk quota is used up; make room there
		Read-only file system|the file system of the machine is read-only; a worn or damaged card may be the cause (dmesg says why), and a reboot may help once
		Input/output error|the disk has read or write errors; on a board, the card is worn: replace it
		Cannot allocate memory|the machine has no memory left; stop something there
		Killed|the step was killed on the machine; often the machine has no memory left
	EOF
}

# full_why LINE: which disk is full, from the line of output that reports it, in $_why.
full_why() {
	_path=$(printf '%s\n' "$1" | sed -n "s|.*[ ']\(/[^':]*\).*|\1|p")
	until [ -z "$_path" ] || [ -e "$_path" ]; do _path=${_path%/*}; done
	# If the line names no path: the fullest of the file systems that the steps write to.
	set -- "$_path"
	[ -n "$_path" ] || set -- / /usr /etc /opt/dcop/versions /var/lib/apt/lists /var/cache/apt/archives /var/lib/dcop /tmp /run/dcop
	_why=$(df -Pk -- "$@" 2>/dev/null | awk '
		NR > 1 && (NR == 2 || $4 < least) { least = $4; place = $6 }
		END {
			if (place != "" && least < 16384) print "the disk is full: " int(least / 1024) " MiB free on " place "; make room there, then deploy again"
			else print "the disk is full (df -h, df -i) or failing (dmesg); make room there, then deploy again"
		}')
}

# step_failed DETAIL: reports the failure with the last lines of the step's output.  If a new
# version was on trial, the machine goes back first.
step_failed() {
	broken=$name
	: "${again:=}"
	if go_back "$1"; then encode "$went: $1"; else encode "$1"; fi
	_said=
	if [ -e "$RUN/output" ]; then
		# A message that repeats for every file is shown once.
		_said=$(pattern=$again awk 'ENVIRON["pattern"] == "" || $0 !~ ENVIRON["pattern"] || !told++' "$RUN/output" |
			tail -n 20 | tail -c 2048 | encode_stream)
		if [ ${#_said} -gt 2500 ]; then
			_said=$(printf '%s' "$_said" | tail -c 2500)
			_said=${_said#*%0A} # the line that was cut
		fi
	fi
	printf 'result\t%s\tfailed\t%s\t%s\n' "$name" "$(printf '%s' "$encoded" | head -c 1200 | sed 's/%.\{0,1\}$//')" "$_said" >&3
	rm -f "$RUN/output"
}

# The unit has ended.  If it was killed, it wrote no end event: write one for the follower.
run_finish() {
	RUN=$1
	rm -f "$RUN/apt.conf" "$RUN/pip.conf" "$RUN/no-cache"
	_last=$(tail -n 1 "$RUN/events" 2>/dev/null) || return 0
	case $_last in end"$TAB"*) return 0 ;; esac
	exec 3>>"$RUN/events"
	# The killed process may have stopped in the middle of a line.
	[ -z "$(tail -c 1 "$RUN/events")" ] || echo >&3
	case ${SERVICE_RESULT:-} in
	timeout) killed='the run took longer than two hours and was stopped' ;;
	oom-kill) killed='the machine ran out of memory and the run was killed' ;;
	*) killed="the run was killed on the machine (${SERVICE_RESULT:-}, ${EXIT_STATUS:-})" ;;
	esac
	if slurp "$RUN/hung"; then killed=${slurped%"$NL"}; fi
	if finish_trial "$killed"; then
		event refused "$went: $killed; deploy again"
	else
		case ${SERVICE_RESULT:-} in
		oom-kill) event refused "$killed; stop something there, then deploy again" ;;
		*) event refused "$killed; deploy again: it continues where this run ended" ;;
		esac
	fi
	event end failed
}

# finish_trial WHY: goes back if a new version was on trial in the run that was killed.
finish_trial() {
	[ -e "$TRIAL" ] || return 1
	read_vars "$RUN/vars" || return 1
	exec 9<>"$LOCK"
	flock -w 5 9 || return 1
	go_back "$1"
}
