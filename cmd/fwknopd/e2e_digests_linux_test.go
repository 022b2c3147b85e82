package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// A digestSite is a site with a message that was granted once.
type digestSite struct {
	*site
	packet string
}

// newDigestSite starts a daemon and has a message granted.
func newDigestSite(t *testing.T, server string) *digestSite {
	t.Helper()
	s := &digestSite{site: newSite(t, "nftables")}
	s.configure("EVENT_LOG "+s.dir+"/log/events.jsonl;\nKNOPWATCHD_CHECK_INTERVAL 1;\nDIGEST_FILE "+s.dir+"/digests/digest.cache;\n"+server, stanza(""))
	s.start()
	s.grant()
	return s
}

// grant has a new message open the port, until it is shut again.
func (s *digestSite) grant() {
	s.t.Helper()
	s.message()
	if !s.open() || !wait.Until(wait.Timeout, s.shut) {
		s.t.Fatal("not open for its time")
	}
}

// message has the client make a new message and send it, unless its arguments more say not
// to.
func (s *digestSite) message(more ...string) {
	s.t.Helper()
	path := filepath.Join(s.dir, "packet")
	s.knock(append(append(ask(), "-f", "2", "-B", path), more...)...)
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.packet = strings.TrimSpace(string(text))
}

// refuses sends the message again.
func (s *digestSite) refuses() {
	s.t.Helper()
	refused := s.said("spa.replay")
	send(s.t, s.site, s.packet)
	if !wait.Until(wait.Timeout, func() bool { return s.said("spa.replay") > refused }) {
		s.t.Error("a message is not refused the second time")
	}
	if !s.shut() {
		s.t.Error("a message opened twice")
	}
}

// killWorker ends the worker and waits for the next.
func (s *digestSite) killWorker() {
	s.t.Helper()
	ready := s.said("at work")
	syscall.Kill(s.worker(), syscall.SIGKILL)
	wait.For(s.t, "the next worker", func() bool { return s.said("at work") > ready })
}

func (s *digestSite) journal() string { return filepath.Join(s.dir, "digests", "digest.cache") }

// A message is granted once, whichever process is killed, with and without a file.
func TestE2EGrantedOnceWhateverDies(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]string{"file": "", "memory": "ENABLE_DIGEST_PERSISTENCE N;\n"} {
		t.Run(name, func(t *testing.T) {
			s := newDigestSite(t, server)
			s.refuses()
			for range 2 {
				s.killWorker()
				s.refuses()
			}
			s.grant()
			s.refuses()
			s.kill()
			s.start()
			s.refuses()
			if s.said("may be lost") > 0 {
				t.Error("the death of the daemon is taken for a loss of digests")
			}
			s.grant()
		})
	}
}

// A message is granted once whatever becomes of the journal, while it is in use and while
// it is not, and what may be lost is said.
func TestE2EGrantedOnceWhateverTheJournal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm        func(path string) error
		lost, again bool // while in use it is said to be lost, or to be written again
	}{
		"removed":  {os.Remove, false, true},
		"replaced": {func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) }, false, true},
		"emptied":  {func(path string) error { return os.Truncate(path, 0) }, true, false},
		"a hole of 1 TiB": {func(path string) error {
			return os.Truncate(path, 1<<40)
		}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newDigestSite(t, "")
			if err := c.harm(s.journal()); err != nil {
				t.Fatal(err)
			}
			s.killWorker()
			s.refuses()
			if lost, again := s.said("digests may be lost") == 1, s.said("is written again") == 1; lost != c.lost || again != c.again {
				t.Errorf("lost: %v, written again: %v", lost, again)
			}
			s.grant()
			s.stop()
			if strings.HasPrefix(name, "a hole") {
				return // which is refused at a start
			}
			if err := c.harm(s.journal()); err != nil {
				t.Fatal(err)
			}
			s.start()
			s.refuses()
			if s.said("digests may be lost") != 1 || !strings.Contains(s.events(), `"digests.lost"`) {
				t.Error("the loss of the journal is not said")
			}
			s.grant()
		})
	}
}

