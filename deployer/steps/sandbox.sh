# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of the driver
# A program that root does not trust, for the steps; sourced, never run.

# run_apart NAME SECONDS OPTION… -- COMMAND…: runs it in dcop-NAME-….service, as a user that
# exists only now, who sees no more of the machine than the agents do; with further options of
# systemd-run.  No process of it is left afterwards.
run_apart() {
	_name=$1 _seconds=$2
	shift 2
	systemd-run --quiet --wait --pipe --collect "--unit=dcop-$_name-${RUN##*/}" \
		-p BindsTo=dcop-run.service -p After=dcop-run.service \
		-p "RuntimeMaxSec=$_seconds" -p TimeoutStopSec=5 \
		-p DynamicUser=yes -p NoNewPrivileges=yes -p CapabilityBoundingSet= \
		-p PrivateTmp=yes -p PrivateDevices=yes \
		-p ProtectSystem=strict -p ProtectHome=yes -p ProtectClock=yes -p ProtectHostname=yes \
		-p ProtectKernelTunables=yes -p ProtectKernelModules=yes -p ProtectKernelLogs=yes \
		-p ProtectControlGroups=yes -p ProtectProc=invisible -p ProcSubset=pid \
		-p RestrictNamespaces=yes -p RestrictRealtime=yes \
		-p RestrictSUIDSGID=yes -p LockPersonality=yes -p MemoryDenyWriteExecute=yes \
		-p KeyringMode=private -p SystemCallArchitectures=native \
		-p SystemCallFilter=@system-service -p 'SystemCallFilter=~@privileged @resources' \
		-p SystemCallErrorNumber=EPERM \
		-p 'InaccessiblePaths=-/etc/ssh -/etc/dcop -/boot -/run/dbus -/run/avahi-daemon' \
		-p MemoryMax=512M -p LimitDATA=1G -p LimitCORE=0 -p TasksMax=64 -p LimitNPROC=64 \
		-p 'Environment=PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore LC_ALL=C.UTF-8 OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1' \
		"$@"
}
