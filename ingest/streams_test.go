package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/wait"
	"fwknopd/parse"

	"golang.org/x/sys/unix"
)

func followFIFO(t *testing.T, path string, opt ReadOptions) *FIFO {
	t.Helper()
	pipe, err := openFIFO(path)
	ok(t, err)
	return newFIFO(path, pipe, opt)
}

func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fwknopfifo")
	f := followFIFO(t, path, ReadOptions{Ref: testRef, KernelOnly: true})
	p := newTap(t, f)
	for i := range 3 { // writers come and go
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		ok(t, err)
		fmt.Fprint(w, line(10+i)+logLine(20 + i)[:60])
		p.want(fmt.Sprint(10 + i))
		fmt.Fprint(w, logLine(20 + i)[60:]+"\n")
		p.want(fmt.Sprint(20 + i))
		w.Close()
	}
	ok(t, f.Close())
	if err := <-p.err; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Next after Close: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	ok(t, followFIFO(t, path, ReadOptions{}).Close()) // that exists
	if _, err := openFIFO(writeFile(t, "file", nil)); err == nil || !strings.Contains(err.Error(), "not a named pipe") {
		t.Errorf("a file: %v", err)
	}
}

// journalctl stands in for the real one where there is no journal: it prints what
// journalctl -o json prints, and obeys the cursor.
const journalctl = `#!/bin/sh
echo "$@" >> "$0.args"
after=0
for a; do case $a in
--after-cursor=*) after=${a##*i=} ;;
--lines=0) after=$(wc -l < "$0.journal") ;;
--lines=1) exec tail -n 1 "$0.journal" ;;
esac; done
tail -n +$((after + 1)) -f "$0.journal" --pid=$$ &
trap 'kill $!' TERM EXIT
while [ -e "$0.journal" ] && [ ! -e "$0.die" ]; do sleep 0.05; done
kill $!
wait $!
rm -f "$0.die"
`

func TestJournal(t *testing.T) {
	program := filepath.Join(t.TempDir(), "journalctl")
	ok(t, os.WriteFile(program, []byte(journalctl), 0o700))
	n := 0
	say := func(port int) {
		n++
		appendTo(t, program+".journal", fmt.Sprintf(`{"__CURSOR":"s=6b0;i=%d","__REALTIME_TIMESTAMP":"1795333565376279","_TRANSPORT":"kernel","PRIORITY":"4","SYSLOG_IDENTIFIER":"kernel","MESSAGE":%q}`+"\n", n, logLine(port)[strings.Index(logLine(port), "DROP"):]))
	}
	say(1)
	ctl := &Journalctl{Command: program}
	t.Cleanup(ctl.Close)
	j, err := followJournal(JournalOptions{Open: ctl.Open, ReadOptions: ReadOptions{Ref: testRef}})
	ok(t, err)
	p := newTap(t, j)
	p.quiet()
	say(2)
	say(3)
	p.want("2", "3")
	if c := j.Stats().State().Cursor; c != "s=6b0;i=3" {
		t.Errorf("cursor %q", c)
	}
	appendTo(t, program+".die", "") // journalctl ends, and a message comes meanwhile
	wait.For(t, "journalctl ends", func() bool { _, err := os.Stat(program + ".die"); return err != nil })
	say(4)
	p.want("4")
	ok(t, j.Close())
	if err := <-p.err; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Next after Close: %v", err)
	}
	say(5)
	again, err := followJournal(JournalOptions{Open: ctl.Open, Resume: j.Stats().State(), ReadOptions: ReadOptions{Ref: testRef}})
	ok(t, err)
	newTap(t, again).want("5")
	os.Remove(program + ".journal")
	args, err := os.ReadFile(program + ".args")
	ok(t, err)
	for _, want := range []string{"--boot=all --lines=1 --output=json --no-pager --quiet _TRANSPORT=kernel",
		"--boot=all --follow --output=json --no-pager --quiet --lines=all --after-cursor=s=6b0;i=1 _TRANSPORT=kernel", "--lines=all --after-cursor=s=6b0;i=3 _TRANSPORT=kernel", "i=4"} {
		if !strings.Contains(string(args), want) {
			t.Errorf("called with\n%swant %s", args, want)
		}
	}
}

// TestJournalEmpty: of a journal without a message everything is new.
func TestJournalEmpty(t *testing.T) {
	program := filepath.Join(t.TempDir(), "journalctl")
	ok(t, os.WriteFile(program, []byte(journalctl), 0o700))
	appendTo(t, program+".journal", "")
	ctl := &Journalctl{Command: program}
	t.Cleanup(ctl.Close)
	j, err := followJournal(JournalOptions{Open: ctl.Open, ReadOptions: ReadOptions{Ref: testRef}})
	ok(t, err)
	appendTo(t, program+".journal", `{"__CURSOR":"s=6b0;i=1","_TRANSPORT":"kernel","SYSLOG_IDENTIFIER":"kernel","MESSAGE":"`+logLine(7)[strings.Index(logLine(7), "DROP"):]+`"}`+"\n")
	newTap(t, j).want("7")
	os.Remove(program + ".journal")
	ok(t, j.Close())
}

