# shellcheck shell=sh
# shellcheck disable=SC2034 # used where this is sourced
# The packages that a deploy needs, for the steps (as shell) and for the controller, which
# fetches them ahead (deployer/apt/packages.c reads line by line): NAME='WORDS', one line each.

# For --deps apt, for --deps pip, for --deps layer, and for the beacon that `enroll` installs.
PACKAGES_APT='python3 python3-numpy python3-networkx python3-pulp python3-yaml python3-requests python3-tqdm glpk-utils'
PACKAGES_PIP='python3 python3-venv glpk-utils'
PACKAGES_LAYER='python3'
PACKAGES_BEACON='avahi-daemon libavahi-client3 libavahi-common3'
# With --deps pip: the packages from the Python index, in place of those of PACKAGES_APT.
PACKAGES_INDEX='numpy networkx pulp pyyaml requests tqdm'
