# shellcheck shell=sh
# shellcheck disable=SC2154 # the variables of run, lib.sh and settings.sh
# `run check`: what happens in the SSH channel.  Sourced by run.

send_facts() {
	_os='' _release=''
	if slurp "$ROOT/etc/os-release"; then
		_os=${NL}$slurped _release=${NL}$slurped
		_os=${_os#*"${NL}ID="} _release=${_release#*"${NL}VERSION_ID="}
		[ "$_release" != "$NL$slurped" ] || _release= # Debian's unstable has none
		_os=${_os%%"$NL"*} _release=${_release%%"$NL"*}
		_os=${_os#\"} _release=${_release#\"}
		_os=${_os%\"} _release=${_release%\"}
	fi
	[ -z "$_os" ] || event fact os "$_os${_release:+-$_release}"
	read -r _hostname </proc/sys/kernel/hostname
	event fact hostname "$_hostname"
	if read_python; then event fact python "$python"; fi
	if slurp "$OPT/current/version"; then event fact pydcop "${slurped%"$NL"}"; fi
	read_beacon
	_names=$beacon_names
	while [ -n "$_names" ]; do
		event fact agent "${_names%%"$NL"*}"
		_names=${_names#*"$NL"}
	done
	read_identity
	[ -z "$machine_id" ] || event fact id "$machine_id"
	[ -z "$want_address" ] || event fact address "$want_address"
}

# is_intended_machine: does this machine have the id and the names of the intended one?
# The record with its address came from the network and proves nothing.
is_intended_machine() {
	case $want_taken in
	*",${machine_id:-none},"*)
		detail="it says that its id is $machine_id, but another host key is pinned for machine $machine_id: a reflashed card, or an impostor. If you know why it changed: dcop-deploy trust $machine_id FINGERPRINT"
		return 1
		;;
	esac
	[ -n "$want_id" ] || return 0
	if [ "$machine_id" != "$want_id" ]; then
		detail="this machine's id is ${machine_id:-not known (it has no dcop-beacon)}, not $want_id: another machine answers at this address; look again with dcop-discover"
		return 1
	fi
	case $want_mode in
	deploy | check | diff) ;;
	assign) return 0 ;; # its names are about to change
	*) [ -n "$want_names" ] || return 0 ;;
	esac
	[ "$machine_names" != "$want_names" ] || return 0
	[ -z "$want_named" ] || return 0 # this run writes them
	_names=$(printf '%s' "$machine_names" | tr '\n' ' ')
	detail="its names differ from those in its record: it has ${_names:-none}; they have just changed (/etc/dcop/beacon.conf there), so look again with dcop-discover"
	return 1
}

# read_wish FILE: the settings of a run in $wished, for a comparison.  The time of day,
# the run_id, the connection, the id, the ids of others and where they are is left out: a machine
# that is being enrolled has no id at first, and is the same machine.
read_wish() {
	slurp "$1" || return 1
	wished=$slurped
	for _key in time run_id id taken connection fleet; do
		case $wished in
		*"$NL$_key "*)
			_rest=${wished#*"$NL$_key "}
			wished=${wished%%"$NL$_key "*}$NL${_rest#*"$NL"}
			;;
		esac
	done
}

run_check() {
	vars=$1 nonce=$2
	case $nonce in '' | *[!0-9A-Za-z]*) echo "run: bad nonce" >&2 && exit 2 ;; esac
	# Only await_stop, and the verb exec, read what the deployer still sends.
	exec 4<&0 </dev/null
	preload_files "$vars" "$ROOT/etc/os-release" "$ROOT/etc/passwd" "$ROOT/etc/hosts" /proc/net/tcp \
		"$OPT/current/hash" "$OPT/current/version" "$OPT/agent-state" "$ETC/beacon.conf" \
		"$ETC/agents" "$ETC/agent.conf" "$ETC/fleet" "$UNIT_FILE" "$ROOT/etc/tmpfiles.d/dcop.conf" \
		"${UNIT_FILE%/*}/dcop-ui.service" "$ROOT/etc/xdg/autostart/dcop-ui.desktop" \
		"$RUNTIME/started" "$RUNTIME/state" "$RUNTIME/main" "$ROOT/proc/mounts"
	if ! read_vars "$vars"; then
		event refused "$detail"
		event end failed
		exit 1
	fi
	choose_layer
	read_uptime
	start_uptime=$uptime
	send_facts
	if ! is_intended_machine; then
		event refused "$detail"
		event end failed
		exit 1
	fi
	tell_went_back
	tell_volatile
	tell_crashed
	find_plan
	if [ -n "$verb" ]; then
		# shellcheck source=/dev/null
		. "$verb"
		[ "$want_mode" = exec ] || exec 4<&-
		do_verb
		exit 0
	fi
	refuse_if_busy

	# shellcheck disable=SC2086 # patterns
	set -- $plan
	event plan $#
	failed='' changes='' ok_events=
	for file; do
		check_step "$file"
		case $verdict in
		0) event check "$name" ok "$detail" ;;
		10)
			event check "$name" change "$detail"
			changes=$changes$name$NL
			[ "$want_mode" != diff ] || show_step
			;;
		*)
			event check "$name" failed "$detail"
			failed=$name
			;;
		esac
		encode "$detail"
		ok_events=${ok_events}result$TAB$name${TAB}ok$TAB$encoded$TAB$NL
		[ -z "$failed" ] || break
	done
	if [ -n "$failed" ]; then
		event result "$failed" failed "$detail" ''
		event end failed
		exit 1
	elif [ -z "$changes" ]; then
		printf '%s' "$ok_events" >&3
		# The check has created nothing else.
		if [ "$want_mode" = uninstall ] && is_to_change; then remove_runtime; fi
		event end ok
	elif ! is_to_change; then
		tell_no_layer
		event end changes
	else
		session_pid
		run_name=$nonce.$session_pid
		tell_no_layer
		receive_layer "$@"
		ask_for_caches "$@"
		start_run_unit
		follow
	fi
}