func TestJournalMissing(t *testing.T) {
	for _, name := range []string{"/nonexistent/journalctl", "no-such-journalctl"} {
		ctl := &Journalctl{Command: name}
		if _, err := followJournal(JournalOptions{Open: ctl.Open}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestJournalctlFails: one that fails is reported with what it said, the others go on.
func TestJournalctlFails(t *testing.T) {
	program := filepath.Join(t.TempDir(), "journalctl")
	ok(t, os.WriteFile(program, []byte("#!/bin/sh\necho no journal here >&2\nexit 7\n"), 0o700))
	ended := make(chan error, 1)
	ctl := &Journalctl{Command: program, Ended: func(err error) { ended <- err }}
	t.Cleanup(ctl.Close)
	const want = "journalctl: exit status 7 no journal here"
	if _, err := ctl.Open(JournalQuery{}); err == nil || err.Error() != want {
		t.Errorf("the last message: %v, want %s", err, want)
	}
	pipe, err := ctl.Open(JournalQuery{Follow: true})
	ok(t, err)
	defer pipe.Close()
	if err := <-ended; err.Error() != want {
		t.Errorf("ended: %v, want %s", err, want)
	}
}

// TestJournalctlBounded: however many are asked for, few run, and none after Close.
func TestJournalctlBounded(t *testing.T) {
	program := filepath.Join(t.TempDir(), "journalctl")
	ok(t, os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 600\n"), 0o700))
	ctl := &Journalctl{Command: program, Ended: func(err error) { t.Error(err) }}
	t.Cleanup(ctl.Close)
	var pipes []*os.File
	for range 5 {
		pipe, err := ctl.Open(JournalQuery{Follow: true})
		ok(t, err)
		defer pipe.Close()
		pipes = append(pipes, pipe)
	}
	for _, pipe := range pipes[:3] { // their writers have ended
		if n, err := pipe.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("an old one: %d, %v", n, err)
		}
	}
	pipe := pipes[4]
	ok(t, pipe.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	if _, err := pipe.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the last one: %v", err)
	}
	ctl.Close()
	ok(t, pipe.SetReadDeadline(time.Time{}))
	if _, err := pipe.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after Close: %v", err)
	}
}

// readPipe has a pipe for its standard input, and returns the other end as well.
func readPipe(t *testing.T) (r *Reader, w *os.File) {
	t.Helper()
	pipe, w, err := os.Pipe()
	ok(t, err)
	t.Cleanup(func() { pipe.Close(); w.Close() })
	r, err = Read([]string{Stdin}, ReadOptions{Ref: testRef, Stdin: pipe})
	ok(t, err)
	return r, w
}

// TestStdinInterrupted reads a pipe that has no data.
func TestStdinInterrupted(t *testing.T) {
	for _, said := range []string{"", line(1)} {
		r, w := readPipe(t)
		p := newTap(t, r)
		io.WriteString(w, said)
		if said != "" {
			p.want("1")
		}
		p.cancel()
		if err := <-p.err; !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		ok(t, r.Close())
	}
}

// lateContext is found to have ended only from the second look at it.
type lateContext struct {
	context.Context
	looks int
}

func (c *lateContext) Err() error {
	if c.looks++; c.looks == 1 {
		return nil
	}
	return c.Context.Err()
}

// TestStdinInterruptedWhileOpening: the context ends between the look at it and the
// wait for the first bytes.
func TestStdinInterruptedWhileOpening(t *testing.T) {
	r, _ := readPipe(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan error, 1)
	go func() { done <- r.Next(&lateContext{Context: ended}, new(parse.Event)) }()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
	case <-time.After(wait.Timeout):
		t.Fatal("waits for a pipe that says nothing")
	}
	ok(t, r.Close())
}

// TestReadNamedPipe reads what a process substitution gives.
func TestReadNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	ok(t, unix.Mkfifo(path, 0o600))
	go func() {
		if w, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			io.WriteString(w, line(1)+logLine(2))
			w.Close()
		}
	}()
	parts, err := Split(path, 2, ReadOptions{Ref: testRef})
	ok(t, err)
	var got reading
	ok(t, readAll(t, parts[0], &got))
	if len(parts) != 1 || len(got.payloads) != 2 {
		t.Errorf("%d parts, got %q", len(parts), got.payloads)
	}
}
