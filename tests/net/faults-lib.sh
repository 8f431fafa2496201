# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables shared with the test
# What the tests of faults share: deployers in the background, steps that wait,
# machines that hang, and what is whole.  Included after deploy-lib.sh.

# two_versions: of the stand-in, in $scratch/one and $scratch/two.
two_versions() {
	cp -R tests/data/standin "$scratch/one"
	cp -R tests/data/standin "$scratch/two"
	printf '# another version\n' >>"$scratch/two/pydcop/wire.py"
}

# --- deployers in the background ---------------------------------------------------

# begin NAME OPTION…: starts one, its words in $scratch/NAME.  $deployer is its process,
# $waited what `wait` wants.
begin() {
	begun=$1
	shift
	rm -f "$scratch/$begun.pid"
	: >"$scratch/$begun"
	# shellcheck disable=SC2016 # for that shell
	controller env --default-signal=INT sh -c 'echo $$ >"$0.tmp"; mv "$0.tmp" "$0"; exec "$@"' \
		"$scratch/$begun.pid" build/gcc/dcop-deploy --state-dir "$state" --key "$key" --deps "$deps" "$@" \
		>"$scratch/$begun" 2>&1 </dev/null &
	echo $! >"$scratch/$begun.wait"
	await 10 test -e "$scratch/$begun.pid"
	read -r deployer <"$scratch/$begun.pid"
}

# ended NAME [STATUS]: waits for it; its words are those of the last deploy from then on.
ended() {
	read -r waited <"$scratch/$1.wait"
	status=0
	await 120 is_dead "$waited" || kill -KILL "$deployer" 2>/dev/null || :
	wait "$waited" || status=$?
	cp "$scratch/$1" "$scratch/said"
	[ -z "${2:-}" ] || [ "$status" -eq "$2" ] ||
		not_ok "it ends with $2" "it ended with $status: $(cat "$scratch/said")"
}

alive() { ! is_dead "$1"; }

# --- on the machines ---------------------------------------------------------------

# slow_step MACHINE [STEP]: that step waits at its beginning, until quick_step.  The
# driver's first command in a step is an rm, and /usr/sbin comes first in its PATH.
slow_step() {
	on "$1" sh -c 'cat >/usr/sbin/rm.new; chmod 755 /usr/sbin/rm.new; mv -f /usr/sbin/rm.new /usr/sbin/rm
		/usr/bin/rm -f /run/gated; echo '"${2:-pydcop}"' >/run/gate' <<-'END'
			#!/bin/sh
			case $* in *' /run/dcop/runs/'*/why\ *)
			    while read -r step 2>/dev/null </run/gate &&
			        tail -n 1 /run/dcop/run/events | grep -q "^start.$step\$"; do
			        : >/run/gated
			        sleep 0.1
			    done ;;
			esac
			exec /usr/bin/rm "$@"
		END
}
at_slow_step() { on "$1" test -e /run/gated; }
quick_step() { on "$1" /usr/bin/rm -f /run/gate /run/gated; }

# hold_start MACHINE: the next run there waits just before its unit is started, until
# let_start.
hold_start() {
	on "$1" sh -c 'rm -f /run/held; : >/run/hold; cat >/usr/sbin/systemd-run; chmod 755 /usr/sbin/systemd-run' <<-'END'
		#!/bin/sh
		if mv /run/hold /run/held 2>/dev/null; then
		    while [ -e /run/held ]; do sleep 0.1; done
		fi
		exec /usr/bin/systemd-run "$@"
	END
}
is_held() { on "$1" test -e /run/held; }
let_start() { on "$1" rm -f /run/held /usr/sbin/systemd-run; }

unit() { on "$1" systemctl -q is-active dcop-run; }
followed() { on "$1" pgrep -f '^tail -n [+]1 -f'; }

# has_version MACHINE SOURCE: of two_versions; all_have: and its agents run with it.
has_version() {
	marks=$(on "$1" sh -c 'cat /opt/dcop/current/lib/python*/site-packages/pydcop/wire.py' | grep -c '^# another version$') || :
	[ "$marks" = "$(grep -c '^# another version$' "$2/pydcop/wire.py")" ]
}
all_have() { has_version "$@" && running "$1" && ! unit "$1"; }

# whole MACHINE: one of the two versions, which the running agents were started with.
whole() {
	# shellcheck disable=SC2016 # for the machine
	if has_version "$1" "$scratch/one" || has_version "$1" "$scratch/two"; then
		running "$1" && ! unit "$1" && on "$1" sh -c '[ -e /opt/dcop/current/hash ] &&
			since=$(systemctl show -p ExecMainStartTimestamp --value dcop-agent) &&
			[ "$(date -d "$since" +%s)" -ge "$(stat -c %Y /opt/dcop/current)" ]'
	else
		return 1
	fi
}

# sshd_of MACHINE STOP|CONT: of the connections that are there, not the one that listens.
sshd_of() { on "$1" pkill "-$2" -f '^sshd(-session)?: pi'; }

# freeze MACHINE 1|0
freeze() {
	frozen=$(sed -n 's/^0:://p' "/proc/$("$classroom" pid "$1")/cgroup")
	case $frozen in */payload*) ;; *) return 1 ;; esac
	groups=$(awk '$0 ~ / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
	echo "$2" >"$groups${frozen%%/payload*}/payload/cgroup.freeze"
}

# intact CASE STATE [KILLED]: the database is sound, every run has ended (but so many
# at the most) and every machine of it has its result.
intact() {
	if python3 - "$2/state.db" "${3:-0}" >"$scratch/why" 2>&1 <<-'END'
		import sqlite3, sys
		db = sqlite3.connect(sys.argv[1])
		assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
		assert not db.execute("PRAGMA foreign_key_check").fetchall()
		left = db.execute("SELECT run, verb, status FROM runs WHERE ended IS NULL").fetchall()
		assert len(left) <= int(sys.argv[2]), left
		left = db.execute("SELECT t.run, t.machine FROM runs JOIN run_targets t USING(run)"
		                  " LEFT JOIN results r ON r.run=t.run AND r.machine=t.machine AND r.step=''"
		                  " WHERE runs.ended IS NOT NULL AND r.run IS NULL").fetchall()
		assert not left, left
		assert db.execute("SELECT count(*) FROM runs").fetchone()[0] > 1
	END
	then ok "$1"; else not_ok "$1" "$(cat "$scratch/why")"; fi
}
