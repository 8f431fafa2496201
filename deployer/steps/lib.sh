# shellcheck shell=sh
# shellcheck disable=SC2034,SC3013 # used where this is sourced; dash and busybox have -ef
# Shared by the driver and the steps; sourced, never run.
#
# A step's `check` runs in the driver's own shell and forks as few processes as it can:
# on a machine with nothing to change, only checks run.  Therefore files are read all at
# once (preload_files), and functions return results in variables instead of $(…):
#   detail   the message about the check for a person
# A step's `apply` runs in a subshell with set -e, its output in the run's log.
# A step's `show`, if it has one, prints what its change would write; it changes nothing.

# These paths must not change: machines have files there. Tests put DCOP_ROOT before them.
ROOT=${DCOP_ROOT:-}
OPT=$ROOT/opt/dcop
ETC=$ROOT/etc/dcop
LIB=$ROOT/var/lib/dcop
RUNTIME=$ROOT/run/dcop
UNIT=dcop-agent.service
# A run at work; a transient unit has a file as long as it lives.
RUN_UNIT=$ROOT/run/systemd/transient/dcop-run.service
# A version on trial (canary.sh): "FROM TO PREVIOUS", the hashes of versions, - for none.  It is on
# the disk before the switch, and gone when the trial is over.
TRIAL=$OPT/.trial
# How the last trial ended, when the machine went back by itself; until the next switch.
WENT_BACK=$OPT/.went-back
UNIT_FILE=$ROOT/etc/systemd/system/$UNIT
AGENT_USER=dcop-agent

NL='
'
TAB='	'
BLANKS=" $TAB$NL"
DETAIL_MAX=1000
DIFF_MAX=65536
seen='' unit_read=

# --- text -------------------------------------------------------------------

# preload_files FILE…: reads all of them with one process, for slurp and file_is.  (dash
# reads one byte per system call, and ${text#*word} takes time quadratic in the distance
# to the word.)
preload_files() {
	_all=$(tail -v -n +1 "$@" 2>/dev/null) || :
	seen=$NL$_all$NL$NL'==> '
	set -f
	IFS=$NL
	# shellcheck disable=SC2086 # lines
	set -- $_all
	IFS=$BLANKS
	set +f
	_key=other
	for _line; do
		case $_line in
		'==> '*' <==')
			_line=${_line#==> }
			key_of "${_line% <==}"
			eval "text_$_key="
			;;
		*) [ "$_key" = other ] || eval "text_$_key=\$text_$_key\$_line\$NL" ;;
		esac
	done
}

# key_of FILE: the suffix of the variable text_… that holds its lines; "other": none does.
key_of() {
	_key=${1##*/}
	case $_key in
	settings.*) _key=settings ;;
	os-release) _key=release ;;
	beacon.conf) _key=beacon ;;
	passwd | hosts | tcp | mounts | hash | version | state | main) ;;
	*) _key=other ;;
	esac
}

# slurp FILE: its lines, each ended by a newline, in $slurped; fails if unreadable.
# A preloaded file comes without its empty lines, which is enough to find words in it.
slurp() {
	slurped=
	if [ -n "$seen" ]; then
		key_of "$1"
		if [ "$_key" != other ]; then
			eval "[ -n \"\${text_$_key+set}\" ]" || return 1
			eval "slurped=\$text_$_key"
			return 0
		fi
	fi
	[ -r "$1" ] || return 1
	slurped=$(cat "$1")
	[ -z "$slurped" ] || slurped=$slurped$NL
}

# file_is FILE TEXT: does it hold exactly that?
file_is() {
	if [ -n "$seen" ]; then
		case $seen in *"$NL==> $1 <==$NL$2$NL==> "*) return 0 ;; esac
		return 1
	fi
	[ -r "$1" ] && [ "$(cat "$1" && echo x)" = "$2"x ]
}

# encode TEXT: in $encoded, every byte outside [A-Za-z0-9._:/,@+-] as %XX.
encode() {
	case $1 in
	*[!A-Za-z0-9._:/,@+-]*) ;;
	*) encoded=$1 && return 0 ;;
	esac
	_rest=$1 encoded=
	while [ -n "$_rest" ]; do
		_tail=${_rest#?}
		_char=${_rest%"$_tail"}
		_rest=$_tail
		case $_char in
		[A-Za-z0-9._:/,@+-]) encoded=$encoded$_char ;;
		' ') encoded=$encoded%20 ;;
		'(') encoded=$encoded%28 ;;
		')') encoded=$encoded%29 ;;
		"'") encoded=$encoded%27 ;;
		'"') encoded=$encoded%22 ;;
		'=') encoded=$encoded%3D ;;
		';') encoded=$encoded%3B ;;
		'%') encoded=$encoded%25 ;;
		"$NL") encoded=$encoded%0A ;;
		*)
			# Anything else costs a process: not seen in a run with nothing to do.
			encoded=$(printf '%s' "$1" | encode_stream)
			return 0
			;;
		esac
	done
}

