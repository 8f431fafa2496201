# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154
# Powers off or reboots the machine after the end event; sourced by the steps of poweroff and
# reboot.
# shellcheck source=service.sh
. "$B/verbs/service.sh"

check() {
	if is_done power; then return 0; fi
	detail=$want_mode
	return 10
}

apply() {
	sync
	mark_done power
	did "$want_mode requested"
}

# A machine that is about to go down is not free: the lock is held, and its file says why.
before_end() {
	holds_machine=yes
	printf '%s, which is about to %s it\n' "$want_who" "$want_mode" >"$LOCK"
}

# The end event must arrive before the machine goes down.
after_end() {
	await_hangup
	systemctl --no-block "$want_mode"
}
