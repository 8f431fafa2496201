# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the variables of run and lib.sh
# A new version on trial: with --canary until its agents were found healthy, else until its first
# start has proved it (90-alive).  If anything fails before that, the machine goes back to the
# version before, whether or not somebody follows the run.  Sourced by apply.sh: it runs in
# dcop-run.service, which holds the machine's lock.

GO_BACK_START=30  # seconds for systemd to start the agents again
GO_BACK_WITHIN=15 # seconds until they listen; both are within the unit's TimeoutStopSec

# read_trial: its versions in $from, $to and $before; fails when there is none.
read_trial() {
	from='' to='' before=
	if [ -r "$TRIAL" ]; then read -r from to before <"$TRIAL" || :; fi
	[ -n "$before" ]
}

# forget_trial: no version is on trial any more, also after a power cut.
forget_trial() {
	[ ! -e "$TRIAL" ] || { rm -f "$TRIAL" && sync -f "$OPT"; }
}

# name_version HASH: the version for a person, in $version.
name_version() {
	_tail=${1#????????????}
	version=${1%"$_tail"}
	if [ -r "$OPT/versions/$1/version" ]; then
		read -r _number <"$OPT/versions/$1/version" || :
		version="$_number ($version)"
	fi
}

# is_switched: have links or agents left the version before?  Not if the run ended earlier.
is_switched() {
	read_hash current
	_started=
	if [ -r "$RUNTIME/started" ]; then read -r _started <"$RUNTIME/started" || :; fi
	[ "${hash:--}" != "$from" ] || [ "$_started" = "$to" ]
}

# go_back WHY: ends a trial that did not succeed.  What was done is in $went; fails when there is
# no trial, or nothing was switched yet.  Does not rely on set -e.
go_back() {
	went=
	read_trial || return 1
	if ! is_switched; then
		forget_trial
		return 1
	fi
	event note 'the machine goes back by itself'
	if [ -e "$OPT/versions/$from/hash" ]; then
		return_to "$from" "$before"
	else
		timeout "$GO_BACK_START" systemctl disable --now "$UNIT" || :
		rm -f "$OPT/current"
		went='no version was there before, so the agents are stopped and nothing is deployed'
	fi
	printf '%s: %s: %s' "$(date '+%F %T %Z')" "$went" "$1" | tr '\001-\037' ' ' | head -c 600 |
		write_file "$WENT_BACK" 0644 || :
	# One that was never seen to start takes no other's place among those that are kept.
	is_proven "$to" || rm -rf "$OPT/versions/${to:?}"
	forget_trial
}

# return_to HASH PREVIOUS: makes the versions what they were, and starts the agents, unless they
# were stopped, or the machine shuts down.
return_to() {
	point_link current "$1"
	if [ -e "$OPT/versions/$2/hash" ]; then point_link previous "$2"; else rm -f "$OPT/previous"; fi
	name_version "$1"
	went="it went back to $version"
	[ -s "$ETC/agents" ] || return 0
	if [ "$(systemctl is-system-running 2>/dev/null)" = stopping ]; then
		went="$went, which starts at the next boot"
		return 0
	fi
	if started_as_deployed; then
		unit_read=
		if read_unit && [ "$unit_active" = inactive ]; then
			went="$went, which was stopped, and stays so"
			return 0
		fi
	elif [ "$_started" = "$1" ] && is_at_work; then
		went="$went; $note is at work in a run, so the agents go on with the names and settings that they were started with"
		return 0
	else
		rm -f "$RUNTIME/failures"
		systemctl reset-failed "$UNIT" 2>/dev/null || :
		timeout "$GO_BACK_START" systemctl restart "$UNIT" || :
	fi
	if comes_back; then
		went="$went, which runs again"
	else
		went="$went, which does not stay up either (see dcop-deploy logs)"
	fi
}

# started_as_deployed: do the agents run with what is on the machine now?  The names and settings of
# a run that has failed may be there already.
started_as_deployed() {
	_wanted=$(cat "$OPT/current/hash" "$ETC/agents" "$ETC/agent.conf" "$UNIT_FILE" 2>/dev/null)
	file_is "$RUNTIME/started" "$_wanted$NL"
}

comes_back() {
	# shellcheck source=steps/90-alive
	. "$B/steps/90-alive"
	# shellcheck source=verbs/service.sh
	. "$B/verbs/service.sh"
	read_deployed
	read_uptime
	_deadline=$((uptime + GO_BACK_WITHIN))
	unit_read=
	until agents_listen; do
		[ "$uptime" -lt $_deadline ] || return 1
		sleep 0.5
		unit_read=
	done
}