# tell_went_back: what this machine did by itself, to whoever deploys next.
tell_went_back() {
	case $want_mode in deploy | check | diff) ;; *) return 0 ;; esac
	if slurp "$WENT_BACK"; then event note "${slurped%%"$NL"*}"; fi
}

# tell_volatile: to whoever writes to a machine that will lose it.
tell_volatile() {
	case $want_mode in deploy | check | diff | enroll | assign) ;; *) return 0 ;; esac
	if root_is_volatile; then
		event note "its root file system is in memory, so all of this is gone after its next reboot; switch its overlay file system off (raspi-config), deploy, then switch it on again ($detail)"
	fi
}

# tell_crashed: with --no-start, of agents that do not run because they failed: the steps are ok.
tell_crashed() {
	case $want_mode in deploy | check | diff) ;; *) return 0 ;; esac
	[ -n "${want_agents:-}" ] && stays_stopped && [ "$unit_active" = failed ] || return 0
	event note 'its agents failed before, and are left stopped; dcop-deploy logs shows why'
}

# read_answer HANDLER STEP…: reads the deployer's answer to `want`, to its end, and calls
# HANDLER KEY VALUE for each line.  Exits if the deployer wants the run to stop, or is gone.
read_answer() {
	_handler=$1
	shift
	while IFS= read -r _line <&4; do
		case $_line in
		"end $nonce") return 0 ;;
		"stop $nonce")
			for file; do
				step_name "$file"
				event result "$name" skipped stopped ''
			done
			event end skipped
			exit 0
			;;
		esac
		decode "${_line#* }" || continue
		"$_handler" "${_line%% *}" "$decoded"
	done
	exit 1
}

# tell_no_layer: where there is no layer, and packages are installed instead.
tell_no_layer() {
	[ -n "$no_layer" ] || return 0
	case $NL$changes in *"${NL}apt$NL"*) event note "$no_layer: the system's packages are used" ;; esac
}

# receive_layer STEP…: if the step `layer` has something to do, gets the layer and unpacks it to
# a folder that the step finds by the run's name.  If that fails (a full disk), the step says so.
receive_layer() {
	case $NL$changes in *"${NL}layer$NL"*) ;; *) return 0 ;; esac
	[ ! -d "$LAYERS/.come-$run_name" ] || return 0 # before another run was followed
	layer_size='' layer_digest='' layer_why=''
	event want layer "$layer_key"
	read_answer on_layer_answer "$@"
	if [ -z "$layer_size" ]; then
		event result layer failed "${layer_why:-the controller sends no layer}" ''
		event end failed
		exit 1
	fi
	remove_left "$LAYERS"/.[a-z]* "$RUNTIME"/layer.*
	_new=$LAYERS/.new-$run_name _status=0
	mkdir -p "$_new" 2>"$RUNTIME/layer.$run_name" || return 0
	/usr/bin/python3 -I -S "$B/tools/unpack_layer.py" "$layer_size" "$layer_digest" "$_new" \
		<&4 >"$RUNTIME/layer.$run_name" 2>&1 3>&- || _status=$?
	case $_status in
	0)
		mv -T "$_new" "$LAYERS/.come-$run_name"
		rm -f "$RUNTIME/layer.$run_name"
		;;
	3)
		rm -rf "$_new"
		event refused 'the layer did not come whole; deploy again'
		event end failed
		exit 1
		;;
	*) rm -rf "$_new" ;;
	esac
}

