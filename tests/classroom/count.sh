# shellcheck shell=sh
# shellcheck disable=SC2154 # the parts share variables
# Counts packets with the packet filter of each network namespace: how many go to a
# package mirror, and how many to other addresses outside; and drops packets to mirrors.

mirror_ports='{ 3142, 3143 }'

# count_in NAMESPACE HOOK: starts counting. The mirrors listen on addresses of the
# controller: there, incoming packets are counted, those of machines and its own.
count_in() {
	nsenter "--net=/run/netns/$1" nft -f - <<-END
		table inet classroom-count {}
		delete table inet classroom-count
		table inet classroom-count {
			counter mirror {}
			counter out {}
			chain asked {
				type filter hook $2 priority -300
				tcp dport $mirror_ports counter name mirror
			}
			chain leaves {
				type filter hook output priority -300
				ip daddr != { 10.77.0.0/16, 127.0.0.0/8, 224.0.0.0/4, 255.255.255.255 } counter name out
				ip6 daddr != { ::1, fd77:dc09::/64, fe80::/10, ff00::/8 } counter name out
			}
		}
	END
}

count_show() { # NAMESPACE: "mirror PACKETS BYTES out PACKETS BYTES"
	nsenter "--net=/run/netns/$1" nft list counters table inet classroom-count | awk '
		$1 == "counter" { name = $2 }
		$1 == "packets" { packets[name] = $2; bytes[name] = $4 }
		END { print "mirror", packets["mirror"], bytes["mirror"], "out", packets["out"], bytes["out"] }'
}

# count start: counts all from zero, and machines that are plugged in later from their start.
count() {
	need nft nftables
	is_up || die 1 "the classroom $CLASSROOM is not up (classroom up)"
	case ${1:-} in
	start) lock_instance -x && : >"$state/count" ;;
	show) [ -e "$state/count" ] || die 1 "nothing is counted (classroom count start)" ;;
	*) die 2 "count: start or show?" ;;
	esac
	for ns in /run/netns/"$(netns controller)" /run/netns/"$(netns m-)"*; do
		[ -e "$ns" ] || continue
		ns=${ns##*/}
		who=${ns#"$(netns '')"}
		hook=output
		[ "$who" != controller ] || hook=input
		if [ "$1" = start ]; then count_in "$ns" "$hook"; else echo "${who#m-} $(count_show "$ns")"; fi
	done
}

# mirror drop: the mirrors run, but their packets are dropped and no answer comes back.
mirror_drop() {
	need nft nftables
	nsenter "--net=/run/netns/$(netns controller)" nft -f - <<-END
		table inet classroom-drop {
			chain input {
				type filter hook input priority -200
				tcp dport $mirror_ports drop
			}
		}
	END
	: >"$state/mirror"
}
mirror_undrop() {
	nsenter "--net=/run/netns/$(netns controller)" sh -c '! command -v nft >/dev/null ||
		nft delete table inet classroom-drop 2>/dev/null' || :
}
