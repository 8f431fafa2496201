# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables shared with the test
# What the tests without internet share. Included after deploy-lib.sh.

# devpi-server's wheels, kept from one run to the next: only its first installation asks.
devpi_wheels() {
	wheels=${DCOP_CACHE:-/var/cache/dcop-classroom}/devpi-$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	[ ! -e "$wheels/complete" ] || return 0
	mkdir -p "$wheels"
	controller /usr/bin/python3 -m pip -q download --prefer-binary -d "$wheels" devpi-server
	: >"$wheels/complete"
}
with_devpi() {
	devpi_wheels
	PIP_FIND_LINKS=$wheels PIP_NO_INDEX=1
	export PIP_FIND_LINKS PIP_NO_INDEX
	"$@"
	unset PIP_FIND_LINKS PIP_NO_INDEX
}

# A machine as it comes from its card: it knows of no proxy, has no lists, and no DNS.
without_mirror() {
	on "$1" sh -c 'sed -i "/Proxy/d" /etc/apt/apt.conf.d/01classroom; rm -rf /var/lib/apt/lists/*_*'
}

asked_mirror() { "$classroom" count show | sed -n 's/^controller mirror \([0-9]*\) \([0-9]*\) .*/\1 \2/p'; }

# A transcript for people: the command as they would type it, and what it said.
scene() { printf '\n%s\n' "$*" >>"$transcript"; }
show() {
	printf '\n  $ dcop-deploy' >>"$transcript"
	for word; do
		case $word in
		"$problem") printf ' classroom.yaml' ;;
		*) printf ' %s' "$word" ;;
		esac >>"$transcript"
	done
	printf '\n' >>"$transcript"
	since=$(now)
	deploy "$@"
	took=$(($(now) - since))
	sed -e "s,$state,~/.local/state/dcop,g" -e 's/^/  /' "$scratch/said" >>"$transcript"
	printf '  [exit %d, %d.%02d s]\n' "$status" $((took / 100)) $((took % 100)) >>"$transcript"
}
