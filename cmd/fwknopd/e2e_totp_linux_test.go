package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/pty"
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
	cmd := s.asking(args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// asking returns our client with the arguments that ask for the port.
func (s *codeSite) asking(args ...string) *exec.Cmd {
	all := append(ask(), "--no-rc-file", "--no-save-args", "-D", s.Server.V4.String(), "-a", s.Client.V4.String(), "-f", "2",
		"--key-rijndael", strings.ReplaceAll(spaKey, " ", "_"), "--key-hmac", strings.ReplaceAll(hmacKey, " ", "_"))
	return s.Client.Command(s.client, append(all, args...)...)
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

// A prompted client is one that ssh has started as its ProxyCommand: standard input and output
// are those of the connection, and it asks on the terminal.
type prompted struct {
	*exec.Cmd
	input          io.WriteCloser
	output, stderr netlab.Output
	screen         netlab.Output
}

// prompted starts our client with --totp-prompt and --proxy on a terminal, to which the code is
// typed once it is asked for and not echoed. The connection has bytes to send before that.
func (s *codeSite) prompted(code, first string, args ...string) *prompted {
	s.t.Helper()
	p := &prompted{Cmd: s.asking(append([]string{"--totp-prompt", "--proxy", s.Server.V4.String(), strconv.Itoa(e2ePort)}, args...)...)}
	master, slave := pty.Open(s.t)
	p.Stdout, p.Stderr = &p.output, &p.stderr
	p.ExtraFiles = []*os.File{slave}
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	var err error
	if p.input, err = p.StdinPipe(); err == nil {
		err = p.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	deadline := time.AfterFunc(2*wait.Timeout, func() { p.Process.Kill() }) // ends the Wait of the caller
	s.t.Cleanup(func() { deadline.Stop(); p.Process.Kill() })
	slave.Close()
	go io.Copy(&p.screen, master)
	if _, err := io.WriteString(p.input, first); err != nil {
		s.t.Fatal(err)
	}
	wait.For(s.t, "the prompt, without echo", func() bool {
		modes, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS)
		return err == nil && modes.Lflag&unix.ECHO == 0 && p.screen.String() == "One-time code: "
	})
	if _, err := master.WriteString(code + "\n"); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// ended returns the exit code of the client, after the end of what ssh sends.
func (s *codeSite) ended(p *prompted) int {
	s.t.Helper()
	p.input.Close()
	p.Wait()
	if !wait.Until(wait.Timeout, func() bool { return p.screen.String() == "One-time code: \r\n" }) {
		s.t.Errorf("on the terminal: %q", p.screen.String())
	}
	return p.ProcessState.ExitCode()
}

// TestE2ECodePrompt: behind --proxy the code is asked for on the terminal, while standard input
// and output pass on the connection and nothing else. A code that was used, or is none, ends the
// client with nothing passed on; a replay decides the same.
func TestE2ECodePrompt(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "tcpdump")
	s := &codeSite{&recording{site: newSite(t, "nftables")}, ourClient(t)}
	s.part("", codeStanza())
	const banner = "SSH-2.0-OpenSSH\r\n"
	code := codeKey.Code(totp.Step(time.Now()) + 1)
	p := s.prompted(code[:3]+" "+code[3:], banner, "--wait="+wait.Timeout.String())
	wait.For(t, "the echo of what was sent before the code", func() bool { return p.output.String() == banner })
	if exit := s.ended(p); exit != 0 || p.output.String() != banner || p.stderr.String() != "" {
		t.Errorf("exit %d: %q, %s", exit, p.output.String(), p.stderr.String())
	}
	wait.For(t, "the end of the grant", s.shut)

	p = s.prompted(code, banner, "--wait=300ms")
	if exit := s.ended(p); exit != 3 || p.output.String() != "" || !strings.Contains(p.stderr.String(), "still closed") {
		t.Errorf("a code that was used: exit %d: %q, %s", exit, p.output.String(), p.stderr.String())
	}
	p = s.prompted(code[:5], banner, "--wait=300ms")
	if exit := s.ended(p); exit != 2 || p.output.String() != "" || !strings.Contains(p.stderr.String(), "the one-time code: want 6 digits") {
		t.Errorf("no code: exit %d: %q, %s", exit, p.output.String(), p.stderr.String())
	}
	s.end(false)
	if got := len(s.parts[0].decisions); got != 3 { // nothing was sent with what is no code; the last one brings none
		t.Errorf("%d decisions: %s", got, s.parts[0].decisions)
	}
	s.compare(s.parts[0])
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
