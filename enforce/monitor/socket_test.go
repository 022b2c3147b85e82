package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/enforce"
	"fwknopd/fixtures/wait"
)

func rights(f *os.File) []byte { return unix.UnixRights(int(f.Fd())) }

func descriptors(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// batches counts transactions.
type batches struct {
	*enforce.Recorder
	sizes []int
	gate  chan struct{}
}

func (b *batches) Change(ctx context.Context, open, revoke []enforce.Grant) (opened, revoked []error) {
	if len(open) > 0 {
		b.sizes = append(b.sizes, len(open))
		<-b.gate
	}
	return b.Recorder.Change(ctx, open, revoke)
}

// TestBurst: what comes while the firewall is busy is opened in one transaction,
// each with its own answer.
func TestBurst(t *testing.T) {
	fw := &batches{Recorder: new(enforce.Recorder), gate: make(chan struct{})}
	fault := errors.New("table is full")
	fw.Fail = func(g enforce.Grant) error {
		if g.Src == ssh(77, time.Time{}).Src {
			return fault
		}
		return nil
	}
	r := newRig(t, func(c *Config) { c.Firewall = fw })
	c := pair(t, r)
	var wg sync.WaitGroup
	var good, bad, refused atomic.Int32
	submit := func(g enforce.Grant) {
		wg.Add(1)
		c.Submit(g, func(err error) {
			defer wg.Done()
			switch {
			case err == nil:
				good.Add(1)
			case errors.Is(err, ErrRefused):
				refused.Add(1)
			case strings.Contains(err.Error(), fault.Error()):
				bad.Add(1)
			}
		})
	}
	end := time.Now().Add(time.Minute)
	submit(ssh(0, end))
	fw.gate <- struct{}{} // it is at the firewall, so the next wait
	for n := range 200 {
		submit(ssh(n, end))
	}
	if err := c.Waiting(ctx, nil); err != nil { // all have been read
		t.Fatal(err)
	}
	submit(ssh(300, end.Add(time.Hour)))
	close(fw.gate)
	wg.Wait()
	if good.Load() != 200 || bad.Load() != 1 || refused.Load() != 1 || r.Len() != 199 {
		t.Errorf("%d good, %d bad, %d refused, %d open", good.Load(), bad.Load(), refused.Load(), r.Len())
	}
	if n := len(fw.sizes); n > 4 {
		t.Errorf("%d transactions: %d", n, fw.sizes)
	}
}

func TestOpenFile(t *testing.T) {
	dir := t.TempDir()
	policy := Policy{Files: map[string]func() (*os.File, error){
		"missing": func() (*os.File, error) { return os.Open(dir + "/missing") },
		"udp": func() (*os.File, error) {
			conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				return nil, err
			}
			defer conn.Close()
			return conn.File()
		},
	}}
	for n := range 20 {
		name := fmt.Sprintf("log%d", n)
		if err := os.WriteFile(dir+"/"+name, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		policy.Files[name] = func() (*os.File, error) { return os.Open(dir + "/" + name) }
	}
	r := newRig(t, func(c *Config) { c.Policy = policy })
	c := pair(t, r)
	before := descriptors(t)
	for n := range 20 { // mixed with other replies
		name := fmt.Sprintf("log%d", n)
		go c.Waiting(ctx, nil)
		f, err := c.Open(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(f); err != nil || string(text) != name {
			t.Errorf("%s holds %q, %v", name, text, err)
		}
		f.Close()
	}
	if _, err := c.Open(ctx, "missing"); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrRefused) {
		t.Errorf("missing file: %v", err)
	}
	f, err := c.Open(ctx, "udp")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.FilePacketConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	udp.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, _, err := udp.ReadFrom(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("passed socket: %v", err)
	}
	udp.Close()
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func TestCheckPassword(t *testing.T) {
	policy, _ := canary(t)
	c := pair(t, newRig(t, func(c *Config) { c.Policy = policy }))
	for pw, want := range map[string]bool{"right": true, "wrong": false, "": false, "\xff": false} {
		if got, err := c.CheckPassword(ctx, ssh(1, time.Time{}).Src, "/etc/shadow", "root", pw); got != want || err != nil {
			t.Errorf("%q: %v, %v", pw, got, err)
		}
	}
}

// TestJournal: the worker selects what journalctl prints, and nothing else.
func TestJournal(t *testing.T) {
	started := make(chan Journal, 8)
	c := pair(t, newRig(t, func(c *Config) {
		c.Policy.Journal = func(q Journal) (*os.File, error) {
			if started <- q; !q.Follow {
				return nil, os.ErrNotExist
			}
			return os.Open(os.DevNull)
		}
	}))
	q := Journal{Follow: true, After: "s=6b0-_Az;i=1"}
	f, err := c.Journal(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := c.Journal(ctx, Journal{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a journal: %v", err)
	}
	if _, err := c.Journal(ctx, Journal{Follow: true, After: "i=1 --vacuum-time=1s"}); !errors.Is(err, ErrGone) {
		t.Errorf("a cursor that is none: %v", err)
	}
	if first, second := <-started, <-started; first != q || second != (Journal{}) || len(started) > 0 {
		t.Errorf("started %+v, %+v and %d more", first, second, len(started))
	}
}

// TestResolve: the worker gets what the policy finds, of a name that can be one.
func TestResolve(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	asked := make(chan string, 8)
	c := pair(t, newRig(t, func(c *Config) {
		c.Policy.Resolve = func(host string) ([]netip.Addr, error) {
			asked <- host
			switch host {
			case "unknown":
				return nil, errors.New("no such host")
			case "many":
				return slices.Repeat([]netip.Addr{local}, 1000), nil
			}
			return []netip.Addr{local}, nil
		}
	}))
	if found, err := c.Resolve(ctx, "known"); err != nil || !slices.Equal(found, []netip.Addr{local}) {
		t.Errorf("known: %v, %v", found, err)
	}
	if found, err := c.Resolve(ctx, "unknown"); err == nil || found != nil {
		t.Errorf("unknown: %v, %v", found, err)
	}
	if found, err := c.Resolve(ctx, "many"); err != nil || len(found) != maxAddresses {
		t.Errorf("many: %d, %v", len(found), err)
	}
	if _, err := c.Resolve(ctx, strings.Repeat("a", maxHost+1)); !errors.Is(err, ErrRefused) || len(asked) != 3 {
		t.Errorf("too long: %v, %d looked up", err, len(asked))
	}
}

func TestNotices(t *testing.T) {
	r := newRig(t)
	c := pair(t, r)
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	r.Notify("reload")
	if got := <-c.Notices(); got != "reload" {
		t.Errorf("notice %q", got)
	}
}

// TestGone: without a monitor everything fails at once.
func TestGone(t *testing.T) {
	server, conn, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(conn)
	pending := make(chan error, 1)
	c.Submit(ssh(1, time.Now()), func(err error) { pending <- err })
	server.Close()
	if err := <-pending; !errors.Is(err, ErrGone) {
		t.Errorf("pending: %v", err)
	}
	<-c.Done()
	c.Submit(ssh(1, time.Now()), func(err error) { pending <- err })
	_, openErr := c.Open(ctx, "log")
	for _, err := range []error{<-pending, apply(c, ssh(1, time.Now())), c.Ready(ctx), openErr} {
		if !errors.Is(err, ErrGone) {
			t.Errorf("afterwards: %v", err)
		}
	}
	if _, open := <-c.Notices(); open {
		t.Error("notices go on")
	}
}

// TestClosed: requests while the monitor ends fail with ErrGone.
func TestClosed(t *testing.T) {
	r := newRig(t)
	c := pair(t, r)
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{r.Apply(ctx, ssh(1, time.Now().Add(time.Minute))), apply(c, ssh(1, time.Now().Add(time.Minute)))} {
		if !errors.Is(err, ErrGone) {
			t.Errorf("Apply: %v", err)
		}
	}
	if err := pair(t, r).Ready(ctx); !errors.Is(err, ErrGone) {
		t.Errorf("another connection: %v", err)
	}
}

// TestTooLong: the client itself refuses what does not fit a frame.
func TestTooLong(t *testing.T) {
	c := pair(t, newRig(t))
	g := extern(1, time.Now().Add(time.Minute))
	g.External.Open = append(g.External.Open, strings.Repeat("x", maxFrame))
	if err := apply(c, g); err != errFrameSize {
		t.Errorf("%v, want %v", err, errFrameSize)
	}
	g = ssh(1, time.Now().Add(time.Minute).UTC())
	g.Src = prefixes("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128")[0].Addr()
	g.Stanza = 9
	g.Ports = nil
	for n := range uint16(enforce.MaxPorts) {
		g.Ports = append(g.Ports, enforce.Port{Proto: enforce.UDP, Number: 65535 - n})
	}
	if err := apply(c, g); err != nil {
		t.Errorf("the largest grant: %v", err)
	}
}

// TestGrantSurvivesTheWire: what the policy decides is what the firewall gets.
func TestGrantSurvivesTheWire(t *testing.T) {
	r := newRig(t)
	c := pair(t, r)
	g := ssh(1, time.Now().Add(time.Minute).Round(0))
	if err := apply(c, g); err != nil {
		t.Fatal(err)
	}
	open, err := r.fw.List(ctx)
	if err != nil || len(open) != 1 || open[0].Key() != g.Key() || !open[0].Expires.Equal(g.Expires) || open[0].User != g.User {
		t.Errorf("%+v, %v, want %+v", open, err, g)
	}
}

func TestFrames(t *testing.T) {
	buf, err := appendFrame(nil, request{ID: 7, Op: "ready"})
	if err != nil {
		t.Fatal(err)
	}
	var into [maxFrame]byte
	text, err := readFrame(bytes.NewReader(buf), &into)
	if err != nil || !slices.Equal(text, buf[4:]) {
		t.Errorf("%q, %v", text, err)
	}
	for n := range len(buf) {
		_, err := readFrame(bytes.NewReader(buf[:n]), &into)
		if want := io.ErrUnexpectedEOF; n > 0 && err != want || n == 0 && err != io.EOF {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := appendFrame(nil, reply{Notice: strings.Repeat("x", maxFrame)}); err != errFrameSize {
		t.Errorf("%v", err)
	}
}

// submit reports false if the client is full.
func submit(c *Client, g enforce.Grant, done func(error)) bool {
	full := false
	c.Submit(g, func(err error) {
		if err == errBusy { // is known at once
			full = true
			return
		}
		done(err)
	})
	return !full
}

// TestSystemClock is what daemons use.
func TestSystemClock(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Clock = nil })
	r.mustApply(t, ssh(1, time.Now().Add(200*time.Millisecond)))
	begin := time.Now()
	if err := r.Wait(ctx); err != nil || time.Since(begin) > wait.Timeout {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

func BenchmarkApply(b *testing.B) {
	r := newRig(b)
	c := pair(b, r)
	g := ssh(1, time.Now().Add(50*time.Minute))
	for n := 0; b.Loop(); n++ {
		g.Expires = g.Expires.Add(time.Microsecond)
		if err := apply(c, g); err != nil {
			b.Fatal(err)
		}
	}
}

// A file that takes long to open for a worker that has died does not delay the end of its
// connection, and so the next worker; it is closed when it comes.
func TestDeadWorkersFile(t *testing.T) {
	gate, asked := make(chan struct{}), make(chan struct{})
	late, peer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	r := newRig(t, func(c *Config) {
		c.Policy.Files = map[string]func() (*os.File, error){"slow": func() (*os.File, error) {
			close(asked)
			<-gate
			return late, nil
		}}
	})
	conn, served := wire(t, r)
	if _, err := conn.Write(frame(`{"id":1,"op":"open","body":"slow"}`)); err != nil {
		t.Fatal(err)
	}
	<-asked
	conn.Close()
	select {
	case <-served:
	case <-time.After(wait.Timeout):
		t.Fatal("the connection waits for a file of the ended worker")
	}
	close(gate)
	peer.SetDeadline(time.Now().Add(wait.Timeout))
	for err == nil {
		_, err = peer.Write(make([]byte, 1))
	}
	if !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the file was not closed: %v", err)
	}
}
