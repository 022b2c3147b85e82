package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/short"
)

// complete has a shell complete a command line, whose last word is the one at hand, with the
// completions in its script.
var complete = map[string]string{
	"bash": `source "$SCRIPT" && COMP_WORDS=("$@") && COMP_CWORD=$(($#-1)) && { _$1; printf '%s\n' "${COMPREPLY[@]}"; }`,
	"zsh": `zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z "source $SCRIPT.init"
		while zpty -r z REPLY; do [[ $REPLY == *PREPARED* ]] && break; done
		zpty -w -n z "$*"$'\t'
		while zpty -r z REPLY; do
			[[ $REPLY == *FINISHED* ]] && break
			[[ $REPLY == HIT:* ]] && print -r -- ${${REPLY#HIT:}%%$'\r'*}
		done; :`,
	"fish": `source $SCRIPT; complete -C "$argv"`,
}

// zshInit is read by the zsh in the terminal that it makes: what is offered goes through
// compadd, which prints it.
const zshInit = `PROMPT=
autoload compinit; compinit -u -d "$SCRIPT.dump"
source $SCRIPT
bindkey '^I' complete-word
done_() { print; print FINISHED; exit }
start_() { print }
compprefuncs=(start_)
comppostfuncs=(done_)
zstyle ':completion:*' insert-tab false
compadd() {
	if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
		local -a hits; local hit
		builtin compadd -A hits "$@"
		for hit in $hits; do print -r -- HIT:$hit; done
	fi
	builtin compadd "$@"
}
print PREPARED
`

// TestCompletions has the shells complete command lines: commands, the options of the command
// at hand, and the values that an option allows.
func TestCompletions(t *testing.T) {
	short.Skip(t)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				netlab.SkipOrFail(t, err.Error())
			}
			var script, stderr bytes.Buffer
			if code := Completions([]string{shell}, []string{"spa.replay", "spa.stale"}, &script, &stderr); code != exitOK {
				t.Fatalf("exit %d, %s", code, &stderr)
			}
			if err := ClientCompletions(shell, &script); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "completions")
			if err := os.WriteFile(file, script.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file+".init", []byte(zshInit), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, tt := range []struct {
				line      string
				want, not []string
			}{
				{"fwknop --resolve", []string{"--resolve-ip-https", "--resolve-url"}, []string{"--wget-cmd"}},
				{"fwknop -n gw --no-s", []string{"--no-save-args"}, []string{"--no-locale"}},
				{"fwknop --dry-run --format js", []string{"json", "jsonl"}, []string{"text"}},
				{"fwknop --key-gen --key-", []string{"--key-gen-file", "--key-len"}, []string{"--fw-list"}},
				{"fwknop ch", nil, []string{"check"}},
				{"fwknopd ch", []string{"check"}, []string{"replay"}},
				{"fwknopd check --o", []string{"--offline"}, []string{"--os", "--what-if"}},
				{"fwknopd replay --w", []string{"--what-if"}, nil},
				{"fwknopd --fw-l", []string{"--fw-list", "--fw-list-all"}, []string{"--what-if"}},
				{"fwknopd check --format js", []string{"json", "jsonl"}, []string{"text"}},
				{"fwknopd grants r", []string{"revoke"}, []string{"replay"}},
				{"fwknopd explain --reason spa.s", []string{"spa.stale"}, []string{"spa.replay"}},
				{"fwknopd help spa.r", []string{"spa.replay"}, []string{"spa.stale"}},
				{"fwknopd help ch", []string{"check"}, []string{"spa.stale"}},
			} {
				got := runShell(t, path, shell, file, tt.line)
				for _, w := range tt.want {
					if !slices.Contains(got, w) {
						t.Errorf("%q: no %s in %q", tt.line, w, got)
					}
				}
				for _, n := range tt.not {
					if slices.Contains(got, n) {
						t.Errorf("%q: %s in %q", tt.line, n, got)
					}
				}
			}
		})
	}
}

// runShell returns the words that a shell offers for a line.
func runShell(t *testing.T, path, shell, script, line string) (words []string) {
	t.Helper()
	args := []string{"-c", complete[shell]}
	switch shell {
	case "bash":
		args = append([]string{"--norc"}, append(args, "bash")...)
		args = append(args, strings.Split(line, " ")...)
	case "zsh":
		args = append([]string{"-f"}, append(args, "zsh", line)...)
	case "fish":
		args = append([]string{"--no-config"}, append(args, line)...)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "SCRIPT="+script, "HOME="+t.TempDir(), "TERM=dumb")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	for l := range strings.Lines(string(out)) {
		word, _, _ := strings.Cut(strings.TrimSpace(l), "\t")
		words = append(words, word)
	}
	return words
}

// TestExamples: the command lines of the help texts are understood.
func TestExamples(t *testing.T) {
	for c, lines := range examples {
		for _, line := range lines {
			words := strings.Fields(line)[1:]
			if c != Daemon {
				name := strings.Fields(commandNames[c])
				if len(words) < len(name) || !slices.Equal(words[:len(name)], name) {
					t.Fatalf("%s stands at %s", line, c)
				}
				words = words[len(name):]
			}
			if o, err := Parse(c, words); err != nil || len(o.Obsolete) > 0 {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

// TestTopics: every command has a line in the help text of the daemon, from which the list of
// topics and the completions take their summaries.
func TestTopics(t *testing.T) {
	for _, name := range names() {
		if s := summary(name); s == "" || strings.HasPrefix(s, " ") || strings.Contains(s, "  ") {
			t.Errorf("%s: %q", name, s)
		}
	}
	for first, title := range headings {
		if Daemon.findExact(first) == nil {
			t.Errorf("no option %s below %q", first, title)
		}
	}
}
