# shellcheck shell=sh
# shellcheck disable=SC2016,SC2034,SC2154 # $ for shells over there; variables shared with the test
# The impostor of the network tests: rpi-9, beside two machines that are what
# they say.  It is a real sshd that writes down each packet, takes every password
# and keeps every byte (tests/tools/impostor).  Included after lib.sh and
# deploy-lib.sh, with $classroom set.  What was done, said and recorded is kept in
# build/$test_name.txt.

clean_up() {
	status=$?
	trap - EXIT
	[ -n "${KEEP:-}" ] || "$classroom" down >/dev/null 2>&1
	rm -rf "$scratch"
	exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# Seen in no other word here, so that each place can be searched for it.
password='Tafel 5x'
unset SSH_AUTH_SOCK DCOP_PASSWORD DCOP_BECOME_PASSWORD XDG_CONFIG_HOME XDG_STATE_HOME
HOME=$scratch/home # no fleet key but the test's own
export HOME
mkdir -p "$HOME" build
printf '%s\n' "$password" >"$scratch/password"
chmod 600 "$scratch/password"
transcript=build/$test_name.txt
: >"$transcript"

"$classroom" up >/dev/null 2>&1 || :
"$classroom" mirror on >/dev/null
if ! "$classroom" list | grep -q rpi-9; then
	"$classroom" plug rpi-1 --packages --agent a1 --password "$password" >/dev/null &
	one=$!
	"$classroom" plug rpi-2 --packages --agent a2 --password "$password" >/dev/null &
	two=$!
	wait "$one"
	wait "$two"
	"$classroom" plug rpi-9 --no-beacon >/dev/null
fi
key=$("$classroom" key)
here=$("$classroom" address rpi-9)
there=$("$classroom" address rpi-1)
problem=$scratch/problem.yaml
sed 's/^agents:.*/agents: [a1, a2]/' tests/data/demo/classroom.yaml >"$problem"

# --- the impostor ---------------------------------------------------------------------

tool=/opt/impostor/impostor
folder=/opt/impostor/record
on rpi-9 sh -c "mkdir -p /opt/impostor; cat >$tool; chmod 755 $tool" <tests/tools/impostor
on rpi-9 sh -c 'systemctl -q disable --now ssh.socket ssh avahi-daemon.socket avahi-daemon 2>/dev/null || :
	rm -f /opt/impostor/own*; ssh-keygen -q -t ed25519 -N "" -f /opt/impostor/own'
on rpi-9 sh -c 'cat >/etc/pam.d/sshd' <<END
auth sufficient pam_exec.so quiet expose_authtok $tool password $folder
account required pam_permit.so
session required pam_permit.so
END
fingerprint_of() { on "$1" ssh-keygen -l -f "$2" | cut -d' ' -f2; }
id_of() { on "$1" dcop-beacon --print | sed -n 's/^id=//p'; }
own=$(fingerprint_of rpi-9 /opt/impostor/own.pub)
id1=$(id_of rpi-1) id2=$(id_of rpi-2)
key1=$(fingerprint_of rpi-1 /etc/ssh/ssh_host_ed25519_key.pub)
key2=$(fingerprint_of rpi-2 /etc/ssh/ssh_host_ed25519_key.pub)

# unit NAME COMMAND…: the impostor does it from now on.
unit() {
	unit_name=$1
	shift
	on rpi-9 systemd-run -q --collect "--unit=impostor-$unit_name" "$@"
}
serves() { on rpi-9 sh -c "ss -Hltn 'sport = :22' | grep -q ."; }
serve() { # MODE [ADDRESS PORT]
	unit serve "$tool" serve "$folder" "$@"
	await 10 serves
}
# ssh_server KEY [MODE [YES]]: behind it, with that host key; MODE is what a login
# gets, YES lets the controller's key in.
ssh_server() {
	on rpi-9 sh -c 'mkdir -p /run/sshd; cat >/opt/impostor/sshd_config' <<END
Port 2222
ListenAddress 127.0.0.1
HostKey $1
LogLevel DEBUG3
UsePAM yes
PasswordAuthentication yes
PubkeyAuthentication ${3:-no}
ForceCommand $tool shell $folder ${2:-obey}
PidFile none
END
	unit ssh /usr/sbin/sshd -D -f /opt/impostor/sshd_config -E /opt/impostor/sshd.log
	serve relay 127.0.0.1 2222
}
speak() { unit speak "$tool" speak "$@"; }

# scene WORDS…: a new case; all is forgotten that the impostor did and has.
scene() {
	on rpi-9 sh -c 'systemctl stop "impostor-*" 2>/dev/null; systemctl reset-failed "impostor-*" 2>/dev/null
		rm -rf '"$folder"'; mkdir -p '"$folder"'; chmod 1777 '"$folder"'; : >/opt/impostor/sshd.log'
	printf '\n=== %s\n' "$*" >>"$transcript"
}
packets() { on rpi-9 sed -n 's/.*receive packet: type \([0-9]*\).*/\1/p' /opt/impostor/sshd.log | tr '\n' ' '; }
recorded() { on rpi-9 sh -c "cd $folder; for f in *; do [ ! -e \"\$f\" ] || wc -c \"\$f\"; done; grep -a . *-password 2>/dev/null; :"; }
act() { # OPTION…
	printf '$ dcop-deploy %s\n' "$*" | sed "s,$scratch/,,g" >>"$transcript"
	deploy --password-file "$scratch/password" --become-password-file "$scratch/password" "$@"
	{
		cat -v "$scratch/said" | sed 's/^/  /'
		printf '  exit %s\nThe impostor recorded:\n' "$status"
		recorded | sed 's/^/  /'
		printf '  SSH packets received, by type: %s\n' "$(packets)"
	} >>"$transcript"
}

# The host key is all that it was asked for: no packet but those of the key
# exchange (RFC 4250 §4.1.2: 20 KEXINIT, 21 NEWKEYS, 30 ECDH_INIT; 1 DISCONNECT),
# so no signature, no password, no channel.
visited() { packets | grep -q '20 .*30 '; }
got_nothing() { # CASE
	case $(packets | tr ' ' '\n' | grep -vxE '1|20|21|30|') in
	'') ;;
	*)
		not_ok "$1" "it got packets of the types $(packets), and $(recorded)"
		return
		;;
	esac
	if on rpi-9 sh -c "cd $folder; ls | grep -vxE 'connection-[0-9]+' || grep -rlF '$password' . || find . -size +8k | grep ."; then
		not_ok "$1" "it has $(recorded)"
	else
		ok "$1"
	fi
}
met_and_got_nothing() { # CASE
	if visited; then got_nothing "$1"; else not_ok "$1" "it was not met: $(packets)"; fi
}

