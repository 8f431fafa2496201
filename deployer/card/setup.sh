#!/bin/sh
# Sets a machine up at the first boot of a card that `dcop-deploy card` prepared: user, SSH,
# host name, wireless network, beacon.  As root, without a network.
#
#   setup.sh           before the services, on a boot that ends in a restart (systemd.run=)
#   setup.sh started   among them (cloud-init, rpi-preseed)
#
# Power may fail at any point: all of it can be repeated until the end, where the secrets are
# erased from the card, and then what starts this program is removed.  A part that fails
# does not stop the others.  What was done is in setup.log, beside this file.
set -u
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
boot=${here%/*}
settings=$here/settings
started=${1:-}
failed=

# Anywhere else this would set up the computer that the card was written on.
case $boot in
/boot/firmware | /boot | /var/lib/dcop-setup) ;;
*) echo "setup.sh: this is for the first boot of the machine; nothing was done" >&2 && exit 2 ;;
esac

note() { printf '%s\n' "$*" | tee -a "$here/setup.log" >&2; }

# setting KEY: its values, one a line.
setting() { sed -n "s/^$1 //p" "$settings"; }

# replace FILE MODE: standard input becomes the file, whole or not at all.
replace() {
	cat >"$1.dcop-new" || return 1
	chmod "$2" "$1.dcop-new" 2>/dev/null || : # not on FAT
	sync "$1.dcop-new" && mv -f "$1.dcop-new" "$1"
}

set_up_user() {
	user=$(setting user)
	password=$(setting password)
	if ! getent passwd "$user" >/dev/null; then
		if [ -x /usr/lib/userconf-pi/userconf ] && getent passwd 1000 >/dev/null; then
			# Raspberry Pi OS has a user without a name of its own yet; this names it, and
			# ends the wizard that would ask for one on the screen.
			/usr/lib/userconf-pi/userconf "$user" "$password" || return 1
		else
			useradd --create-home --user-group --shell /bin/bash "$user" || return 1
		fi
	fi
	usermod --password "${password:-*}" "$user" || return 1
	for group in sudo adm dialout audio video plugdev games users input render netdev gpio i2c spi; do
		! getent group "$group" >/dev/null || usermod --append --groups "$group" "$user" || return 1
	done
	# The last rule counts: behind those of the image and of cloud-init.
	rule='NOPASSWD: ALL'
	[ "$(setting sudo)" = free ] || rule=ALL
	mkdir -p /etc/sudoers.d || return 1
	echo "$user ALL=(ALL:ALL) $rule" | replace /etc/sudoers.d/zz_dcop 0440
}

set_up_ssh() {
	user=$(setting user)
	home=$(getent passwd "$user" | cut -d: -f6)
	group=$(id -gn "$user") || return 1
	keys=$home/.ssh/authorized_keys
	install -d -m 700 -o "$user" -g "$group" "$home/.ssh" || return 1
	touch "$keys" || return 1
	setting key | while IFS= read -r key; do
		grep -qxF -e "$key" "$keys" || printf '%s\n' "$key" >>"$keys" || exit 1
	done || return 1
	chmod 600 "$keys" && chown "$user:$group" "$keys" || return 1
	mkdir -p /etc/ssh/sshd_config.d || return 1
	echo 'PasswordAuthentication no' | replace /etc/ssh/sshd_config.d/00-dcop.conf 0644 || return 1
	systemctl -q enable ssh.service || return 1
	[ -z "$started" ] || systemctl --no-block reload-or-restart ssh.service
}

# A name of its own for each clone of a card: the beginning of the machine's id.
make_hostname() {
	id=$(dcop-beacon --print 2>/dev/null | sed -n 's/^id=//p')
	[ -n "$id" ] || read -r id </etc/machine-id
	echo "dcop-${id%"${id#??????}"}"
}

set_up_hostname() {
	name=$(setting hostname)
	[ -n "$name" ] || name=$(make_hostname)
	echo "$name" | replace /etc/hostname 0644 || return 1
	{ sed '/^127\.0\.1\.1[[:space:]]/d' /etc/hosts && printf '127.0.1.1\t%s\n' "$name"; } | replace /etc/hosts 0644 || return 1
	if [ -d /etc/cloud ]; then
		# cloud-init would put the image's name and its own hosts file back.
		mkdir -p /etc/cloud/cloud.cfg.d || return 1
		printf 'preserve_hostname: true\nmanage_etc_hosts: false\n' | replace /etc/cloud/cloud.cfg.d/99-dcop.cfg 0644 || return 1
	fi
	hostname "$name" || return 1
	# The running daemon has the old name; before it runs there is nothing to do.
	[ -z "$started" ] || systemctl try-restart avahi-daemon.service
}

set_up_wireless() {
	ssid=$(setting ssid)
	[ -n "$ssid" ] || return 0
	passphrase=$(setting passphrase)
	country=$(setting country)
	if command -v raspi-config >/dev/null; then
		raspi-config nonint do_wifi_country "$country" || note "cannot set the country $country"
	fi
	! command -v rfkill >/dev/null || rfkill unblock wifi || :
	for state in /var/lib/systemd/rfkill/*:wlan; do
		[ ! -e "$state" ] || echo 0 >"$state"
	done
	hex=$(printf '%s' "$ssid" | od -An -v -tu1 | tr -s ' \n' ';')
	hex=${hex#;}
	if [ -d /etc/NetworkManager/system-connections ]; then
		# A list of bytes, so that nothing in the name means anything; the passphrase as a
		# key file wants it (GKeyFile: \ starts an escape, a leading blank is \s).
		key=$(printf '%s' "$passphrase" | sed -e 's/\\/\\\\/g' -e 's/^ /\\s/')
		{
			printf '[connection]\nid=dcop\ntype=wifi\n\n[wifi]\nmode=infrastructure\nssid=%s;\n' "${hex%;}"
			[ -z "$passphrase" ] || printf '\n[wifi-security]\nkey-mgmt=wpa-psk\npsk=%s\n' "$key"
			printf '\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n'
		} | (umask 077 && replace /etc/NetworkManager/system-connections/dcop.nmconnection 0600) || return 1
		[ -z "$started" ] || ! command -v nmcli >/dev/null || nmcli connection reload || :
	elif [ -d /etc/wpa_supplicant ]; then
		hex=$(printf '%s' "$ssid" | od -An -v -tx1 | tr -d ' \n')
		{
			printf 'country=%s\nctrl_interface=DIR=/var/run/wpa_supplicant GROUP=netdev\nupdate_config=1\n' "$country"
			printf 'network={\n\tssid=%s\n' "$hex"
			if [ -n "$passphrase" ]; then printf '\tpsk="%s"\n' "$passphrase"; else printf '\tkey_mgmt=NONE\n'; fi
			printf '}\n'
		} | (umask 077 && replace /etc/wpa_supplicant/wpa_supplicant.conf 0600)
	else
		note 'neither NetworkManager nor wpa_supplicant is installed'
		return 1
	fi
}

# The release, the package and the processors are those of the verb enroll (30-beacon), which
# says more on them.
read_release() {
	# shellcheck disable=SC1091
	release=$(. /etc/os-release && case $ID in
		debian | raspbian) echo "${VERSION_ID:-999}" ;;
		*) echo 0 ;;
	esac)
	case $release in '' | *[!0-9]*) release=0 ;; esac
}

# find_package ARCHITECTURE: in $package the newest that is not newer than this system; if all
# are newer, the oldest; empty without one.
find_package() {
	package='' chosen=-1
	for file in "$here"/beacon/debian-*/dcop-beacon_*_"$1".deb; do
		[ -e "$file" ] || continue
		number=${file%/*}
		number=${number##*debian-}
		case $number in '' | *[!0-9]*) continue ;; esac
		if [ "$chosen" -lt 0 ] || { [ "$number" -le "$release" ] && { [ "$number" -gt "$chosen" ] || [ "$chosen" -gt "$release" ]; }; } ||
			{ [ "$chosen" -gt "$release" ] && [ "$number" -lt "$chosen" ]; }; then
			package=$file chosen=$number
		fi
	done
}

package_status() { dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null; }

# install_packages FILE...: those that are not installed, together, as they need each other.
# What cannot be configured is removed again: apt would refuse to work beside it.  Their units
# are started after this program, not by dpkg within it.
install_packages() {
	names=
	for file in "$@"; do
		shift
		name=$(dpkg-deb -f "$file" Package) || return 1
		[ "$(package_status "$name")" != 'ii ' ] || continue
		names="$names $name"
		set -- "$@" "$file"
	done
	[ -n "$names" ] || return 0
	why=$(SYSTEMD_OFFLINE=1 DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold -i "$@" 2>&1) && return 0
	note "the packages$names do not install: $(printf '%s\n' "$why" | grep -E 'depends on|error' | head -n 3)"
	for name in $names; do
		[ "$(package_status "$name")" = 'ii ' ] || dpkg --force-depends --purge "$name" >/dev/null 2>&1 || :
	done
	return 1
}

# add_others FOLDER ARCHITECTURE: in $others what the beacon needs and the image does not have;
# no name of a package has a blank.
add_others() {
	others=
	for file in "$1"/*_"$2".deb "$1"/*_all.deb; do
		case ${file##*/} in '*_'* | dcop-beacon_*) ;; *) others="$others ${file##*/}" ;; esac
	done
}

