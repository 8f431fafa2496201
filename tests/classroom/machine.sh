# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the parts share variables
# The machines: an overlay on a suite's root file system, booted by
# systemd-nspawn in a network namespace with a cable to the bridge.

# use_machine NAME: sets the variables of this machine.
use_machine() {
	case $1 in
	'' | -* | *- | *[!a-z0-9-]*) die 2 "not a name for a machine: '$1' (small letters, digits and hyphens)" ;;
	controller) die 2 "'controller' is not a machine" ;;
	esac
	[ ${#1} -le 40 ] || die 2 "a machine's name has at most 40 characters: '$1'"
	name=$1
	m=$state/machines/$name
	disk=$disks/$name
	group=$cg/machine-$name
	ns=$(netns "m-$name")
	suite='' number=''
	if [ -e "$m/number" ]; then
		read -r number <"$m/number"
		read -r suite <"$m/suite"
		read -r image <"$m/image"
	fi
}
known_machine() {
	use_machine "$1"
	[ -n "$number" ] || die 2 "there is no machine '$1' in $CLASSROOM (see: classroom list)"
}

powered() { ! group_empty "$group"; }
port_up() { ip -n "$(netns lan)" -o link show "p$number" up 2>/dev/null | grep -q .; }

# leader: sets $leader to the process id, here, of the machine's PID 1.
leader() {
	leader=
	for leader_file in "$group/payload/init.scope/cgroup.procs" "$group/payload/cgroup.procs"; do
		[ -e "$leader_file" ] || continue
		while read -r leader_pid; do
			! grep -q '^NSpid:.*[[:space:]]1$' "/proc/$leader_pid/status" 2>/dev/null || leader=$leader_pid
		done <"$leader_file"
		[ -z "$leader" ] || return 0
	done
	return 1
}

plug_options() {
	new_suite='' new_arch='' agents='' fleet='' user='' beacon=y keep='' machine_id='' wait=y hosts=y syncs='' password='' settings='' firmware=''
	[ $# -gt 0 ] || die 2 "plug: which machine? (classroom plug NAME)"
	use_machine "$1"
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		--suite | --arch | --agent | --fleet | --user | --machine-id | --password | --firmware)
			[ $# -gt 1 ] || die 2 "plug: $1 wants a value" ;;
		esac
		case $1 in
		--suite) new_suite=$2 && shift ;;
		--arch) new_arch=$2 && shift ;;
		--agent) agents="${agents}agent $2
" && settings=y && shift ;;
		--fleet) fleet=$2 && settings=y && shift ;;
		--user) user=$2 && settings=y && shift ;;
		--machine-id) machine_id=$2 && shift ;;
		--password) password=$2 && shift ;;
		--firmware) firmware=$2 && shift ;;
		--no-beacon) beacon= ;;
		--packages) with=-packages ;;
		--no-hosts) hosts= ;;
		--syncs) syncs=y ;;
		--no-wait) wait= ;;
		--keep) keep=y ;;
		*) die 2 "plug: unknown option '$1'" ;;
		esac
		shift
	done
	: "${new_suite:=${suite:-bookworm}}"
	[ -z "$new_arch" ] || new_suite=$(suite_name "$(release_of "$new_suite")" "$new_arch")
	is_suite "$new_suite" || die 2 "plug: not a suite: '$new_suite' (an arch is arm64 or the host's own)"
	case $new_suite in
	*-*) [ -z "$beacon" ] || die 2 "plug: no beacon is built for ${new_suite#*-}; plug it with --no-beacon" ;;
	esac
	[ -z "$suite" ] || [ "$suite" = "$new_suite" ] ||
		die 2 "plug: the disk of $name has $suite on it (classroom remove $name)"
}

plug() {
	plug_options "$@"
	lock_instance -s
	is_up || die 1 "the classroom $CLASSROOM is not up (classroom up)"
	if [ -n "$number" ] && powered; then
		ip -n "$(netns lan)" link set "p$number" up
	else
		# apt is asked only once: that takes longer than all the rest.
		[ -e "$state/image-$new_suite$with" ] || find_image
		[ -n "$number" ] || read -r image <"$state/image-$new_suite$with"
		undo=undo_plug
		fresh=
		claim_number
		[ -d "$image" ] || die 1 "the root file system of $name is gone: $image (classroom remove $name)"
		[ -d "$disk/upper" ] || write_disk
		write_settings
		start
	fi
	unlock_instance
	if [ -n "$wait" ] && ! poll 60 ready; then
		tail -n 20 "$m/log" >&2 2>/dev/null || :
		die 1 "$name did not answer on port 22 within 60 s"
	fi
	[ -z "$wait" ] || powered || die 1 "$name was switched off before its sshd answered"
	undo=
}