# encode_stream: the same from stdin to stdout.
encode_stream() {
	od -An -v -tx1 | awk '
		BEGIN {
			safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/,@+-"
			for (i = 1; i <= length(safe); i++)
				of[sprintf("%02x", code(substr(safe, i, 1)))] = substr(safe, i, 1)
		}
		function code(c,  n) {
			if (!built) { for (n = 1; n < 127; n++) ord[sprintf("%c", n)] = n; built = 1 }
			return ord[c]
		}
		{ for (i = 1; i <= NF; i++) printf "%s", ($i in of) ? of[$i] : "%" toupper($i) }'
}

# decode TEXT [lines]: in $decoded.  No value may contain a NUL; a newline is accepted
# only with the second argument.
decode() {
	case $1 in
	*%*) ;;
	*) decoded=$1 && return 0 ;;
	esac
	_rest=$1 _octal=
	while :; do
		case $_rest in *%*) ;; *) break ;; esac
		_octal=$_octal${_rest%%%*}
		_rest=${_rest#*%}
		_hex=${_rest%"${_rest#??}"}
		case $_hex in
		00) return 1 ;;
		0[aA]) [ -n "${2:-}" ] || return 1 ;;
		[0-9A-Fa-f][0-9A-Fa-f]) ;;
		*) return 1 ;;
		esac
		_byte=$((0x$_hex))
		_octal=$_octal\\0$((_byte / 64))$((_byte / 8 % 8))$((_byte % 8))
		_rest=${_rest#??}
	done
	_octal=$_octal$_rest
	# All backslashes here are from this function: one in the text arrives as %5C.
	decoded=$(printf '%bx' "$_octal")
	decoded=${decoded%x}
}

# --- the machine ------------------------------------------------------------

# read_uptime: seconds since boot in $uptime.
read_uptime() {
	read -r uptime _ </proc/uptime
	uptime=${uptime%%.*}
}

# root_is_volatile: is what is written to the root file system gone after a reboot?  Yes if it is
# in memory, or an overlay whose upper layer is: Raspberry Pi OS's overlay mode, a live system.
# What shows it in $detail.  Forks no process.
root_is_volatile() {
	slurp "$ROOT/proc/mounts" || return 1
	set -f
	IFS=$NL
	# shellcheck disable=SC2086 # lines
	set -- $slurped
	IFS=$BLANKS
	_type='' _upper=
	for _line; do
		# device folder type options
		# shellcheck disable=SC2086 # words
		set -- $_line
		[ "$2" = / ] || continue
		_type=$3 _upper=
		case $3,$4 in overlay,*,upperdir=*) _upper=${4#*,upperdir=} _upper=${_upper%%,*} ;; esac
	done
	set +f
	detail="/proc/mounts: / is $_type"
	case $_type in
	tmpfs | ramfs) return 0 ;;
	overlay) ;;
	*) return 1 ;;
	esac
	# In a container the path is the host's, and what is there in the container is something else.
	_type=
	[ ! -d "$ROOT$_upper" ] || find_type "$_upper"
	detail="/proc/mounts: the upper layer of / is in memory: $_upper"
	case $_type in tmpfs | ramfs) return 0 ;; esac
	# Up to Bullseye, the upper layer is mounted before init starts, and not to be seen.
	detail='/proc/cmdline: boot=overlay'
	_line=
	[ ! -r "$ROOT/proc/cmdline" ] || read -r _line <"$ROOT/proc/cmdline" || :
	case " $_line " in *' boot=overlay '*) return 0 ;; esac
	return 1
}

# find_type PATH: of the file system that holds it, in $_type, by the lines in $slurped; empty
# where only the root file system could.
find_type() {
	_path=$1 _type='' _at=
	set -f
	IFS=$NL
	# shellcheck disable=SC2086 # lines
	set -- $slurped
	IFS=$BLANKS
	for _line; do
		# shellcheck disable=SC2086 # words
		set -- $_line
		[ "$2" != / ] || continue
		case $_path/ in "$2"/*) if [ ${#2} -ge ${#_at} ]; then _at=$2 _type=$3; fi ;; esac
	done
	set +f
}

# read_python: the minor version of /usr/bin/python3 ("3.13") in $python.  Forks no process.
read_python() {
	python=
	for _file in "$ROOT"/usr/bin/python3.[0-9] "$ROOT"/usr/bin/python3.[0-9][0-9]; do
		if [ "$_file" -ef "$ROOT/usr/bin/python3" ]; then
			python=${_file##*/python}
			return 0
		fi
	done
	return 1
}