set_up_beacon() {
	case $(package_status dcop-beacon) in
	'' | 'ii ') [ ! -x /usr/bin/dcop-beacon ] || return 0 ;; # not one that power failed on
	esac
	arch=$(dpkg --print-architecture) || return 1
	case $arch-$(uname -m) in
	armhf-armv6* | armel-armv6*)
		note 'its processor, ARMv6 (Raspberry Pi 1, Zero, Zero W), is not supported; use a Raspberry Pi 2 or newer, or Zero 2 W'
		return 1
		;;
	esac
	read_release
	find_package "$arch"
	beacon=$here/beacon/$arch
	if [ -n "$package" ]; then
		add_others "${package%/*}" "$arch"
		# shellcheck disable=SC2086 # names, without blanks
		(cd "${package%/*}" && install_packages $others "${package##*/}") || return 1
	elif [ -f "$beacon/dcop-beacon" ]; then
		add_others "$beacon" "$arch"
		# shellcheck disable=SC2086
		(cd "$beacon" && install_packages $others) || return 1
		copy_beacon || return 1
	else
		note "the card has no beacon for $arch; dcop-deploy enroll brings it"
		return 1
	fi
	mkdir -p /etc/dcop || return 1
	systemctl -q enable dcop-beacon.service || return 1
	[ -z "$started" ] || systemctl daemon-reload
}

