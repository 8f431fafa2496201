# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # used by run and the steps; from lib.sh
# What the controller wants of this machine, and what of that this machine decides.  Sourced
# by run, after lib.sh.

# read_vars FILE: its values in $want_…; agents in $want_agents, one a line.
read_vars() {
	want_agents='' want_others='' want_names='' want_id='' want_orchestrator='' want_orchestrator_here='' want_address='' want_agent_address='' want_fleet='' knows_fleet='' want_connection='' want_port=9001
	want_mode=check want_time='' want_set_clock='' want_apt_proxy='' want_apt_files='' want_push='' want_caches='' want_keep_apt='' want_keep_pip='' want_digest='' want_who=''
	want_command='' want_as=user want_lines=100 want_follow=no want_run_id='' want_deps=apt want_layers='' want_ui=no want_browser=no want_start=yes
	want_login='' want_force='' want_named='' want_looks='' want_healthy='' want_public_key='' want_machine_key='' want_replace_key='' want_taken='' want_peers='' want_hears=''
	slurp "$1" || { detail='the variables cannot be read' && return 1; }
	set -f
	IFS=$NL
	# shellcheck disable=SC2086 # lines
	set -- $slurped
	IFS=$BLANKS
	set +f
	for _line; do
		_lines=
		case $_line in
		'command '*) _lines=lines ;;
		'connection '*)
			# sshd's words as they are: an IPv6 address may have a scope, "%eth0".
			want_connection=${_line#* }
			continue
			;;
		esac
		decode "${_line#* }" $_lines || { detail="cannot decode the variable ${_line%% *}" && return 1; }
		case ${_line%% *} in
		agents) [ "$_line" = agents ] || want_agents=$want_agents$decoded$NL ;;
		others) want_others=$want_others$decoded$NL ;;
		names) [ "$_line" = names ] || want_names=$want_names$decoded$NL ;;
		id) want_id=$decoded ;;
		orchestrator) want_orchestrator=$decoded ;;
		orchestrator_here) want_orchestrator_here=$decoded ;;
		address) want_address=$decoded ;;
		fleet) knows_fleet=yes && { [ "$_line" = fleet ] || want_fleet=$decoded; } ;;
		agent_address) want_agent_address=$decoded ;;
		port) want_port=$decoded ;;
		mode) want_mode=$decoded ;;
		time) want_time=$decoded ;;
		set_clock) want_set_clock=$decoded ;;
		apt_proxy) want_apt_proxy=$decoded ;;
		keep_apt_proxy) want_keep_apt=$decoded ;;
		keep_pip_index) want_keep_pip=$decoded ;;
		caches) want_caches=$want_caches$decoded$NL ;;
		apt_files) want_apt_files=$decoded ;;
		push) want_push=$decoded ;;
		digest) want_digest=$decoded ;;
		who) want_who=$decoded ;;
		command) want_command=$decoded ;;
		as) want_as=$decoded ;;
		lines) want_lines=$decoded ;;
		follow) want_follow=$decoded ;;
		run_id) want_run_id=$decoded ;;
		deps) want_deps=$decoded ;;
		layer) want_layers=$want_layers$decoded$NL ;;
		ui) want_ui=$decoded ;;
		browser) want_browser=$decoded ;;
		start) want_start=$decoded ;;
		login) want_login=$decoded ;;
		taken) want_taken=,$decoded, ;;
		named) want_named=$decoded ;;
		force) want_force=$decoded ;;
		looks) want_looks=$decoded ;;
		healthy) want_healthy=$decoded ;;
		public_key) want_public_key=$decoded ;;
		machine_key) want_machine_key=$decoded ;;
		replace_key) want_replace_key=$decoded ;;
		peers) want_peers=$decoded ;;
		orchestrator_listens) want_hears=$decoded ;;
		esac
	done
	find_addresses
	case $want_mode in
	deploy | check | diff)
		case $want_digest in '' | *[!0-9a-f]*) detail='digest is not hexadecimal' && return 1 ;; esac
		;;
	rollback | uninstall | assign | status | start | stop | restart | logs | watch | exec | doctor | poweroff | reboot | identify | enroll | enroll-key | sources | push) ;;
	*) detail="this bundle does not support the mode '$want_mode'" && return 1 ;;
	esac
	case $want_apt_files in
	'' | /run/dcop/packages/* | /var/cache/dcop/packages/*) case $want_apt_files in *..* | *[!a-z0-9/]*) detail='apt_files is not a folder of packages' && return 1 ;; esac ;;
	*) detail='apt_files is not a folder of packages' && return 1 ;;
	esac
	case $want_push in *[!0-9a-f\ ]*) detail='push is not a size and a digest' && return 1 ;; esac
	case $want_port in '' | *[!0-9]* | ??????*) detail='port is not a number' && return 1 ;; esac
	case $want_healthy in *[!0-9]* | ?????*) detail='healthy is not a number of seconds' && return 1 ;; esac
	case $want_time in *[!0-9]*) detail='time is not a number' && return 1 ;; esac
	case $want_lines in '' | *[!0-9]* | ??????????*) detail='lines is not a number' && return 1 ;; esac
	case $want_deps in layer | apt | pip) ;; *) detail='deps is none of layer, apt and pip' && return 1 ;; esac
	case $want_layers in *[!0-9a-z.\ "$NL"-]*) detail='layer is not a name' && return 1 ;; esac
	case $want_ui,$want_browser in yes,yes | yes,no | no,no | no,yes | remove,no) ;; *) detail='ui must be yes, no or remove, browser yes or no' && return 1 ;; esac
	case $want_hears in *[!0-9]* | ??????*) detail='orchestrator_listens is not a port' && return 1 ;; esac
	case $want_peers in *[!0-9.:,]*) detail='peers are not addresses' && return 1 ;; esac
	case $want_run_id in *[!0-9a-f]*) detail='run_id is not hexadecimal' && return 1 ;; esac
	are_networks "$want_fleet" || { detail='fleet is no list of IPv4 networks' && return 1; }
	case $want_orchestrator$want_address in *[!0-9.:]*) detail='addresses must be IPv4' && return 1 ;; esac
}

# find_addresses: where others reach the agents, and the agents the orchestrator.  Both ends
# of the connection as this machine sees them (SSH_CONNECTION, ssh(1)): behind a port forward
# the controller sees the address of the forward.
find_addresses() {
	[ -n "$want_address" ] || return 0
	# shellcheck disable=SC2086 # words
	set -- $want_connection
	if [ $# -eq 4 ] && is_ipv4 "${1#::ffff:}" && is_ipv4 "${3#::ffff:}"; then
		want_address=${3#::ffff:}
		[ -z "$want_orchestrator_here" ] || want_orchestrator=${1#::ffff:}:${want_orchestrator##*:}
	elif [ $# -eq 4 ]; then
		find_own_ipv4 "${3%%%*}"
	fi
	[ -z "$want_agent_address" ] || want_address=$want_agent_address
}

# find_own_ipv4 ADDRESS: over IPv6, $want_address is that of a record, which proves nothing: if it
# is not this machine's, that of the interface with this IPv6 address takes its place.
find_own_ipv4() {
	_own=$(ip -o addr 2>/dev/null | awk -v six="$1" -v four="$want_address" '
		{ sub("/.*", "", $4) }
		$3 == "inet" && $4 == four { own = four }
		$3 == "inet" && !($2 in first) { first[$2] = $4 }
		$3 == "inet6" && $4 == six { link = $2 }
		END { print own != "" ? own : first[link] }')
	[ -z "$_own" ] || want_address=$_own
}

is_ipv4() {
	case $1 in *[!0-9.]* | *.*.*.*.* | .* | *. | *..*) return 1 ;; *.*.*.*) ;; *) return 1 ;; esac
}

# are_networks LIST: "192.0.2.0/24,198.51.100.7/32": systemd refuses all of a list with another word.
are_networks() {
	case $1 in *[!0-9./,]*) return 1 ;; esac
	IFS=,
	# shellcheck disable=SC2086 # words
	set -- $1
	IFS=$BLANKS
	for _network; do
		is_ipv4 "${_network%/*}" || return 1
		case ${_network##*/} in [0-9] | [12][0-9] | 3[0-2]) ;; *) return 1 ;; esac
		_rest=${_network%/*}.
		while [ -n "$_rest" ]; do
			case ${_rest%%.*} in [0-9] | [1-9][0-9] | 1[0-9][0-9] | 2[0-4][0-9] | 25[0-5]) ;; *) return 1 ;; esac
			_rest=${_rest#*.}
		done
	done
}

# find_arch: the architecture of this machine's Python in $_arch, if there are layers for it.
# libpython tells it by a file, without a process; where that of a second architecture is
# installed, too (Multi-Arch: same), the program does (e_machine, elf(5)).
find_arch() {
	set -- "$ROOT/usr/lib/python$python"/_sysconfigdata__*.py
	_arch=${1##*/_sysconfigdata__}
	[ $# -eq 1 ] || _arch=$(od -An -tx1 -j18 -N2 "$ROOT/usr/bin/python$python" | tr -d ' ')
	case $_arch in
	x86_64-linux-gnu.py | 3e00) _arch=amd64 ;;
	aarch64-linux-gnu.py | b700) _arch=arm64 ;;
	*) _arch= ;;
	esac
}

# choose_layer: with --deps layer, the name of the layer for this machine's Python in $layer.
# If there is none, $want_deps becomes apt, and $no_layer says why.  Forks no process.
choose_layer() {
	layer='' no_layer=''
	[ "$want_deps" = layer ] || return 0
	want_deps=apt
	read_python || { no_layer='there is no python3 yet' && return 0; }
	# Of python3-minimal alone much is missing.
	[ -e "$ROOT/usr/lib/python$python/json/__init__.py" ] || { no_layer='python3 is not whole yet' && return 0; }
	find_arch
	case $NL$want_layers in
	*"$NL$python-${_arch:-none} "*) ;;
	*) no_layer="there are no wheels for Python $python${_arch:+ on $_arch}" && return 0 ;;
	esac
	want_deps=layer layer_key=$python-$_arch
	layer=${want_layers#*"$layer_key "}
	layer=${layer%%"$NL"*}
}