# read_hash LINK: the hash of the version that `current` or `previous` is, in $hash.
read_hash() {
	hash=
	if [ -r "$OPT/$1/hash" ]; then read -r hash <"$OPT/$1/hash" || :; fi
}

# read_unit: systemd's view of the agent's unit in $unit_…; systemd is asked once, and
# again after unit_read= .
read_unit() {
	[ -z "$unit_read" ] || return 0
	unit_active='' unit_sub='' unit_pid=0 unit_restarts=0 unit_started=0
	unit_enabled='' unit_reload='' unit_result=''
	_show=$(systemctl show "$UNIT" -p \
		ActiveState,SubState,MainPID,NRestarts,ExecMainStartTimestampMonotonic,UnitFileState,NeedDaemonReload,Result \
		2>/dev/null) || return 1
	while IFS='=' read -r _key _value; do
		case $_key in
		ActiveState) unit_active=$_value ;;
		SubState) unit_sub=$_value ;;
		MainPID) unit_pid=$_value ;;
		NRestarts) unit_restarts=$_value ;;
		ExecMainStartTimestampMonotonic) unit_started=$((_value / 1000000)) ;;
		UnitFileState) unit_enabled=$_value ;;
		NeedDaemonReload) unit_reload=$_value ;;
		Result) unit_result=$_value ;;
		esac
	done <<-EOF
		$_show
	EOF
	unit_read=yes
}

# read_running: do the agents run, as agent-state noted?  Then the launcher's process is in $main_pid
# and the uptime at its start in $main_started.  Asking systemd takes 30 ms, and this forks nothing.
read_running() {
	_state='' main_pid=
	[ ! -r "$RUNTIME/state" ] || read -r _state <"$RUNTIME/state" || :
	[ "$_state" = running ] && [ -r "$RUNTIME/main" ] || return 1
	read -r main_pid main_started <"$RUNTIME/main" || :
	[ -n "$main_pid" ] && [ -e "/proc/$main_pid" ]
}

# stays_stopped: the agents do not run, and are not to be started (--no-start).
stays_stopped() {
	[ "${want_start:-yes}" = no ] || return 1
	read_unit || return 1
	case $unit_active in active | activating) return 1 ;; esac
	detail='left stopped'
	[ "$unit_active" != failed ] || detail='left stopped; it failed before (dcop-deploy logs)'
}

# starts_agents: will agents of this machine run when this run has ended?
starts_agents() {
	[ -n "$want_agents" ] && ! stays_stopped
}

# is_proven HASH: has it been seen that this version starts here?
is_proven() {
	[ -e "$OPT/versions/$1/proof" ]
}

# read_user: the agent's uid in $agent_uid; fails when there is no such user.
read_user() {
	agent_uid=
	slurp "$ROOT/etc/passwd"
	set -f
	IFS=$NL
	# shellcheck disable=SC2086 # lines
	set -- $slurped
	IFS=$BLANKS
	set +f
	for _line; do
		case $_line in
		"$AGENT_USER":*)
			_line=${_line#*:*:}
			agent_uid=${_line%%:*}
			;;
		esac
	done
	[ -n "$agent_uid" ]
}

# read_agent_note NAME: the first line of what the launcher noted of its agents, in $note;
# fails when there is none.  Only the agents' user writes there, and it runs what the
# network sends: so no link is followed, and no pipe waited for.
read_agent_note() {
	note=
	[ -e "$RUNTIME/agent/$1" ] || return 1
	note=$(dd "if=$RUNTIME/agent/$1" iflag=nofollow,nonblock bs=512 count=1 2>/dev/null | tr -d '\000') || :
	note=${note%%"$NL"*}
	[ -n "$note" ]
}

# is_at_work: are agents of this machine at work in a run, which must not be ended
# (without --force)?  The message in $detail.
is_at_work() {
	[ -z "$want_force" ] && slurp "$RUNTIME/state" && [ "$slurped" = "running$NL" ] || return 1
	read_agent_note work || return 1
	detail="$note is at work in a run, which this would end; wait, or add --force"
}