# The places are those of the verb enroll, which then finds nothing to do.
copy_beacon() {
	mkdir -p /usr/local/bin /etc/sysusers.d || return 1
	replace /etc/sysusers.d/dcop-beacon.conf 0644 <"$beacon/dcop-beacon.sysusers" || return 1
	systemd-sysusers /etc/sysusers.d/dcop-beacon.conf || return 1
	for unit in dcop-beacon-key dcop-beacon; do
		sed 's|@bindir@|/usr/local/bin|' "$beacon/$unit.service" | replace "/etc/systemd/system/$unit.service" 0644 || return 1
	done
	replace /usr/local/bin/dcop-beacon 0755 <"$beacon/dcop-beacon" || return 1
	if ! why=$(/usr/local/bin/dcop-beacon --version 2>&1); then
		note "the beacon does not start: $why"
		return 1
	fi
}

# A seed has no boot partition: the names come with it.
place_names() {
	[ "$boot" = /var/lib/dcop-setup ] || return 0
	if [ -f "$boot/dcop-agent.conf" ]; then
		mkdir -p /etc/dcop && replace /etc/dcop/beacon.conf 0644 <"$boot/dcop-agent.conf" || return 1
	fi
}

# erase FILE: overwritten first.  What a flash card keeps of the old block cannot be helped.
erase() {
	[ -f "$1" ] || return 0
	dd if=/dev/zero of="$1" bs=4096 count=$((($(wc -c <"$1") + 4095) / 4096)) conv=notrunc,fsync 2>/dev/null || :
	rm -f "$1"
}

end() {
	# Of a writer that was killed or lost its power: here, or where the card was prepared.
	for file in "$boot"/*.dcop-?????? "$here"/*.dcop-?????? "$here"/undo/*.dcop-?????? "$boot"/*.dcop-new "$here"/*.dcop-new; do
		erase "$file"
	done
	# The beacon erases the fleet key when it has made its own of it.  Without a beacon nothing
	# does; before the settings, as without them this is not known any more.
	case $failed in *' beacon'*) erase "$boot/dcop-fleet.key" ;; esac
	erase "$settings"
	if [ "$boot" = /var/lib/dcop-setup ]; then
		erase "$boot/files.tar.gz"
		rm -rf /var/lib/dcop-setup
		return
	fi
	# These are read at each boot, and by any user of the machine.
	if [ -f "$here/user-data.after" ]; then
		replace "$boot/user-data" 0644 <"$here/user-data.after" && rm -f "$here/user-data.after"
	fi
	erase "$boot/rpi-preseed.toml"
	for file in "$here"/undo/*; do erase "$file"; done
	echo "failed:$failed" | replace "$here/done" 0644
	if grep -q 'systemd\.run=[^ ]*/dcop/setup\.sh' "$boot/cmdline.txt"; then
		sed -e 's/ systemd\.run[a-z_]*=[^ ]*//g' -e 's/ systemd\.unit=kernel-command-line\.target//' \
			"$boot/cmdline.txt" | replace "$boot/cmdline.txt" 0644
	fi
	sync
}

if [ -f "$settings" ]; then
	for part in user ssh names beacon hostname wireless; do
		case $part in
		names) place_names ;;
		*) "set_up_$part" ;;
		esac || {
			note "failed: $part"
			failed="$failed $part"
		}
	done
	[ -z "$started" ] || systemctl --no-block restart dcop-beacon.service
	note "set up as $(hostname)${failed:+; failed:$failed}"
	sync
fi
end
