# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables shared with the test
# The roads of README.md: blocks of commands that begin with "```sh road=NAME", with
# " step=WORD" where a person's hands do something first.  Included after lib.sh.

# find_road NAME: its blocks become $scratch/road/1, 2, … and their steps $scratch/road/1.step
# and so on; $blocks is their number.
find_road() {
	rm -rf "$scratch/road"
	mkdir "$scratch/road"
	awk -v road="road=$1" -v to="$scratch/road/" '
		/^```/ { inside = 0 }
		$1 == "```sh" && $2 == road {
			inside = 1
			n++
			printf "%s\n", substr($3, 6) >(to n ".step")
			next
		}
		inside { print >(to n) }' README.md
	blocks=0
	while [ -s "$scratch/road/$((blocks + 1))" ]; do blocks=$((blocks + 1)); done
}
