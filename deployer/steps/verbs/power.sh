# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154
# The end of a lesson; sourced by the steps of poweroff and reboot.
# shellcheck source=service.sh
. "$B/verbs/service.sh"

GONE_WITHIN=10 # seconds

check() {
	if once power; then return 0; fi
	detail=$want_mode
	return 10
}

apply() {
	sync
	done_once power
	did "it does $want_mode"
}

# The end event has to be there before the machine goes: whoever has it hangs up, and
# sshd's process for that connection ends.  Nobody waits for one who does not.
after_end() {
	read -r _session <"$RUN/session" || _session=
	case $_session in
	'' | *[!0-9]*) ;;
	*) timeout $GONE_WITHIN tail -f "--pid=$_session" /dev/null || : ;;
	esac
	systemctl --no-block "$want_mode"
}
