package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCode: the code is in the message, wherever it comes from and whatever is asked for, and
// nowhere else.
func TestCode(t *testing.T) {
	for args, rc := range map[string]string{
		"-A tcp/22 --totp 287082":                         "",
		"-A tcp/22,udp/53 -f 60 --totp 287082":            "",
		"-A tcp/22 -N 10.0.0.1 -f 5 --totp 287082":        "",
		"-C w --totp 287082":                              "",
		"-A tcp/22 --totp-prompt":                         "",
		"-A tcp/22 -n gw":                                 "[gw]\nTOTP_PROMPT Y\n",
		"-A udp/53 -n gw":                                 "[gw]\nTOTP_COMMAND: sh -c 'echo 287 082 # ;'\n",
		"-A tcp/80 -n gw --totp 287082":                   "[gw]\nTOTP_COMMAND false\n",
		"-A tcp/81 -n gw --totp-command echo\\ 287082":    "[gw]\nTOTP_PROMPT Y\n",
		"-A tcp/82 -n gw --totp-prompt":                   "[default]\nTOTP_COMMAND false\n[gw]\nUSE_HMAC Y\n",
		"-A tcp/83 -n gw":                                 "[default]\nTOTP_COMMAND false\n[gw]\nTOTP_PROMPT Y\n",
		"-A tcp/84 --totp-command printf\\ %06d\\ 287082": "",
	} {
		r := newRunner(t)
		r.rc(t, rc)
		r.typed = map[string]string{"One-time code: ": "287 082"}
		var words []string
		for w := range strings.SplitSeq(strings.ReplaceAll(args, "\\ ", "\x00"), " ") {
			words = append(words, strings.ReplaceAll(w, "\x00", " "))
		}
		m := open(t, r.packet(t, append(slices.Clone(keyed), words...)...), theKey)
		if m.ServerAuth != "totp,287082" {
			t.Errorf("%s: %q", args, m.ServerAuth)
		}
		saved, _ := os.ReadFile(filepath.Join(r.home, ".fwknop.run"))
		if strings.Contains(r.stdout.String()+r.stderr.String()+string(saved), "287") {
			t.Errorf("%s: the code is in %s%s%s", args, &r.stdout, &r.stderr, saved)
		}
	}
}

// TestCodeIsShownAsSuch: --test tells that there is one.
func TestCodeIsShownAsSuch(t *testing.T) {
	r := newRunner(t)
	args := append(slices.Clone(keyed), "-A", "tcp/22", "--totp", "287082", "-T")
	if r.run(t, args...); !strings.Contains(r.stdout.String(), "  code         one, good for once\n") || strings.Contains(r.stdout.String(), "password") {
		t.Errorf("got %s", &r.stdout)
	}
	r.run(t, append(args, "--json")...)
	var s shown
	if err := json.Unmarshal(r.stdout.Bytes(), &s); err != nil || !s.Code || s.Password {
		t.Errorf("%v, %+v", err, s)
	}
}

// TestSavedCommand: what makes the codes is saved in a stanza, a code is not.
func TestSavedCommand(t *testing.T) {
	r := newRunner(t)
	args := append(slices.Clone(keyed), "-A", "tcp/22", "-n", "gw", "--save-rc-stanza", "-T")
	if code := r.run(t, append(args, "--totp", "287082")...); code != exitUsage || !strings.Contains(r.stderr.String(), "--totp has no keyword in the rc file") {
		t.Errorf("%d %s", code, &r.stderr)
	}
	if code := r.run(t, append(args, "--totp-command", "sh -c 'echo 287 082 # ;'")...); code != exitOK {
		t.Fatalf("%d %s", code, &r.stderr)
	}
	text, err := os.ReadFile(filepath.Join(r.home, ".fwknoprc"))
	if err != nil || !strings.Contains(string(text), "TOTP_COMMAND                sh -c 'echo 287 082 # ;'\n") {
		t.Errorf("%v %s", err, text)
	}
}

func TestRefusedCodes(t *testing.T) {
	for args, want := range map[string]string{
		"--totp 28708":                    "--totp: want 6 digits",
		"--totp 28708x":                   "--totp: want 6 digits",
		"--totp=":                         "--totp: want 6 digits",
		"--totp-prompt":                   "the one-time code: want 6 digits",
		"--totp-command true":             "what the command of --totp-command prints: want 6 digits",
		"--totp-command=":                 "",
		"--totp-command '":                "--totp-command: a quote is not closed",
		"--totp-command false":            "--totp-command: false: exit status 1",
		"--totp-command /there/is/none":   "--totp-command: /there/is/none: ",
		"--totp 287082 --totp-prompt":     "--totp and --totp-prompt exclude each other",
		"--totp 287082 --server-auth x":   "--server-auth and --totp exclude each other",
		"--server-auth totp":              "the only method is crypt; one-time codes are sent with --totp",
		"--Server-mode knock --totp 1":    "totp",
		"--totp-command ls\x00/there/not": "--totp-command: ls: exit status",
	} {
		r := newRunner(t)
		r.typed = map[string]string{"One-time code: ": "28708"}
		var words []string
		for _, w := range strings.Fields(args) {
			words = append(words, strings.ReplaceAll(w, "\x00", " "))
		}
		code := r.run(t, append(append(slices.Clone(keyed), "-A", "tcp/22", "-T"), words...)...)
		if (code != exitOK) != (want != "") || !strings.Contains(r.stderr.String(), want) || strings.Contains(r.stderr.String(), "28708") {
			t.Errorf("%s: %d %s, want %s", args, code, &r.stderr, want)
		}
	}
}
