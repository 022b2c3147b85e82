package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fwknopd/fixtures/netlab"
)

// fields returns what is in a message, as the 2.6 client or ours prints it.
func fields(out string) (all []string) {
	for _, name := range []string{`Username|user`, `Message Type|type`, `Message String|message`, `Nat Access|NAT`, `Client Timeout|timeout`, `Digest Type|digest`} {
		m := regexp.MustCompile(`(?m)^ +(?:` + name + `):? +(\S.*)$`).FindStringSubmatch(out)
		value := ""
		if m != nil && m[1] != "<NULL>" && m[1] != "0" || strings.HasPrefix(name, "Message Type") {
			value = strings.TrimSuffix(m[1], " s")
			value = regexp.MustCompile(`^\d \((SHA.*|MD5)\)$`).ReplaceAllString(value, "$1")
			value = regexp.MustCompile(` \(.*`).ReplaceAllString(value, "")
		}
		all = append(all, strings.ToLower(value))
	}
	return all
}

// TestE2ESameAs26: the 2.6 client and ours put the same into a message, from the command
// line and from a stanza that either of them has saved.
func TestE2ESameAs26(t *testing.T) {
	netlab.Need(t, "fwknop")
	base := []string{"-D", "127.0.0.1", "-U", "alice", "--key-rijndael", "fwknoptest", "--key-hmac", "hmactest1", "--use-hmac", "--no-save-args"}
	for _, line := range []string{
		"-A tcp/22 -a 192.0.2.7",
		"-A tcp/22,udp/53 -a 192.0.2.7 -f 60",
		"-A tcp/22 -a 192.0.2.7 -f 0",
		"-C w -a 192.0.2.7",
		"-A tcp/22 -a 192.0.2.7 -N 10.0.0.1",
		"-A tcp/22 -a 192.0.2.7 -N 10.0.0.1:33",
		"-A tcp/22 -a 192.0.2.7 -N 10.0.0.1,33 -f 5",
		"-A tcp/22 -a 192.0.2.7 -N inside.example:33",
		"-A tcp/22 -a 192.0.2.7 -N 10.0.0.1 --nat-port 4000",
		"-A tcp/22 -a 192.0.2.7 --nat-local",
		"-A tcp/22 -a 192.0.2.7 --nat-local --nat-port 4000 -f 7",
		"-A tcp/22 -a 192.0.2.7 -m sha512 -M ctr --time-offset-plus 2min",
		"-A tcp/22 -a 192.0.2.7 -m md5 --hmac-digest-type sha3_256",
	} {
		args := append(slices.Clone(base), strings.Fields(line)...)
		r := newRunner(t)
		theirs, ours := filepath.Join(r.home, "theirs"), filepath.Join(r.home, "ours")
		for _, name := range []string{theirs, ours} {
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		them := func(args ...string) string {
			t.Helper()
			out, err := debianClient(r.home, args...)
			if err != nil {
				t.Fatalf("%s: %v\n%s", line, err, out)
			}
			return out
		}
		us := func(args ...string) string {
			t.Helper()
			if code := r.run(t, args...); code != exitOK {
				t.Fatalf("%s: %s", line, r.stderr.String())
			}
			return r.stdout.String()
		}
		want := fields(them(append(args, "-T", "--rc-file", theirs)...))
		if slices.Contains(want[:3], "") {
			t.Fatalf("%s: the output of 2.6 is not understood: %q", line, want)
		}
		if got := fields(us(append(args, "-T", "--no-rc-file")...)); !slices.Equal(got, want) {
			t.Errorf("%s:\n2.6:  %q\nours: %q", line, want, got)
		}
		if strings.Contains(line, "-C") { // there is no keyword for commands
			continue
		}
		them(append(args, "-T", "--rc-file", theirs, "-n", "gw", "--save-rc-stanza")...)
		us(append(args, "--rc-file", ours, "-n", "gw", "--save-rc-stanza")...)
		for _, file := range []string{theirs, ours} {
			if got := fields(us("-n", "gw", "-T", "--rc-file", file)); !slices.Equal(got, want) {
				t.Errorf("%s: ours reads of %s\n%q, want\n%q", line, filepath.Base(file), got, want)
			}
			if got := fields(them("-n", "gw", "-T", "--rc-file", file)); !slices.Equal(got, want) {
				t.Errorf("%s: 2.6 reads of %s\n%q, want\n%q", line, filepath.Base(file), got, want)
			}
		}
	}
}

// debianClient runs the 2.6 client.
func debianClient(home string, args ...string) (string, error) {
	cmd := exec.Command("fwknop", args...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	out, err := cmd.CombinedOutput()
	before, _, _ := strings.Cut(string(out), "Dump of the Decoded Data")
	return before, err
}