on_layer_answer() {
	case $1 in
	layer) layer_size=${2% *} layer_digest=${2#* } ;;
	no_layer) layer_why=$2 ;;
	esac
	case $layer_size in *[!0-9]*) layer_size= ;; esac
}

on_cache_answer() {
	case $1 in
	apt_proxy) cache_apt=$2 ;;
	pip_index) cache_pip=$2 ;;
	no_cache) no_cache=$2 ;;
	esac
}

# ask_for_caches STEP…: if a step fetches packages, the caches to use in $cache_apt and
# $cache_pip, or in $no_cache the reason why there is none.  Sends no event until the
# answer has come: meanwhile the controller opens the port to the caches
# (deployer/ssh/session-run.c).
ask_for_caches() {
	cache_apt='' cache_pip='' no_cache=''
	[ -n "$want_caches" ] || return 0
	case $NL$changes in
	*"${NL}apt$NL"*) ;;
	*"${NL}pydcop$NL"*) if [ "$want_deps" != pip ] || [ -d "$B/wheels" ]; then return 0; fi ;;
	*) return 0 ;;
	esac
	event want cache
	read_answer on_cache_answer "$@"
}

# write_caches FOLDER: settings for apt and pip, readable by root only: they hold the run's
# credential.  The machine's own apt files are read later and would win (apt.conf(5)), but
# Binary::apt-get overrides both.  An empty value removes the machine's setting.
write_caches() (
	umask 077
	if [ -n "${cache_apt:-}" ]; then
		cat >"$1/apt.conf" <<-EOF
			Binary::apt-get::Acquire::http::Proxy "$cache_apt";
			Binary::apt-get::Acquire::http::Proxy-Auto-Detect "";
			Binary::apt-get::Acquire::http::ProxyAutoDetect "";
		EOF
	fi
	if [ -n "${cache_pip:-}" ]; then
		_host=${cache_pip#*://}
		_host=${_host#*@}
		# An [install] section in the machine's own /etc/pip.conf would override [global]
		# here, so each setting is written in both sections.
		for _section in global install; do
			printf '[%s]\nindex-url = %s\nextra-index-url =\nfind-links =\nno-index = no\nproxy =\n' "$_section" "$cache_pip"
			case $cache_pip in http:*) printf 'trusted-host = %s\n' "${_host%%/*}" ;; esac
		done >"$1/pip.conf"
	fi
	[ -z "${no_cache:-}" ] || printf '%s\n' "$no_cache" >"$1/no-cache"
)

# show_step: what the step just checked would write, from its `show`.
show_step() {
	if [ "$(command -v show)" = show ]; then
		(show) 2>/dev/null </dev/null | diff_events "$name" >&3
		unset -f show
	fi
}

# diff_events STEP: turns text into events of whole lines, within the bounds of
# deployer/job/stepwire.h.
diff_events() {
	head -c $((DIFF_MAX + 1)) | encode_stream | sed 's/%0A/&\
/g' | awk -v step="$1" -v room=3900 -v most=$((DIFF_MAX)) '
		function flush() { if (piece != "") print "diff\t" step "\t" piece; piece = "" }
		{
			line = $0
			plain = line
			total += length(line) - 2 * gsub(/%/, "", plain)
			if (total > most) { more = 1; exit }
			if (length(line) > room) {
				line = substr(line, 1, room - 20)
				# Not in the middle of a character.
				while (line ~ /%[0-9A-F]?[0-9A-F]?$/) sub(/%[0-9A-F]?[0-9A-F]?$/, "", line)
				line = line "%20[...]%0A"
			}
			if (length(piece) + length(line) > room) flush()
			piece = piece line
		}
		END {
			flush()
			if (more) print "diff\t" step "\t[this%20is%20not%20all:%20only%20the%20first%20" most / 1024 "%20KiB%20are%20shown]%0A"
		}'
}

# is_to_change: may this run change the machine, not only check it?
is_to_change() { [ "$want_mode" != check ] && [ "$want_mode" != diff ] && [ -z "$want_looks" ]; }

# read_hung: why the last run was ended (end_when_hung), in $hung; fails when it was not, or when
# its unit has ended since.
read_hung() {
	hung=
	_hung_run=$(readlink "$RUNTIME/run") || return 1
	grep -qsF "$_hung_run/" "$RUN_UNIT" && slurp "$_hung_run/hung" || return 1
	hung=${slurped%"$NL"}
}

# read_lock_holder: whose run is at work on this machine, in $held; fails when there is none.
read_lock_holder() {
	held=
	# A transient unit has a file as long as it lives; flock would cost two processes.
	[ -e "$RUN_UNIT" ] && [ -e "$LOCK" ] || return 1
	if flock -n "$LOCK" true; then return 1; fi
	if slurp "$LOCK"; then held=${slurped%%"$NL"*}; fi
	held=${held:-somebody}
}

# follow_same_run DIR: follows the run that is at work.  A stop request from its earlier
# deployer is withdrawn.  If the run stops all the same, or has just ended and another has
# removed it, everything starts again.
follow_same_run() {
	_theirs=$1
	# shellcheck disable=SC2086 # patterns
	set -- $plan
	event plan $#
	rm -f "$_theirs/stop"
	if open_run "$_theirs" 2>/dev/null; then
		follow
		[ "$_end" = stopped ] || exit 0
	fi
	_waited=0
	while read_lock_holder && [ $_waited -lt 50 ]; do
		_waited=$((_waited + 1))
		sleep 0.1
	done
	if [ -n "${tail_pid:-}" ]; then kill "$tail_pid" 2>/dev/null || :; fi
	begin_again
}

# begin_again: another run has ended since this one began to look.
begin_again() { exec sh "$B/run" check "$vars" "$nonce" <&4 5>&-; }

# refuse_if_busy: if a run is at work, follows it when it has the same settings, else
# refuses; exits in both cases.
refuse_if_busy() {
	read_lock_holder || return 0
	# A process that waits for a disk cannot be ended, and keeps the lock.
	if read_hung; then
		event refused "the run before has not ended: $hung"
		event end failed
		exit 1
	fi
	if is_to_change && read_wish "$vars"; then
		_mine=$wished
		_theirs=$(readlink -f "$RUNTIME/run") || _theirs=
		# A run that has ended is not the one at work: that one has just begun, or there is none.
		case $(tail -n 1 "$_theirs/events" 2>/dev/null) in
		end"$TAB"*) read_lock_holder || begin_again ;;
		*) if read_wish "$_theirs/vars" && [ "$wished" = "$_mine" ]; then follow_same_run "$_theirs"; fi ;;
		esac
	fi
	event busy "$held"
	event end failed
	exit 1
}

