# Reads what a program prints for --help, and writes its options (and verbs) as FORMAT: man,
# bash, zsh or fish.  discovery/base/options.c and deployer/verbs/main.c have the layout that
# is read here.  Variables: program, format.

function add(kind, letter, name, argument, help) {
	n++
	kinds[n] = kind; letters[n] = letter; names[n] = name; arguments[n] = argument; helps[n] = help
	of[n] = verb
}

/^Exit codes:/ { exit }
/^Of '.*':$/ { verb = $0; sub(/^Of '/, "", verb); sub(/':$/, "", verb); add("heading", "", "Options of " verb, "", ""); next }
/^[A-Z][^.]*:$/ { verb = ""; add("heading", "", substr($0, 1, length($0) - 1), "", ""); next }
/^(  -[A-Za-z0-9], |      )--[a-z]/ {
	line = $0
	sub(/^ +/, "", line)
	letter = ""
	if (line ~ /^-[^-]/) { letter = substr(line, 2, 1); line = substr(line, 5) }
	help = ""
	if (match(line, /   */)) { help = substr(line, RSTART + RLENGTH); line = substr(line, 1, RSTART - 1) }
	name = line; argument = ""
	if (match(line, /[[ ]/)) { name = substr(line, 1, RSTART - 1); argument = substr(line, RSTART) }
	add("option", letter, substr(name, 3), argument, help)
	next
}
/^  [a-z]/ {
	line = substr($0, 3)
	help = ""
	if (match(line, /   */)) { help = substr(line, RSTART + RLENGTH); line = substr(line, 1, RSTART - 1) }
	name = line; argument = ""
	if (match(line, / /)) { name = substr(line, 1, RSTART - 1); argument = substr(line, RSTART) }
	add("verb", "", name, argument, help)
	next
}
/^                            / { sub(/^ +/, ""); helps[n] = helps[n] (helps[n] == "" ? "" : " ") $0 }

# --- a man page ---

function roff(text) {
	gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text)
	gsub(/`/, "\\(ga", text); gsub(/'/, "\\(aq", text); gsub(/\^/, "\\(ha", text); gsub(/~/, "\\(ti", text)
	gsub(/…/, "\\\\[u2026]", text)
	sub(/^\./, "\\\\\\&.", text)
	return text
}
function man(  i, was) {
	for (i = 1; i <= n; i++) {
		if (kinds[i] == "verb" && was != "verb") print ".SH VERBS"
		if (kinds[i] == "option" && was != "option" && was != "heading") print ".SH OPTIONS"
		was = kinds[i]
		if (was == "heading") { print ".SS " roff(names[i]); continue }
		print ".TP"
		if (was == "verb") print "\\fB" names[i] "\\fR" (arguments[i] == "" ? "" : "\\fI" roff(arguments[i]) "\\fR")
		else print (letters[i] == "" ? "" : "\\fB\\-" letters[i] "\\fR, ") "\\fB\\-\\-" roff(names[i]) "\\fR" \
			(arguments[i] == "" ? "" : "\\fI" roff(arguments[i]) "\\fR")
		print roff(helps[i])
	}
}

# --- completions ---

function bare(argument) {
	if (argument ~ /^\[/) sub(/\]$/, "", argument)
	sub(/^[[= ]+/, "", argument)
	return argument
}
# What an argument may be: words, or "files", "folders", "" for anything.
function choices(argument) {
	argument = bare(argument)
	if (argument ~ /^(FILE|PROBLEM|SPEC|RECEIPT)/) return "files"
	if (argument ~ /^DIR\|/) return "folders"
	if (argument ~ /^DIR/) return "folders"
	if (argument ~ /^[a-z]+(\|[a-z]+)+$/) { gsub(/\|/, " ", argument); return argument }
	return ""
}
function dashed(i) { return (letters[i] == "" ? "" : "-" letters[i] " ") "--" names[i] }
function of_verb(wanted,   i, words) {
	for (i = 1; i <= n; i++) if (kinds[i] == "option" && of[i] == wanted) words = words (words == "" ? "" : " ") dashed(i)
	return words
}
function verb_words(   i, words) {
	for (i = 1; i <= n; i++) if (kinds[i] == "verb") words = words (words == "" ? "" : " ") names[i]
	return words
}
function patterns(i) { return (letters[i] == "" ? "" : "-" letters[i] " | ") "--" names[i] }
function quote(text) { gsub(/'/, "'\\''", text); return "'" text "'" }

function bash(   i, c, function_name) {
	function_name = "_" program
	gsub(/-/, "_", function_name)
	print "# bash completion of " program ": made by dist/man/update from --help"
	print function_name "() {\n\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} options verbs" (verb_words() == "" ? "" : " each")
	print "\toptions='" of_verb("") "'\n\tverbs='" verb_words() "'"
	print "\tCOMPREPLY=()\n\tcase $before in"
	for (i = 1; i <= n; i++) {
		if (kinds[i] != "option" || arguments[i] == "" || arguments[i] ~ /^\[/) continue
		c = choices(arguments[i])
		print "\t" patterns(i) ")"
		if (c == "files") print "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\")"
		else if (c == "folders") print "\t\tmapfile -t COMPREPLY < <(compgen -d -- \"$word\")"
		else if (c != "") print "\t\tmapfile -t COMPREPLY < <(compgen -W '" c "' -- \"$word\")"
		print "\t\treturn\n\t\t;;"
	}
	print "\tesac"
	if (verb_words() != "") {
		print "\tfor each in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n\t\tcase $each in"
		for (i = 1; i <= n; i++) if (kinds[i] == "verb")
			print "\t\t" names[i] ") verbs=''" (of_verb(names[i]) == "" ? "" : " options=\"$options " of_verb(names[i]) "\"") " ;;"
		print "\t\tesac\n\tdone"
	}
	print "\tcase $word in"
	print "\t-*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\") ;;"
	print "\t*) mapfile -t COMPREPLY < <(compgen -W \"$verbs\" -- \"$word\") ;;"
	print "\tesac\n}\ncomplete -o filenames -o bashdefault -F " function_name " " program
}

function zsh_text(text) { gsub(/\[/, "(", text); gsub(/\]/, ")", text); gsub(/:/, "\\:", text); return text }
function zsh_argument(i,   c, label) {
	if (arguments[i] == "") return ""
	label = bare(arguments[i])
	gsub(/:/, "\\:", label)
	c = choices(arguments[i])
	return (arguments[i] ~ /^\[/ ? "::" : ":") label ":" \
		(c == "files" ? "_files" : c == "folders" ? "_files -/" : c == "" ? " " : "(" c ")")
}
function zsh(   i, spec, line) {
	print "#compdef " program "\n# zsh completion of " program ": made by dist/man/update from --help"
	print "local -a verbs options\noptions=("
	for (i = 1; i <= n; i++) {
		if (kinds[i] != "option") continue
		spec = "[" zsh_text(helps[i]) "]" zsh_argument(i)
		if (arguments[i] ~ /^\[=/) spec = "=-" spec
		if (letters[i] != "") print "\t" quote("*-" letters[i] spec)
		print "\t" quote("*--" names[i] spec)
	}
	print ")"
	if (verb_words() == "") { print "_arguments -s $options"; return }
	print "verbs=("
	for (i = 1; i <= n; i++) if (kinds[i] == "verb") print "\t" quote(names[i] ":" helps[i])
	print ")\n_arguments -s $options '1: :{_describe verb verbs}' '*: :_files'"
}

function fish(   i, c, line) {
	print "# fish completion of " program ": made by dist/man/update from --help"
	print "complete -c " program " -f"
	for (i = 1; i <= n; i++) {
		if (kinds[i] == "verb") {
			print "complete -c " program " -n __fish_use_subcommand -a " names[i] " -d " fish_quote(helps[i])
			continue
		}
		if (kinds[i] != "option") continue
		line = "complete -c " program
		if (of[i] != "") line = line " -n '__fish_seen_subcommand_from " of[i] "'"
		if (letters[i] != "") line = line " -s " letters[i]
		line = line " -l " names[i]
		c = choices(arguments[i])
		if (arguments[i] != "" && arguments[i] !~ /^\[/) line = line " -r"
		if (c == "files") line = line " -F"
		else if (c == "folders") line = line " -a '(__fish_complete_directories)'"
		else if (c != "") line = line " -a '" c "'"
		print line " -d " fish_quote(helps[i])
	}
}
function fish_quote(text) { gsub(/\\/, "\\\\", text); gsub(/'/, "\\'", text); return "'" text "'" }

END {
	if (format == "man") man()
	else if (format == "bash") bash()
	else if (format == "zsh") zsh()
	else if (format == "fish") fish()
}