find_image() {
	image "$new_suite"
	echo "$image" >"$state/.image-$new_suite.$$"
	mv "$state/.image-$new_suite.$$" "$state/image-$new_suite$with"
}

# Undoes an interrupted or failed plug: power off, and removes the disk if it was new.
undo_plug() {
	[ -z "$keep" ] || return 0
	power_off || :
	[ -z "$fresh" ] || rm -rf "$disk" "$m"
}

# Addresses, MAC address and port name are made from the number, which starts at 11.
claim_number() {
	lock_short "$CLASSROOM.number"
	use_machine "$name"
	if [ -z "$number" ]; then
		fresh=y suite=$new_suite number=11
		while grep -qsx "$number" "$state"/machines/*/number; do number=$((number + 1)); done
		mkdir -p "$m/root"
		echo "$suite" >"$m/suite"
		echo "$image" >"$m/image"
		echo "$number" >"$m/number"
	elif [ -e "$m/plugging" ] && read -r other <"$m/plugging" && same_process "$other"; then
		die 1 "$name is being plugged in by another command"
	fi
	process_mark >"$m/plugging"
	unlock_short
}

# A process is identified by its id and its start time.
process_mark() { echo "$$ $(awk '{ sub(/.*\) /, ""); print $20 }' "/proc/$$/stat")"; }
same_process() { # MARK
	[ "${1#* }" = "$(awk '{ sub(/.*\) /, ""); print $20 }' "/proc/${1% *}/stat" 2>/dev/null)" ]
}

# A new disk is written directly into the overlay's upper layer, before any mount.
write_disk() {
	upper=$disk/new/upper
	rm -rf "$disk"
	mkdir -p "$upper" "$disk/new/work"
	for folder in . etc etc/ssh etc/sudoers.d etc/apt etc/apt/apt.conf.d home; do
		mkdir -p "$upper/$folder"
		chmod "--reference=$image/$folder" "$upper/$folder"
	done
	echo "$name" >"$upper/etc/hostname"
	printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$upper/etc/hosts"
	if [ -n "$hosts" ]; then
		printf '127.0.1.1\t%s\n' "$name" >>"$upper/etc/hosts"
	else # and the name server that it asks instead does not exist
		echo "nameserver $(address4 65534)" >"$upper/etc/resolv.conf"
	fi
	[ -z "$machine_id" ] || echo "$machine_id" >"$upper/etc/machine-id"
	for type in ed25519 ecdsa; do
		ssh-keygen -q -t "$type" -N '' -C "root@$name" -f "$upper/etc/ssh/ssh_host_${type}_key"
	done
	write_user "${user:-pi}"
	{
		echo "Acquire::http::Proxy \"http://$mirror_address\";"
		cat "$state/apt.conf"
	} >"$upper/etc/apt/apt.conf.d/01classroom"
	[ -z "$beacon" ] || install_beacon
	mv "$disk/new/work" "$disk/new/upper" "$disk/"
	rmdir "$disk/new"
}

write_user() { # USER
	case $1 in *[!a-z0-9_-]* | [!a-z_]*) die 2 "plug: not a user's name: '$1'" ;; esac
	hash='*'
	# shellcheck disable=SC2016 # perl's own variables
	[ -z "$password" ] || hash=$(printf '%s\n' "$password" |
		perl -e 'chomp(my $p = <STDIN>); print crypt($p, "\$6\$" . sprintf("%08x", rand(2**32)) . "\$")')
	for file in passwd shadow group; do cp -p "$image/etc/$file" "$upper/etc/$file"; done
	if ! grep -q "^$1:" "$upper/etc/passwd"; then
		echo "$1:x:1000:1000::/home/$1:/bin/bash" >>"$upper/etc/passwd"
		echo "$1:$hash:20000:0:99999:7:::" >>"$upper/etc/shadow"
		echo "$1:x:1000:" >>"$upper/etc/group"
		sed -i "s/^sudo:.*:\$/&$1/" "$upper/etc/group"
		home=$upper/home/$1
		owner=1000
	else # an existing user, such as root
		home=$upper$(awk -F: -v user="$1" '$1 == user { print $6 }' "$upper/etc/passwd")
		owner=$(awk -F: -v user="$1" '$1 == user { print $3 }' "$upper/etc/passwd")
		sed -i "s,^$1:[^:]*:,$1:$hash:," "$upper/etc/shadow"
	fi
	mkdir -p "$home/.ssh"
	cp "$state/key.pub" "$home/.ssh/authorized_keys"
	chmod 700 "$home" "$home/.ssh"
	chmod 600 "$home/.ssh/authorized_keys"
	chown -R "$owner:$owner" "$home"
	# With a password, sudo asks for it, as on a card that was written recently.
	if [ -n "$password" ]; then
		echo "$1 ALL=(ALL:ALL) ALL"
	else
		echo "$1 ALL=(ALL:ALL) NOPASSWD: ALL"
	fi >"$upper/etc/sudoers.d/010_classroom"
	chmod 440 "$upper/etc/sudoers.d/010_classroom"
}

install_beacon() {
	lock_short beacon # of all classrooms: make may build
	make -s --no-print-directory -C "$repo" install-beacon "DESTDIR=$upper" prefix=/usr \
		</dev/null >"$m/beacon.log" 2>&1 || {
		cat "$m/beacon.log" >&2
		die 1 "plug: 'make install-beacon' failed; build it first (make), or plug with --no-beacon"
	}
	unlock_short
	mkdir -p "$upper/etc/systemd/system/multi-user.target.wants"
	ln -s /usr/lib/systemd/system/dcop-beacon.service "$upper/etc/systemd/system/multi-user.target.wants/"
}

# The beacon's settings, only if the command line has some.
write_settings() {
	[ -n "$settings" ] || return 0
	mkdir -p "$disk/upper/etc/dcop"
	chmod 755 "$disk/upper/etc/dcop"
	{
		printf '%s' "$agents"
		[ -z "$fleet" ] || echo "fleet $fleet"
		[ -z "$user" ] || echo "user $user"
	} >"$disk/upper/etc/dcop/beacon.conf"
}

start() {
	power_off
	log=$m/log
	: >"$log"
	add_netns "$ns"
	connect "$ns" "p$number" "$number"
	[ ! -e "$state/count" ] || count_in "$ns" output
	# A volatile overlay is never synced. Its marker in work/ has to be removed.
	rm -rf "$disk/work"
	[ -z "$syncs" ] || : >"$m/syncs"
	volatile=,volatile
	[ ! -e "$m/syncs" ] || volatile=
	mkdir -p "$disk/work" "$m/root"
	[ -z "$firmware" ] || (CDPATH='' cd -- "$firmware" && pwd) >"$m/firmware" || die 2 "plug: no folder $firmware"
	firmware=
	[ ! -e "$m/firmware" ] || read -r firmware <"$m/firmware"
	in_group "$group" unshare --mount --propagation slave sh "$here/boot" \
		"$image" "$disk" "$m/root" "$ns" "dcop-$CLASSROOM-$number" "$name" "$suite" "$firmware" "$volatile"
	booting=$!
	if ! poll 20 started || ! leader; then
		cat "$log" >&2
		die 1 "$name does not boot"
	fi
	rm -f "$m/plugging"
}
started() { leader || ! readlink "/proc/$booting/exe" >/dev/null; } # true also if it has ended

# sshd answers, and logins are allowed.
ready() {
	powered || return 0
	leader && [ ! -e "/proc/$leader/root/run/nologin" ] || return 1
	ready_banner=$(nsenter "--net=/run/netns/$(netns controller)" \
		socat -T2 - "TCP4:$(address4 "$number"):22,connect-timeout=1" </dev/null 2>/dev/null | head -c 4) || :
	[ "$ready_banner" = SSH- ]
}

power_off() {
	kill_group "$group"
	! has_netns "$(netns lan)" || ip -n "$(netns lan)" link del "p$number" 2>/dev/null || :
	del_netns "$ns"
	rm -f "$m/plugging"
}

unplug() {
	how=--power
	[ $# -gt 0 ] || die 2 "unplug: which machine? (classroom unplug NAME [--cable|--power])"
	known_machine "$1"
	shift
	for option; do
		case $option in
		--cable | --power) how=$option ;;
		*) die 2 "unplug: unknown option '$option'" ;;
		esac
	done
	lock_instance -s
	if [ "$how" = --power ]; then
		power_off
	elif powered; then
		ip -n "$(netns lan)" link set "p$number" down
	else
		die 1 "$name is off"
	fi
}

remove() {
	[ $# -eq 1 ] || die 2 "remove: which machine? (classroom remove NAME)"
	known_machine "$1"
	lock_instance -x
	power_off
	rm -rf "$disk" "$m"
}

list() {
	printf '%-16s %-15s %-14s %s\n' NAME SUITE ADDRESS STATE
	for m in "$state"/machines/*/number; do
		[ -e "$m" ] || continue
		m=${m%/number}
		use_machine "${m##*/}"
		condition=off
		if powered; then
			condition=running
			port_up || condition='cable out'
		fi
		printf '%-16s %-15s %-14s %s\n' "$name" "$suite" "$(address4 "$number")" "$condition"
	done
}