# start_run_unit: starts the run in a folder of its own, with the bundle in it (its files are
# linked, not copied: others may remove theirs), and opens it.  Two deployers may get
# here at once: systemd starts only one unit of a name.  The folder's name ends with the
# process of this session, and no other run removes it while that lives (remove_old_runs).
start_run_unit() {
	# shellcheck disable=SC2174 # the folder above gets its mode below
	if ! _said=$(mkdir -p -m 0700 "$RUNS" 2>&1 && printf '%1024s' '' >"$RUNS/.room" && rm -f "$RUNS/.room"); then
		event refused "cannot write to $RUNS, so the run cannot start; make room in /run (df -h /run): $_said"
		event end failed
		exit 1
	fi
	chmod 0755 "$RUNTIME"
	chmod 0700 "$RUNS"
	_dir=$RUNS/$run_name
	rm -rf "$_dir" # of a start that came too late, before another run was followed
	mkdir "$_dir"
	cp -al "$B" "$_dir/bundle" || cp -a "$B" "$_dir/bundle"
	: >"$_dir/events"
	: >"$_dir/log"
	cp "$vars" "$_dir/vars"
	write_caches "$_dir"
	printf '%s\n' "$start_uptime" >"$_dir/uptime"
	open_run "$_dir"
	_try=0
	until _said=$(systemd-run --quiet --collect --unit=dcop-run \
		--description="dcop-deploy at work on this machine" \
		-p Type=exec -p "StandardOutput=append:$_dir/log" -p "StandardError=append:$_dir/log" \
		-p "ExecStopPost=-/bin/sh $_dir/bundle/run finish $_dir" -p TimeoutStopSec=60 \
		-p RuntimeMaxSec=7200 \
		/bin/sh "$_dir/bundle/run" apply "$_dir" 2>&1); do
		# Another run is at work, or systemd has not collected one that has just ended.
		refuse_if_busy
		_try=$((_try + 1))
		if [ $_try -gt 100 ]; then
			if read_hung; then _said="the run before has not ended: $hung ($_said)"; fi
			event refused "cannot start dcop-run.service: $_said"
			event end failed
			exit 1
		fi
		sleep 0.1
	done
}

