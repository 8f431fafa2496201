# shellcheck shell=sh
# shellcheck disable=SC2034 # used where this is sourced
# What comes from package sources, for the steps (as shell) and for the controller that
# fetches it ahead (deployer/apt/packages.c, a line at a time): NAME='WORDS', one line each.

# By --deps apt, by --deps pip, and for the beacon that `enroll` brings.
PACKAGES_APT='python3 python3-numpy python3-networkx python3-pulp python3-yaml python3-requests python3-tqdm glpk-utils'
PACKAGES_PIP='python3 python3-venv glpk-utils'
PACKAGES_BEACON='avahi-daemon libavahi-client3 libavahi-common3'
# With --deps pip: from Python's index, what PACKAGES_APT brings otherwise.
PACKAGES_INDEX='numpy networkx pulp pyyaml requests tqdm'
