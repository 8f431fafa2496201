# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables shared with the test
# What the tests of dcop-deploy share: calling it, and what to look at.  Included
# after lib.sh, with $classroom set.

problem=tests/data/demo/classroom.yaml
state=$scratch/state
deps=apt # of --deps; with a layer, an image with packages would prove nothing

controller() { "$classroom" exec controller -- "$@"; }
on() {
	machine=$1
	shift
	"$classroom" exec "$machine" -- "$@"
}

# deploy OPTION…: as run from a script (no terminal); words in $scratch/said.
deploy() {
	status=0
	controller build/gcc/dcop-deploy --state-dir "$state" --key "$key" --deps "$deps" "$@" \
		>"$scratch/said" 2>&1 </dev/null || status=$?
}

# A fingerprint is meant as it stands, everything else is a pattern.
said() {
	case $1 in
	SHA256:*) grep -qF -- "$1" "$scratch/said" ;;
	*) grep -qE -- "$1" "$scratch/said" ;;
	esac
}

# note_words PATTERN…: what users were told in this case, for people to look over.
words=build/$test_name-words.txt
: >"$words"
note_words() {
	[ $# -gt 0 ] || return 0
	printf '%s\n' "$case_name" >>"$words"
	for pattern; do grep -m 1 -E -e "$pattern" "$scratch/said" | sed 's/^/    /'; done | sort -u >>"$words"
}

# verdict CASE STATUS [PATTERN…]: how the last deploy ended, and what it said.
verdict() {
	case_name=$1 wanted=$2
	shift 2
	if [ "$status" -ne "$wanted" ]; then
		not_ok "$case_name" "exit $status instead of $wanted: $(tail -n 12 "$scratch/said")"
		return
	fi
	for pattern; do
		said "$pattern" || {
			not_ok "$case_name" "does not say '$pattern': $(cat "$scratch/said")"
			return
		}
	done
	[ "$wanted" -eq 0 ] || note_words "$@"
	ok "$case_name"
}

running() { [ "$(on "$1" systemctl is-active dcop-agent)" = active ]; }
listens() { on "$1" sh -c "ss -Hltn 'sport = :9001' | grep -q ."; }
started() { on "$1" systemctl show -p ExecMainStartTimestampMonotonic --value dcop-agent; }

fingerprint_of() { on "$1" ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2; }