ensure_user() {
	read_user || useradd --system --user-group --no-create-home \
		--home-dir /nonexistent --shell /usr/sbin/nologin "$AGENT_USER"
}

# read_beacon: the names in beacon.conf in $beacon_names, one a line; the lines before
# the first name in $beacon_head, all other lines in $beacon_rest.
# Format: `key value`, # comments; a value that begins with " is quoted, with
# \\ and \" inside (for names that begin or end with a blank).
read_beacon() {
	beacon_names='' beacon_head='' beacon_rest=''
	slurp "$ETC/beacon.conf" || return 0
	_left=$slurped
	while [ -n "$_left" ]; do
		_line=${_left%%"$NL"*}
		_left=${_left#*"$NL"}
		_text=${_line#"${_line%%[! 	]*}"}
		case $_text in
		agent[\ "$TAB"]*)
			_value=${_text#agent}
			_value=${_value#"${_value%%[! 	]*}"}
			_value=${_value%"${_value##*[! 	]}"}
			unquote "$_value"
			beacon_names=$beacon_names$unquoted$NL
			;;
		*)
			if [ -z "$beacon_names" ]; then
				beacon_head=$beacon_head$_line$NL
			else
				beacon_rest=$beacon_rest$_line$NL
			fi
			;;
		esac
	done
}

# read_identity: what the machine's own beacon advertises: its id in $machine_id, the user
# in $machine_user, and its agents in $machine_names as --print writes them, one a line.
read_identity() {
	machine_id='' machine_user='' machine_names=''
	for _beacon in "$ROOT/usr/bin/dcop-beacon" "$ROOT/usr/local/bin/dcop-beacon"; do
		[ -x "$_beacon" ] || continue
		_print=$("$_beacon" --print 2>/dev/null) || _print=
		while IFS= read -r _line; do
			case $_line in
			id=*) machine_id=${_line#id=} ;;
			user=*) machine_user=${_line#user=} ;;
			agent=* | agent[1-9]*=*) machine_names=$machine_names${_line#*=}$NL ;;
			esac
		done <<-EOF
			$_print
		EOF
		return 0
	done
}

unquote() {
	unquoted=$1
	case $1 in \"*\") ;; *) return 0 ;; esac
	_rest=${1#\"} _rest=${_rest%\"} unquoted=
	while :; do
		case $_rest in *\\*) ;; *) break ;; esac
		unquoted=$unquoted${_rest%%\\*}
		_rest=${_rest#*\\}
		_tail=${_rest#?}
		unquoted=$unquoted${_rest%"$_tail"}
		_rest=$_tail
	done
	unquoted=$unquoted$_rest
}

# quote NAME: in $quoted, in the form of beacon.conf.
quote() {
	quoted=$1
	case $1 in
	[\ "$TAB"\"#]* | *[\ "$TAB"]) ;;
	*) return 0 ;;
	esac
	_rest=$1 quoted=\"
	while :; do
		case $_rest in *[\\\"]*) ;; *) break ;; esac
		_plain=${_rest%%[\\\"]*}
		_rest=${_rest#"$_plain"}
		_tail=${_rest#?}
		quoted=$quoted$_plain\\${_rest%"$_tail"}
		_rest=$_tail
	done
	quoted=$quoted$_rest\"
}

# listens PORT UID [LAST]: does a process of that user, or of one up to LAST, listen on
# the port?  Forks no process.
listens() {
	to_hex $(($1 / 4096)) $(($1 / 256 % 16)) $(($1 / 16 % 16)) $(($1 % 16))
	_uid=$2 _last=${3:-$2}
	slurp /proc/net/tcp
	set -f
	IFS=$NL
	# shellcheck disable=SC2086 # lines
	set -- $slurped
	IFS=$BLANKS
	set +f
	for _line; do
		case $_line in
		*":$hexed 00000000:0000 0A "*)
			# number local remote state queues timer retransmits uid
			# shellcheck disable=SC2086 # words
			set -- $_line
			if [ "$8" -ge "$_uid" ] && [ "$8" -le "$_last" ]; then return 0; fi
			;;
		esac
	done
	return 1
}

to_hex() {
	hexed=
	for _digit in "$@"; do
		case $_digit in
		10) _digit=A ;; 11) _digit=B ;; 12) _digit=C ;; 13) _digit=D ;; 14) _digit=E ;; 15) _digit=F ;;
		esac
		hexed=$hexed$_digit
	done
}

# port_holder PORT: the process that listens there, in $holder ("python3, pid 812"); fails
# when none does.  It costs as much as twenty processes, so only call it after a failure.
port_holder() {
	holder=
	_inode=$(awk -v port="$(printf ':%04X' "$1")" \
		'$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
	[ -n "$_inode" ] || return 1
	holder='a process that cannot be seen'
	_fd=$(find /proc/[0-9]*/fd -lname "socket:\\[$_inode\\]" 2>/dev/null | head -n 1) || :
	_pid=${_fd#/proc/}
	_pid=${_pid%%/*}
	if [ -n "$_pid" ] && read -r _name <"/proc/$_pid/comm"; then holder="$_name, pid $_pid"; fi
}

# lock_holder FILE…: the process that holds a lock on one of them, in $holder; fails when
# none does.
lock_holder() {
	holder=
	for _file; do
		[ -e "$_file" ] || continue
		_inode=$(stat -c %i "$_file")
		_pid=$(awk -v end=":$_inode" 'substr($6, length($6) - length(end) + 1) == end && $5 > 0 { print $5; exit }' /proc/locks)
		case $_pid in "" | "$$") continue ;; esac
		_name='a process'
		if [ -r "/proc/$_pid/comm" ]; then read -r _name <"/proc/$_pid/comm" || :; fi
		holder="$_name (pid $_pid)"
		return 0
	done
	return 1
}

# half_installed: the packages that dpkg has not set up to the end, in $half, each preceded by a
# blank.
half_installed() {
	half=$(dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' 2>/dev/null |
		sed -n '/^installed /d; /^config-files /d; /^not-installed /d; s/^[^ ]*//p' | head -n 10 | tr -d '\n') || :
}

# remove_left PATH…: removes what sessions have left that have ended; the name of each ends
# with the process of its session.
remove_left() {
	for _left; do
		kill -0 "${_left##*.}" 2>/dev/null || rm -rf "$_left"
	done
}

# --- changing it ------------------------------------------------------------

# write_file FILE MODE: stdin becomes FILE, whole or not at all, also after a power cut.
write_file() {
	_temp=$1.dcop-new
	# Does not rely on set -e, which is off where a caller tests the status.
	if rm -f "$_temp" && (umask 077 && cat >"$_temp") && chmod "$2" "$_temp" &&
		sync "$_temp" && mv -f "$_temp" "$1"; then return 0; fi
	rm -f "$_temp"
	return 1
}

# write_unit FILE TEXT: a unit's file.  load_units must follow.
write_unit() {
	if file_is "$1" "$2"; then return 0; fi
	[ ! -e "$1" ] || reload=yes
	printf '%s' "$2" | write_file "$1" 0644
}

# load_units UNIT…: systemd knows these units as their files are now.  It reads all of its units
# again, which takes a Raspberry Pi a second, only where a file has changed ($reload) or systemd
# says that it must.  What it says goes by times, which a clock that was ahead spoils.
reload=
load_units() {
	_loaded=$(systemctl show -p LoadState -p NeedDaemonReload "$@") || reload=yes
	case $reload,$_loaded in yes,* | *NeedDaemonReload=yes* | *LoadState=[!l]*) systemctl daemon-reload ;; esac
	reload=
}

# point_link LINK HASH: makes the link point to that version, atomically.
point_link() {
	ln -sfn "versions/$2" "$OPT/.$1" && mv -fT "$OPT/.$1" "$OPT/$1"
}

# write_over_mount FILE: the same for a file that may be a mount (a container's
# /etc/hosts is one), which rename(2) cannot replace.
write_over_mount() {
	cat >"$RUN/content" || return 1
	if grep -q " $1 " /proc/self/mountinfo; then
		cat "$RUN/content" >"$1"
	else
		write_file "$1" 0644 <"$RUN/content"
	fi
}

# show_file FILE: for a step's `show`: how FILE differs from its new content on stdin.
show_file() {
	_old=$1
	[ -e "$_old" ] || _old=/dev/null
	diff -u --label "$1" --label "$1 (new)" "$_old" - || [ $? = 1 ]
}

# why TEXT: the message for a person when this step fails, shown before its output.
why() {
	printf '%s' "$1" >"$RUN/why"
}

# wants WORD: what the controller can provide after this step has failed: packages.
wants() {
	printf 'want\t%s\n' "$1" >>"$RUN/events"
}

# note TEXT: the message for a person while this step waits.
note() {
	encode "$1"
	printf 'note\t%s\n' "$encoded" >>"$RUN/events"
}

# did TEXT: the message for a person when this step succeeds, in place of the check's detail.
did() {
	printf '%s' "$1" >"$RUN/did"
}