# Each run is another wish, so that it is seen who was deployed to.
wish=9100
want() {
	wish=$((wish + 1))
	act --orchestrator "10.77.0.1:$wish" "$@"
}
has_wish() { on "$1" grep -q "$wish" /etc/dcop/agent.conf; }
reached() { # CASE MACHINE…
	reached_case=$1
	shift
	for m; do
		has_wish "$m" || {
			not_ok "$reached_case" "$m was not deployed to: $(cat "$scratch/said")"
			return
		}
	done
	ok "$reached_case"
}

# What discovery sees: it, it alone, a machine that was not there before.
is_seen() { controller build/gcc/dcop-discover -t 1 --json | grep -q "$here"; }
alone() { controller build/gcc/dcop-discover -t 1 --json >"$scratch/now" && grep -q "$here" "$scratch/now" && ! grep -q "$there" "$scratch/now"; }
is_there() { controller build/gcc/dcop-discover -t 1 --json | grep -q 00000000deadbeef; }

# --- an honest day ------------------------------------------------------------------------

trust() { controller build/gcc/dcop-deploy --state-dir "$state" trust "$@" >/dev/null; }
trust "$id1" "$key1"
trust "$id2" "$key2"
beacons() { controller build/gcc/dcop-discover --match "$problem" --wait --timeout 20 >/dev/null; }
check 'two machines are there' 25 beacons
scene 'No impostor: two machines with passwords'
want -p "$problem" -s tests/data/standin
verdict 'they are deployed to' 0
reached 'both of them' rpi-1 rpi-2
controller build/gcc/dcop-discover --json >"$scratch/roster"
# forged FROM TO…: the roster with words replaced.
forged() {
	sed "$@" "$scratch/roster" >"$scratch/forged"
}
