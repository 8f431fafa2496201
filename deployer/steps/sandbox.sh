# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of the driver
# A program that root does not trust, for the steps; sourced, never run.

# run_apart NAME SECONDS OPTION… -- COMMAND…: runs it in dcop-NAME-….service, as a user that
# exists only now, who sees no more of the machine's files and processes than the agents do; with
# further options of systemd-run.  No process of it is left afterwards.  Its /tmp is in memory, with a bound, which
# DynamicUser's own (on the disk, without one) is not.
run_apart() {
	_name=$1 _seconds=$2
	shift 2
	systemd-run --quiet --wait --pipe --collect "--unit=dcop-$_name-${RUN##*/}" \
		-p BindsTo=dcop-run.service -p After=dcop-run.service \
		-p "RuntimeMaxSec=$_seconds" -p TimeoutStopSec=5 \
		-p DynamicUser=yes -p NoNewPrivileges=yes -p CapabilityBoundingSet= \
		-p PrivateDevices=yes \
		-p TemporaryFileSystem=/dev/shm:mode=1777,nosuid,nodev,size=16M,nr_inodes=4096 \
		-p ProtectSystem=strict -p ProtectHome=yes -p ProtectClock=yes -p ProtectHostname=yes \
		-p ProtectKernelTunables=yes -p ProtectKernelModules=yes -p ProtectKernelLogs=yes \
		-p ProtectControlGroups=yes -p ProtectProc=invisible -p ProcSubset=pid -p ReadOnlyPaths=/run \
		-p RestrictNamespaces=yes -p RestrictRealtime=yes \
		-p RestrictSUIDSGID=yes -p LockPersonality=yes -p MemoryDenyWriteExecute=yes \
		-p KeyringMode=private -p SystemCallArchitectures=native \
		-p SystemCallFilter=@system-service -p 'SystemCallFilter=~@privileged @resources' \
		-p SystemCallErrorNumber=EPERM \
		-p 'InaccessiblePaths=-/tmp -/var/tmp -/etc/ssh -/etc/dcop -/boot -/run/dbus' \
		-p MemoryMax=512M -p LimitDATA=1G -p LimitCORE=0 -p TasksMax=64 -p LimitNPROC=64 \
		-p 'Environment=PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore LC_ALL=C.UTF-8 OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 TMPDIR=/dev/shm' \
		"$@"
}