# session_pid: the sshd process that serves this channel, in $session_pid; it lives as
# long as the connection.  Without SSH, this process itself.
session_pid() {
	session_pid=$$ _pid=$$
	while [ "$_pid" -gt 1 ]; do
		_name='' _parent=
		while read -r _key _value; do
			case $_key in
			Name:) _name=$_value ;;
			PPid:) _parent=$_value && break ;;
			esac
		done <"/proc/$_pid/status"
		case $_name in sshd*) session_pid=$_pid && return 0 ;; esac
		_pid=${_parent:-1}
	done
}

# await_stop DIR: waits until the deployer sends `stop`, which the run sees between two
# steps, or until the connection ends, which does not stop the run.
await_stop() {
	while IFS= read -r _line <&4; do
		if [ "$_line" = "stop $nonce" ]; then
			printf '%s\n' "$nonce" >"$1/stop"
			break
		fi
	done
}

# send_heartbeats PID: a sign of life every 5 s, because apt can be silent for minutes;
# KEEPALIVE_BEAT_MS in deployer/ssh/keepalive.h is the same time.  Ends with the shell that
# follows the run.  Reports `lost` when the tail with this PID has ended, or when the run's
# unit is gone and its end event, which run_finish writes before that, has not come.
send_heartbeats() {
	_gone=0
	while sleep 5 && kill -0 $$; do
		if [ -e "$RUN_UNIT" ]; then _gone=0; else _gone=$((_gone + 1)); fi
		if [ $_gone -ge 2 ] || ! kill -0 "$1"; then echo lost && break; fi
		echo alive
	done
}

# open_run DIR: begins to read the events of the run in DIR, for `follow`; fails when DIR has
# gone.
open_run() {
	_run=$1
	_fifo=$1/follow.$$
	mkfifo -m 0600 "$_fifo" || return 1
	[ -z "${tail_pid:-}" ] || kill "$tail_pid" # of a run that could not be started
	exec 5<>"$_fifo"
	# For writing only: coreutils 8.32 takes an output that can be read, and has something
	# unread, for one whose reader has gone, and ends.
	# shellcheck disable=SC2094 # rm does not read it
	{
		rm -f "$_fifo"
		exec tail -n +1 -f "--pid=$$" "$1/events"
	} >"$_fifo" 2>/dev/null 3>&- 4<&- 5>&- &
	tail_pid=$!
}

# remove_runtime: for the end of the run's unit, systemd may just have made its log anew.
remove_runtime() {
	_try=0
	until rm -rf "$RUNTIME" 2>/dev/null || [ $_try -ge 20 ]; do
		_try=$((_try + 1))
		sleep 0.1
	done
}

# follow: copies the events of the open run to descriptor 3 until its end event, whose word
# is in $_end; exits 1 unless that is "ok" or "stopped".  run_finish ensures that there is
# one.  "stopped": another deployer stopped the run.
follow() {
	send_heartbeats "$tail_pid" >&5 2>/dev/null 3>&- 4<&- 5>&- &
	_heartbeats=$!
	await_stop "$_run" >/dev/null 2>&1 3>&- 5>&- &
	_listener=$!
	# shellcheck disable=SC2064 # expanded now, not when the trap runs
	trap "kill $tail_pid $_heartbeats $_listener 2>/dev/null" EXIT
	_end=failed _left='' _over=
	while [ -z "$_over" ] && IFS= read -r _line <&5; do
		case $_line in
		lost) break ;;
		result"$TAB"*"${TAB}skipped${TAB}stopped$TAB")
			_left=$_left$_line$NL
			continue
			;;
		end"${TAB}skipped")
			_end=stopped _by='' _over=yes
			read -r _by <"$_run/stop" || :
			[ "$_by" = "$nonce" ] || break
			_end=skipped _line=$_left$_line
			;;
		end"$TAB"*)
			_end=${_line#*"$TAB"} _over=yes
			if [ "$want_mode,$_end" = uninstall,ok ]; then remove_runtime; fi
			;;
		esac
		printf '%s\n' "$_line" >&3 || break
	done
	kill "$tail_pid" $_heartbeats $_listener 2>/dev/null || :
	wait "$tail_pid" $_heartbeats $_listener 2>/dev/null || :
	trap - EXIT
	exec 5>&-
	case $_end in ok | stopped) ;; *) exit 1 ;; esac
}
