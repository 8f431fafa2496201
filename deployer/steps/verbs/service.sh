# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the driver and lib.sh
# Shared by the verbs for the agents' unit; sourced by their steps.

# A rollback that is not complete: "FROM TO RUN_ID", written before the switch and kept
# until the agents run with TO.  It is on the disk, so that after a power cut the repeat
# does not swap the versions again.
BEGUN=$OPT/.rollback
# The last complete rollback: "FROM TO RUN_ID", so that a run that is resumed does not
# swap them again either.
ENDED=$OPT/.rolled-back
end_rollback() { [ ! -e "$BEGUN" ] || mv -f "$BEGUN" "$ENDED"; }

# unit_is_running: are there agents to restart?
unit_is_running() {
	read_unit || return 1
	case $unit_active in active | activating) ;; *) return 1 ;; esac
}

# read_moved: sets $want_address to where the launcher's agents register, which is another one than
# was deployed when the machine has lost that one (DHCP).
read_moved() {
	read_agent_note address || return 0
	case $note in *[!0-9.]*) ;; *) want_address=$note ;; esac
}

# read_deployed: sets $want_agents and $want_port to what is deployed, and $want_address to where the
# agents are, for the check that they are alive.
read_deployed() {
	want_agents='' want_address='' want_port=9001
	if slurp "$ETC/agents"; then want_agents=$slurped; fi
	if slurp "$ETC/agent.conf"; then
		_port=${NL}$slurped
		_port=${_port##*"${NL}port "}
		_port=${_port%%"$NL"*}
		case $_port in '' | *[!0-9]* | ??????*) ;; *) want_port=$_port ;; esac
		want_address=${NL}$slurped
		want_address=${want_address##*"${NL}address "}
		want_address=${want_address%%"$NL"*}
	fi
	read_moved
}

# can_run: is there something to start?  If not, the message in $detail; status 1 is a
# failure, 2 is not.
can_run() {
	if [ ! -e "$UNIT_FILE" ] || [ ! -e "$OPT/current/hash" ]; then
		detail='nothing is deployed on the machine (dcop-deploy deploy)'
		return 1
	fi
	read_deployed
	[ -n "$want_agents" ] || { detail='no agent is assigned, so there is nothing to start' && return 2; }
}

# unit_is_up: does it run, and not only wait for a restart after a failure?
unit_is_up() {
	read_unit || return 1
	case $unit_active in
	active) ;;
	activating) [ ! -e "$RUNTIME/failures" ] ;;
	*) return 1 ;;
	esac
}

# run_systemctl VERB: on the agents' unit; prints the journal's last lines when it fails.
run_systemctl() {
	# Earlier failures must not delay this start.
	rm -f "$RUNTIME/failures"
	systemctl reset-failed "$UNIT" 2>/dev/null || :
	if systemctl "$1" "$UNIT"; then return 0; fi
	journalctl --no-pager -q -o cat -n 15 -u "$UNIT" || :
	why "systemctl $1 $UNIT failed"
	return 1
}

# is_done WORD: has this run done that action?  `mark_done WORD` notes that it has.
is_done() { [ -n "${RUN:-}" ] && [ -e "$RUN/done-$1" ]; }
mark_done() { : >"$RUN/done-$1"; }
