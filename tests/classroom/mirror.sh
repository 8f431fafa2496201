# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the parts share variables
# Package mirrors for a network without any route outside.
#
# Two apt-cacher-ng, shared by all instances, run in the host's network
# namespace, on its loopback. A socat gives each a Unix socket, because these cross
# namespaces (apt-cacher-ng's own Unix socket answers a GET with nothing, and
# its `Port: 0` means 3142 on all addresses):
#   apt   serves the host's own Debian mirrors and nothing else, no CONNECT;
#         a socat on the controller's address passes it on to the machines;
#   pip   passes CONNECT to the hosts of the Python index and nothing else;
#         a socat on the controller's loopback passes it on to the controller alone.
# Each has one file of settings. There are two, because apt-cacher-ng cannot tell clients apart.

mirror() {
	is_up || die 1 "the classroom $CLASSROOM is not up (classroom up)"
	case ${1:-} in
	on) lock_instance -x && undo=mirror_off && mirror_on && undo= ;;
	off) lock_instance -x && mirror_off ;;
	drop) lock_instance -x && mirror_drop ;;
	*) die 2 "mirror: on, off or drop?" ;;
	esac
}

mirror_on() {
	mirror_undrop
	need apt-cacher-ng apt-cacher-ng
	shared=$all/_mirror
	lock_short _mirror
	mkdir -p "$shared/users"
	: >"$shared/users/$CLASSROOM"
	start_cache apt
	start_cache pip
	unlock_short
	holder
	log=$state/mirror.log
	group_empty "$cg/mirror" || kill_group "$cg/mirror"
	run_controller "$cg/mirror" socat \
		"TCP4-LISTEN:${mirror_address#*:},bind=${mirror_address%:*},fork,reuseaddr,backlog=64" \
		"UNIX-CONNECT:$shared/apt/door"
	run_controller "$cg/mirror" socat "TCP4-LISTEN:3143,bind=127.0.0.1,fork,reuseaddr" \
		"UNIX-CONNECT:$shared/pip/door"
	for address in "$mirror_address" 127.0.0.1:3143; do
		poll 10 mirror_listens "$address" || {
			cat "$log" >&2
			die 1 "the mirror cannot listen on $address"
		}
	done
	: >"$state/mirror"
}
mirror_listens() {
	nsenter "--net=/run/netns/$(netns controller)" ss -Hltn "src $1" | grep -q .
}

mirror_off() {
	mirror_undrop
	kill_group "$cg/mirror"
	rm -f "$state/mirror"
	release_mirror
}

# The last instance that uses the caches stops them.
release_mirror() {
	shared=$all/_mirror
	rm -f "$shared/users/$CLASSROOM"
	[ -d "$shared" ] || [ -d "$cgroups/_mirror" ] || return 0
	lock_short _mirror
	for user in "$shared"/users/*; do
		if [ -e "$all/${user##*/}/up" ]; then
			unlock_short
			return
		fi
	done
	kill_group "$cgroups/_mirror" || :
	rm -rf --one-file-system "$shared"
	unlock_short
}

start_cache() { # apt or pip
	folder=$shared/$1
	if ! group_empty "$cgroups/_mirror/$1" && [ -S "$folder/door" ]; then return; fi
	kill_group "$cgroups/_mirror/$1"
	rm -rf "$folder"
	mkdir -p "$folder/conf" "$folder/log"
	"settings_$1" >"$folder/conf/acng.conf"
	log=$folder/log/start
	# A free port. apt-cacher-ng accepts none above 32767.
	port=$((20000 + $(now) % 12000))
	while ss -Hltn "src :$port" | grep -q .; do port=$((port + 1)); done
	in_group "$cgroups/_mirror/$1" apt-cacher-ng -c "$folder/conf" "BindAddress=127.0.0.1:$port"
	poll 10 cache_listens || {
		cat "$log" >&2
		die 1 "apt-cacher-ng does not start"
	}
	in_group "$cgroups/_mirror/$1" socat "UNIX-LISTEN:$folder/door,fork,mode=600,backlog=64" "TCP4:127.0.0.1:$port"
	poll 10 test -S "$folder/door" || {
		cat "$log" >&2
		die 1 "socat does not start"
	}
}
cache_listens() { ss -Hltn "src 127.0.0.1:$port" | grep -q .; }

settings_common() { # CACHE-FOLDER
	cat <<-END
		CacheDir: $1
		LogDir: $folder/log
		SupportDir: /usr/lib/apt-cacher-ng
		SocketPath: $folder/socket
		ForeGround: 1
		ForceManaged: 1
		ExThreshold: 100000
	END
}

# A mirror that the host uses over https is asked over https; machines use http.
settings_apt() {
	mkdir -p "$cache/apt"
	settings_common "$cache/apt"
	# shellcheck disable=SC2016 # a regular expression that nothing matches
	echo 'PassThroughPattern: ^$'
	proxy=$(apt_proxy)
	[ -z "$proxy" ] || echo "Proxy: $proxy"
	count=0
	mirrors | while read -r uri; do
		count=$((count + 1))
		echo "Remap-classroom$count: http://${uri#*://} ; $uri"
	done
}

mirrors() {
	{
		sources bookworm | awk '{ print $2 }'
		cat "$cache"/images/*/etc/apt/mirrors 2>/dev/null || :
	} | sort -u
}

settings_pip() {
	settings_common "$folder/cache"
	proxy=${https_proxy:-${HTTPS_PROXY:-}}
	[ -z "$proxy" ] || echo "Proxy: $proxy"
	pattern=$(python_hosts | sed 's/[.]/\\./g' | sort -u | tr '\n' '|')
	echo "PassThroughPattern: ^(${pattern%|})\$"
}

# host:port of the Python index and of its files, from the host's own pip settings.
python_hosts() {
	{
		python3 -m pip config list 2>/dev/null |
			sed -n "s/^[^=]*[.]\(extra-\)\{0,1\}index-url=//p" | tr -d "'\"" | tr ' ' '\n'
		python3 -c 'from pip._internal.models.index import PyPI
print(PyPI.simple_url)
print("https://" + PyPI.file_storage_domain)' 2>/dev/null ||
			say "no pip here; without it the controller does not reach the Python index"
	} | sed -n -e 's,^[a-z]*://,,' -e 's,/.*,,' -e 's,.*@,,' -e 's,^[^:]*$,&:443,p' -e '/:/p' | sort -u
}

# Sets the proxies for a command on the controller.
mirror_environment() {
	[ -e "$state/mirror" ] || return 0
	http_proxy=http://$mirror_address https_proxy=http://127.0.0.1:3143
	no_proxy=localhost,127.0.0.1,::1,.local,10.77.0.0/16
	export http_proxy https_proxy no_proxy
}
