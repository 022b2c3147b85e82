package control

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce"
)

// A watching is a list --watch whose ticks the test makes.
type watching struct {
	*bufio.Reader
	tick chan time.Time
	end  context.CancelFunc
	code chan int
}

func startWatching(t *testing.T, p place, args ...string) *watching {
	t.Helper()
	o, err := cli.Parse(cli.Grants, append([]string{"list", "--watch", "-c", p.conf}, args...))
	if err != nil {
		t.Fatal(err)
	}
	l, problems := loadValid(config.FromFlags(o))
	if l == nil {
		t.Fatal(problems)
	}
	r, w := io.Pipe()
	ctx, end := context.WithCancel(t.Context())
	watch := &watching{bufio.NewReader(r), make(chan time.Time, 8), end, make(chan int, 1)}
	go func() {
		watch.code <- (&command{o, l, w, w}).watchAt(ctx, Selection{}, watch.tick)
		w.Close()
	}()
	t.Cleanup(func() { end(); r.Close() })
	return watch
}

// looks has the list looked at again, some time after it returns.
func (w *watching) looks() { w.tick <- time.Time{} }

// wants reads a line, which has to match the pattern.
func (w *watching) wants(t *testing.T, pattern string) string {
	t.Helper()
	line, err := w.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(pattern).MatchString(line) {
		t.Errorf("%q, want %s", line, pattern)
	}
	return line
}

// Each change is a line, and the end is no error.
func TestWatch(t *testing.T) {
	p, r := newPlace(t, true), new(enforce.Recorder)
	serveAt(t, filepath.Join(p.dir, "fwknopd.sock"), r)
	g := enforce.Grant{Src: addr("192.0.2.7"), Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Stanza: 3, Expires: time.Now().Add(time.Hour)}
	apply := func(g enforce.Grant) {
		t.Helper()
		if err := r.Apply(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	w := startWatching(t, p)
	w.wants(t, `^nothing is open\n$`)
	apply(g)
	w.looks()
	w.wants(t, `^opened until .*, (1h|59m).* left: tcp/22 for 192\.0\.2\.7\n$`)
	w.looks() // unchanged
	g.Expires = g.Expires.Add(time.Hour)
	apply(g)
	w.looks()
	w.wants(t, `^extended until .*, (2h|1h59m).* left: tcp/22 for 192\.0\.2\.7\n$`)
	other := g
	other.Src, other.Stanza = addr("2001:db8::7"), 9
	apply(other)
	if err := r.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	w.looks()
	w.wants(t, `^closed tcp/22 for 192\.0\.2\.7\n$`)
	w.wants(t, `^opened .* for 2001:db8::7\n$`)
	w.end()
	if code := <-w.code; code != 0 {
		t.Errorf("ended with %d", code)
	}
	if rest, err := io.ReadAll(w); err != nil || len(rest) > 0 {
		t.Errorf("more: %q, %v", rest, err)
	}

	w = startWatching(t, p, "--json")
	w.wants(t, `^\{"v":1,"timestamp":"2[^"]*Z","change":"open","grant":\{"src":"2001:db8::7","ports":\["tcp/22"\],"expires":"[^"]*","remaining_s":[0-9.]*,"stanza":9,"stanza_name":"alice"\}\}\n$`)
	if err := r.Revoke(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.looks()
	if line := w.wants(t, `"change":"closed".*"stanza_name":"alice"`); !json.Valid([]byte(line)) {
		t.Error(line)
	}
}

// A firewall that does not answer is said once, and is no change.
func TestWatchUnconfirmed(t *testing.T) {
	p := newPlace(t, true)
	k := &sometimes{open(t), make(chan bool, 8)}
	for _, unconfirmed := range []bool{false, true, true, false} {
		k.unconfirmed <- unconfirmed
	}
	serveAt(t, filepath.Join(p.dir, "fwknopd.sock"), k)
	w := startWatching(t, p)
	for range 3 {
		w.wants(t, `^open `)
	}
	w.looks()
	w.wants(t, `the firewall does not answer`)
	w.looks()
	if err := k.Revoke(t.Context(), enforce.Grant{Src: addr("2001:db8::7"), Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}}); err != nil {
		t.Fatal(err)
	}
	w.looks()
	w.wants(t, `^closed tcp/22 for 2001:db8::7\n$`)
}

// sometimes is an Enforcer whose firewall answers some lists.
type sometimes struct {
	*enforce.Recorder
	unconfirmed chan bool
}

func (s *sometimes) List(ctx context.Context) ([]enforce.Grant, error) {
	if <-s.unconfirmed {
		return nil, enforce.ErrUnconfirmed
	}
	return s.Recorder.List(ctx)
}

// An end does not wait for a daemon that hangs.
func TestWatchOfADaemonThatHangs(t *testing.T) {
	p := newPlace(t, true)
	k := &sometimes{open(t), make(chan bool)}
	serveAt(t, filepath.Join(p.dir, "fwknopd.sock"), k)
	w := startWatching(t, p)
	w.end()
	if code := <-w.code; code != 0 {
		t.Errorf("ended with %d", code)
	}
	close(k.unconfirmed)
}