// A message opens at most once, and nothing stays open, when either process is killed at any
// moment of a grant: before or after its digest is on disk, its rule is set, its answer is
// sent. FWKNOPD_FAULTS is the number of rounds.
func TestE2EKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	rounds := 10
	if n, err := strconv.Atoi(os.Getenv("FWKNOPD_FAULTS")); err == nil {
		rounds = n
	}
	s := newDigestSite(t, "")
	counts := make(map[string]int)
	for i := range rounds {
		s.message("--test") // not sent yet
		half, ready, earlier := s.worker(), s.said("at work"), s.said("[+] opened ")
		if i%2 == 1 {
			half = s.cmd.Process.Pid
		}
		send(t, s.site, s.packet)
		<-time.After(rand.N(4 * time.Millisecond)) // a grant takes about two
		if err := syscall.Kill(half, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		opened := false
		if i%2 == 1 {
			s.cmd.Wait()
			opened = s.said("[+] opened ") > earlier || !s.shut() // before the output is emptied
			s.start()
		} else {
			wait.For(t, "the next worker", func() bool { return s.said("at work") > ready })
			opened = s.said("[+] opened ") > earlier || !s.shut()
		}
		if !wait.Until(wait.Timeout, s.shut) {
			t.Fatalf("round %d: it is still open", i)
		}
		granted, refused := s.said("granted spa.granted"), s.said("spa.replay")
		send(t, s.site, s.packet)
		wait.For(t, "a decision", func() bool { return s.said("granted spa.granted") > granted || s.said("spa.replay") > refused })
		switch again := s.said("granted spa.granted") > granted; {
		case again && opened:
			t.Fatalf("round %d: the message opened twice; the daemon said:\n%s", i, s.out.String())
		case again:
			counts["killed before it was recorded"]++
			wait.For(t, "the end of the grant", func() bool { return s.said("[+] closed ") > 0 && s.shut() })
		case opened:
			counts["killed after it opened"]++
		default:
			counts["killed between the two"]++
		}
		s.refuses()
		s.stop()
		s.start() // with an empty output
	}
	t.Logf("%d rounds: %v", rounds, counts)
	if rounds >= 100 && len(counts) < 3 {
		t.Error("not every moment was met")
	}
}

// kill ends the daemon, and the worker with it.
func (s *digestSite) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	s.cmd.Wait()
}

// A full disk refuses, says so, and is no matter once there is room again.
func TestE2EFullDiskRefuses(t *testing.T) {
	t.Parallel()
	s := &digestSite{site: newSite(t, "nftables")}
	mountTiny("", false)(t, s.site)
	s.configure("DIGEST_FILE "+s.dir+"/digests/digest.cache;\n", stanza(""))
	s.start()
	text, err := os.ReadFile(s.journal())
	if err != nil {
		t.Fatal(err)
	}
	// What is left of the only page takes no line.
	if err := os.WriteFile(s.journal()+".old", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.stop()
	full := append(bytes.Clone(text), bytes.Repeat([]byte("# filler\n"), (4096-len(text))/9)...)
	if err := os.WriteFile(s.journal(), full, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.message()
	s.waitFor("spa.store")
	s.waitFor("digests cannot be recorded, so that nothing is granted")
	if !s.shut() {
		t.Fatal("granted although nothing could be recorded")
	}
	if err := syscall.Mount("tmpfs", filepath.Dir(s.journal()), "tmpfs", syscall.MS_REMOUNT, "size=64k"); err != nil {
		t.Fatal(err)
	}
	s.refuses()
	s.grant()
}

// SIGTERM ends a daemon that reads a long journal, and one that is too long is refused.
func TestE2ELongJournal(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("DIGEST_FILE "+s.dir+"/digest.cache;\n", stanza(""))
	path := filepath.Join(s.dir, "digest.cache")
	hole := func(size int64) {
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size)); err != nil {
			t.Fatal(err)
		}
	}
	hole(1 << 40)
	if out, code := s.command(s.args("-f")...); code == 0 || !strings.Contains(out, "larger than a journal may be: 1099511627776 bytes") {
		t.Errorf("%d %s", code, out)
	}
	hole(1 << 30)
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.Server.Command(bin, s.args("-f")...)
	cmd.Stdout, cmd.Stderr = &s.out, &s.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	wait.For(t, "a worker", func() bool { return workerOf(cmd.Process.Pid) != 0 })
	cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(wait.Timeout):
		t.Errorf("the daemon does not end:\n%s", s.out.String())
	}
}

// On a disk that fails while the daemon runs, and is read-only from then on, nothing is granted.
// Once it is mended the daemon goes on, and what was seen before stays seen.
func TestE2EReadOnlyDisk(t *testing.T) {
	t.Parallel()
	s := &digestSite{site: newSite(t, "nftables")}
	netlab.Need(t, "mkfs.ext4", "mount", "umount")
	dir, image := filepath.Dir(s.journal()), filepath.Join(s.dir, "disk")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(image, nil, 0o600), os.Truncate(image, 16<<20)); err != nil {
		t.Fatal(err)
	}
	run := func(argv ...string) {
		t.Helper()
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", argv, err, out)
		}
	}
	run("mkfs.ext4", "-q", image)
	run("mount", "-o", "loop", image, dir)
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	s.configure("DIGEST_FILE "+s.journal()+";\n", stanza(""))
	s.start()
	s.grant()
	seen := s.packet
	run("mount", "-o", "remount,abort", dir) // as the kernel does when a write fails
	s.message()
	s.waitFor("digests cannot be recorded, so that nothing is granted")
	if !s.shut() {
		t.Error("granted although nothing could be recorded")
	}
	s.stop()
	run("umount", dir)
	run("cp", image, image+".mended") // the other one may still be mounted in another namespace
	run("mount", "-o", "loop", image+".mended", dir)
	s.start()
	s.packet = seen
	s.refuses()
	s.grant()
}
