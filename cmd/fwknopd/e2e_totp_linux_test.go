package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
	"fwknopd/policy/totp"
)

// codeKey makes the codes of the tests.
var codeKey = totp.New([]byte("a secret of 20 bytes"))

// codeStanza is a stanza that wants them.
func codeStanza() string {
	return stanza("REQUIRE_AUTH_METHOD totp\nTOTP_SECRET " + totp.Encode([]byte("a secret of 20 bytes")))
}

// ourClient builds our client once for a test.
func ourClient(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "fwknop")
	if out, err := exec.Command("go", "build", "-o", bin, "../fwknop").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// A codeSite is a site whose stanza wants codes.
type codeSite struct {
	*recording
	client string
}

// ask has our client ask for the port, and returns its output and exit code.
func (s *codeSite) ask(args ...string) (string, int) {
	s.t.Helper()
	all := append(ask(), "--no-rc-file", "--no-save-args", "-D", s.Server.V4.String(), "-a", s.Client.V4.String(), "-f", "2",
		"--key-rijndael", strings.ReplaceAll(spaKey, " ", "_"), "--key-hmac", strings.ReplaceAll(hmacKey, " ", "_"))
	cmd := s.Client.Command(s.client, append(all, args...)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// refused has our client ask with a code that is refused with a text.
func (s *codeSite) refused(code, why string) {
	s.t.Helper()
	before := s.said(why)
	if out, exit := s.ask("--totp", code); exit != 0 {
		s.t.Fatalf("%d %s", exit, out)
	}
	wait.For(s.t, why, func() bool { return s.said(why) > before })
	if !s.shut() {
		s.t.Errorf("open: %s", why)
	}
}

// TestE2ECode: our client opens the port with a code, once for each, whatever ends or is
// loaded again in between, on both firewalls. Neither the code nor the secret is in a log or in
// the journal, and a replay of what was captured decides the same.
func TestE2ECode(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "tcpdump")
	client := ourClient(t)
	each(t, func(t *testing.T, site *site) {
		s := &codeSite{&recording{site: site}, client}
		s.part("KNOPWATCHD_CHECK_INTERVAL 1;\n", codeStanza())
		s.refused("000000", "wrong one-time code")
		step := totp.Step(time.Now())
		code := codeKey.Code(step + 1) // good for a minute at least
		if out, exit := s.ask("--totp-command", "echo "+code, "--wait"); exit != 0 || !strings.Contains(out, ": open after ") {
			t.Fatalf("%d %s", exit, out)
		}
		if !wait.Until(wait.Timeout, s.shut) {
			t.Fatal("still open long after its time")
		}
		const used = "the one-time code was used before"
		s.refused(code, used)
		s.reload()
		s.refused(code, used)
		ready := s.said("at work")
		s.signalWorker(syscall.SIGKILL)
		wait.For(t, "the next worker", func() bool { return s.said("at work") > ready })
		s.refused(code, used)
		said := s.out.String()
		s.stop()
		s.start()
		s.refused(code, used)
		if out, exit := s.ask("--wait=300ms"); exit != 3 {
			t.Errorf("without a code: %d %s", exit, out)
		}
		s.waitFor("the message brings no one-time code")
		said += s.out.String() + s.events()
		journal, err := os.ReadFile(filepath.Join(s.dir, "digests"))
		if err != nil || len(journal) == 0 {
			t.Fatalf("%v, a journal of %d bytes", err, len(journal))
		}
		for _, secret := range []string{"totp," + code, "code " + code, totp.Encode([]byte("a secret of 20 bytes")), "secret of 20"} {
			if strings.Contains(said+string(journal), secret) {
				t.Errorf("%q is in the logs or in the journal", secret)
			}
		}
		s.end(false)
		if granted := strings.Count(strings.Join(s.parts[0].decisions, "\n"), "spa.granted"); granted != 1 {
			t.Errorf("%d granted", granted)
		}
		s.compare(s.parts[0])
	})
}

// TestE2ECodeWithoutJournal: a code that was used is refused after a restart also where digests are
// in memory alone and the age of messages is not checked.
func TestE2ECodeWithoutJournal(t *testing.T) {
	t.Parallel()
	s := &codeSite{&recording{site: newSite(t, "nftables")}, ourClient(t)}
	s.configure("ENABLE_DIGEST_PERSISTENCE N;\nENABLE_SPA_PACKET_AGING N;\nKNOPWATCHD_CHECK_INTERVAL 1;\n", codeStanza())
	s.start()
	code := nextCode()
	if out, exit := s.ask("--totp", code, "--wait"); exit != 0 || !strings.Contains(out, ": open after ") {
		t.Fatalf("%d %s", exit, out)
	}
	if !wait.Until(wait.Timeout, s.shut) {
		t.Fatal("still open long after its time")
	}
	s.stop()
	s.start()
	s.refused(code, "the one-time code is from before the records that are kept")
}

// nextCode returns the first code that is not accepted yet, at the time from which on it is.
func nextCode() string {
	step := totp.Step(time.Now()) + totp.Skew + 1
	wait.At(totp.Earliest(step))
	return codeKey.Code(step)
}
