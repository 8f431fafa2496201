# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables shared with the test
# A whole computer, emulated: processors, a kernel, a clock, and a card as its disk.  Included
# after deploy-lib.sh, with $scratch, $classroom and $arch set.
#
# The card lies behind nbdkit's cache, which writes what the computer has flushed and nothing
# else: what it has not is lost with the power, as in a disk's own cache.

card_image=$scratch/card.img
card_socket=$scratch/card.socket
console=$scratch/console
address=10.77.3.1
boot_start=2048 boot_sectors=131072 root_start=133120 # 512 bytes each
emulator='' disk_server=

on_boot_partition() { # COMMAND...: one of mtools
	boot_command=$1
	shift
	MTOOLS_SKIP_CHECK=1 "$boot_command" -i "$card_image@@$((boot_start * 512))" "$@"
}

# write_card FOLDER: the image as it is downloaded.  FOLDER becomes what its boot partition has.
write_card() {
	tree=$("$classroom" images --computer "bookworm-$arch" | cut -f 2)
	cp "$tree"/boot/vmlinuz-* "$scratch/kernel"
	cp "$tree"/boot/initrd.img-* "$scratch/initrd"
	truncate -s 2560M "$card_image"
	printf 'label: dos\nstart=%d, size=%d, type=c\nstart=%d, type=83\n' $boot_start $boot_sectors $root_start |
		sfdisk -q "$card_image"
	truncate -s $((boot_sectors * 512)) "$scratch/boot.img"
	mkfs.vfat "$scratch/boot.img" >/dev/null
	dd "if=$scratch/boot.img" "of=$card_image" bs=512 "seek=$boot_start" conv=notrunc,sparse status=none
	mkfs.ext4 -q -d "$tree" -E "offset=$((root_start * 512))" "$card_image" 2400M
	mkdir "$1"
	echo auto_initramfs=1 >"$1/config.txt"
	echo "console=ttyAMA0 root=/dev/vda2 rootwait quiet systemd.show_status=true net.ifnames=0 ip=$address::10.77.0.1:255.255.0.0::eth0:off" >"$1/cmdline.txt"
}
fill_boot_partition() { on_boot_partition mcopy -s -o "$1"/* ::/; } # FOLDER

# power_on: as a Raspberry Pi's firmware does, the kernel gets the words of cmdline.txt.  Its
# clock is a year behind (systemd would move it to its own release).  $emulator is its process.
power_on() {
	year_ago=$(date -d '1 year ago' +%s)
	words="$(on_boot_partition mtype ::/cmdline.txt) systemd.clock_usec=${year_ago}000000"
	rm -f "$card_socket"
	"$classroom" attach computer nbdkit -f -U "$card_socket" --filter=cache file "$card_image" cache=writeback >>"$scratch/nbdkit.log" 2>&1 &
	disk_server=$!
	await 5 test -S "$card_socket"
	"$classroom" attach computer qemu-system-aarch64 -M virt -cpu cortex-a72 -smp 2 -m 1024 -nodefaults -no-reboot \
		-display none -serial "file:$console" -kernel "$scratch/kernel" -initrd "$scratch/initrd" -append "$words" \
		-rtc "base=$(date -u -d "@$year_ago" +%Y-%m-%dT%H:%M:%S)" \
		-drive "file=nbd+unix:///?socket=$card_socket,format=raw,if=none,id=card,cache=writeback" \
		-device virtio-blk-pci,drive=card,romfile= -device virtio-rng-pci \
		-netdev tap,id=lan,ifname=computer,script=no,downscript=no \
		-device virtio-net-pci,netdev=lan,mac=02:dc:09:77:03:01,romfile= >>"$scratch/emulator.log" 2>&1 </dev/null &
	emulator=$!
}

# power_cut: what is in the disk's cache is lost.
power_cut() {
	for process in $emulator $disk_server; do kill -KILL "$process" 2>/dev/null || :; done
	for process in $emulator $disk_server; do wait "$process" 2>/dev/null || :; done
	emulator='' disk_server=
}

on_computer() { # SCRIPT: root's, over SSH
	printf '%s\n' "$1" | controller ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=10 -i "$key" "pi@$address" sudo sh -s
}
