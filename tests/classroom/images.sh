# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # the parts share variables
# Root file systems: one per suite, made once, kept in the cache folder. A suite is a
# release of Debian, followed by -arm64 for a foreign architecture (see emulate).
# $with is -packages for the image with the packages of pyDCOP, -computer for one with a kernel,
# and empty for the other.
with=

packages=systemd,systemd-sysv,dbus,avahi-daemon,openssh-server,python3,sudo,iproute2,iputils-ping
packages=$packages,libnss-mdns,libavahi-client3,avahi-utils,ca-certificates,procps,netbase,less,tzdata

# The packages of the root file system, separated by commas.
included() { # SUITE
	case $with in
	-packages) packages_apt | sed "s/^/$packages,/" ;;
	# Beside what the image without a kernel has.  An emulated processor takes minutes to
	# install them all: apt has some left to do.
	-computer) packages_apt | sed "s/,python3-tqdm\|,glpk-utils//g; s/^/e2fsprogs,linux-image-cloud-$(arch_of "$1"),/" ;;
	*) echo "$packages" ;;
	esac
}
packages_apt() { sed -n "s/^PACKAGES_APT='\(.*\)'$/\1/p" "$repo/deployer/steps/packages.sh" | tr ' ' ','; }

release_of() { echo "${1%%-*}"; } # SUITE
arch_of() { # SUITE
	case $1 in
	*-*) echo "${1#*-}" ;;
	*) dpkg --print-architecture ;;
	esac
}
is_suite() {
	case ${1%-arm64} in
	'' | *[!a-z]*) return 1 ;;
	esac
}
# The name of the suite: without the architecture if it is the host's own.
suite_name() { # RELEASE ARCH
	[ "$2" = "$(dpkg --print-architecture)" ] && echo "$1" || echo "$1-$2"
}
# emulated SUITE COMMAND...: with the programs of that suite running.
emulated() {
	emulated_suite=$1
	shift
	case $emulated_suite in
	*-*) unshare --mount --propagation slave sh "$here/emulate" "${emulated_suite#*-}" "$@" ;;
	*) "$@" ;;
	esac
}
# Removes the registrations that a kernel before 6.7 keeps. Only when no classroom is left.
emulate_clean() {
	[ -e /proc/sys/fs/binfmt_misc ] || return 0
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --propagation slave sh -c 'cd /proc/sys/fs && mount -t binfmt_misc binfmt_misc binfmt_misc &&
		for entry in binfmt_misc/dcop-*; do [ ! -e "$entry" ] || echo -1 >"$entry"; done' 2>/dev/null || :
}

# sources RELEASE: sources.list lines for it, from the host's own Debian mirror;
# nothing if there is none (mmdebstrap then has a default).  After a release's end of life
# its security suite leaves the mirrors piece by piece, the index last: it is left out.
sources() {
	# shellcheck disable=SC1091
	host_release=$(. /etc/os-release && [ "$ID" = debian ] && echo "${VERSION_CODENAME:-}") || return 0
	[ -n "$host_release" ] || return 0
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
		awk -v host="$host_release" -v suite="$1" -v ended=" bullseye " '
			$3 != "main" || $1 !~ /^https?:/ { next }
			# Without downloaded lists the origin is unknown; then the path decides.
			$4 != "" && $4 != "Debian" { next }
			$4 == "" && $1 !~ /\/debian(-security)?\/?$/ { next }
			{ uri = $1; sub(/\/$/, "", uri) }
			$2 == host && !main { main = uri }
			$2 == host "-security" && !security { security = uri }
			END {
				if (!main) exit
				print "deb " main " " suite " main"
				print "deb " main " " suite "-updates main"
				if (security && !index(ended, " " suite " ")) print "deb " security " " suite "-security main"
			}'
}

image_key() { # SUITE
	{
		echo "$1 $(included "$1") $(dpkg --print-architecture)"
		sources "$(release_of "$1")"
		apt_settings
		cat "$here/recipe"
		[ "$with" != -computer ] || echo "$packages" | cat - "$here/computer-recipe"
	} | sha256sum | cut -c1-12
}

# image SUITE: sets $image to the folder; makes the image if it does not exist. That
# takes half a minute, so it runs in the background, where a signal can end it.
image() {
	image=$cache/images/$1$with-$(image_key "$1")
	[ ! -d "$image" ] || return 0
	need mmdebstrap mmdebstrap
	if [ "$with" = -computer ]; then # it is made from the one without a kernel
		with=
		image "$1"
		with=-computer computer_base=$image
		image=$cache/images/$1$with-$(image_key "$1")
	fi
	image_undo=$undo undo=undo_image image_suite=$1$with
	make_image "$1" >&2 &
	wait $!
	undo_image
	undo=$image_undo
}
undo_image() {
	kill_group "$cg/image-$image_suite.$$"
	rm -rf "$cache/images/.$image_suite.$$"
	rmdir "$cg" "$cgroups" 2>/dev/null || :
}

# mmdebstrap holds the lock too, so that the next command after a crash waits for it, or
# finds that `down` has killed it with its cgroup.
make_image() {
	trap - EXIT INT TERM HUP
	exec 9>&-
	lock_short "image-$1$with"
	[ ! -d "$image" ] || exit 0
	case $with in
	-packages) say "making the root file system of $1 with the packages of pyDCOP (once)" ;;
	-computer) say "making the root file system of $1 with a kernel (once)" ;;
	*) say "making the root file system of $1 (once)" ;;
	esac
	group=$cg/image-$1$with.$$
	rm -rf "$cache/images/.$1$with".*
	work=$cache/images/.$1$with.$$
	mkdir -p "$work" "$group"
	echo 0 >"$group/cgroup.procs"
	apt_settings >"$work/apt.conf"
	sources "$(release_of "$1")" >"$work/sources"
	proxy=$(apt_proxy)
	log=$cache/images/$1$with.log
	# A mirror may lack the updates of a foreign architecture.
	run_mmdebstrap "$1" || if [ "$1" != "$(release_of "$1")" ] && grep -qE "^E: Failed to fetch .*/$(release_of "$1")-(security|updates)/" "$log"; then
		say "the mirror has no usable updates of $1: it is made without them"
		sed -i "/ $(release_of "$1")-/d" "$work/sources"
		rm -rf "$work/root"
		run_mmdebstrap "$1"
	else
		false
	fi || {
		tail -n 15 "$log"
		die 1 "mmdebstrap could not make $1 (all it said: $log)"
	}
	# The machines reach their mirror through the classroom's cache, over plain http.
	list=$work/root/etc/apt/sources.list
	sed -n 's/^deb \(\[[^]]*\] \)*\(https\{0,1\}:[^ ]*\) .*/\2/p' "$list" |
		sed 's,/*$,,' | sort -u >"$work/root/etc/apt/mirrors"
	sed -i 's,https:,http:,' "$list"
	rm -f "$work"/root/var/cache/apt/archives/*.deb
	emulated "$1" chroot "$work/root" apt-cache gencaches >/dev/null 2>&1 || :
	mv -T "$work/root" "$image"
}

# run_mmdebstrap SUITE: makes $work/root.
run_mmdebstrap() {
	suite=$1 included=$(included "$1")
	# mmdebstrap uses a given list unchanged; without one, its own default.
	set -- "$(release_of "$suite")" "$work/root"
	while IFS= read -r line; do
		set -- "$@" "$line"
	done <"$work/sources"
	if [ "$with" = -computer ]; then
		set -- --variant=custom "--setup-hook=cp -a '$computer_base/.' \"\$1\"" \
			"--customize-hook=$here/computer-recipe" "$@"
	else
		set -- --variant=apt "--include=$included" "--customize-hook=$here/recipe" "$@"
	fi
	emulated "$suite" env LC_ALL=C "COMPUTER_PACKAGES=$included" ${proxy:+"http_proxy=$proxy"} mmdebstrap --mode=root \
		"--architectures=$(arch_of "$suite")" --skip=check/qemu --aptopt="$work/apt.conf" --skip=cleanup/apt,cleanup/machine-id \
		"$@" </dev/null >"$log" 2>&1
}

images() { # [--packages|--computer] SUITE...
	case ${1:-} in --packages | --computer) with=-${1#--} && shift ;; esac
	[ $# -gt 0 ] || set -- bookworm trixie
	for suite; do
		is_suite "$suite" || die 2 "images: not a suite: '$suite'"
		began=$(now)
		image "$suite"
		took=$(($(now) - began))
		printf '%s\t%s\t%d.%02d s\n' "$suite" "$image" $((took / 100)) $((took % 100))
	done
}
