package control

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/external"
)

// The pending close commands of a killed daemon can be listed and run.
func TestPendingCommandsWithoutADaemon(t *testing.T) {
	for _, args := range [][]string{{"--fw-flush"}, {"--fw-del-ip", "192.0.2.7"}, {"--fw-flush", "--fw-del-chains"}} {
		p := newPlace(t, false, "FIREWALL_TYPE external_cmd;")
		closed := filepath.Join(p.dir, "closed")
		e, err := external.New(external.Config{Journal: filepath.Join(p.dir, externalJournal)})
		if err != nil {
			t.Fatal(err)
		}
		g := enforce.Grant{
			Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: 6, Number: 22}}, Stanza: 3, Expires: time.Now().Add(time.Minute),
			External: &enforce.External{Open: []string{"/bin/true"}, Close: []string{"/bin/touch", closed}, Timeout: time.Second},
		}
		if err := e.Apply(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		code, out, errs := p.run(t, "--fw-list")
		if code != 0 || errs != "" || !strings.Contains(out, "\n1    EXTERNAL    all     --  192.0.2.7 ") {
			t.Fatalf("list: %d\n%s%s", code, out, errs)
		}
		if code, out, errs = p.run(t, args...); code != 0 || errs != "" {
			t.Errorf("%q: %d\n%s%s", args, code, out, errs)
		}
		if _, err := os.Stat(closed); err != nil {
			t.Errorf("%q: the command did not run: %v", args, err)
		}
		if _, out, _ = p.run(t, "--fw-list", "--format", "json"); out != "{\"v\":1,\"grants\":[]}\n" {
			t.Errorf("%q: left %s", args, out)
		}
	}
}

// If a running daemon cannot be reached, changes are refused, as it would undo them.
func TestNothingIsClosedBehindADaemon(t *testing.T) {
	p := newPlace(t, false, "FIREWALL_TYPE external_cmd;")
	start(t, "", "obedient", p.pidFile)
	code, _, errs := p.run(t, "--fw-flush")
	check(t, "code", code, 1)
	if !strings.Contains(errs, "does not listen at "+SocketPath(p.pidFile)) {
		t.Error(errs)
	}
	if code, _, errs = p.run(t, "--fw-list"); code != 0 {
		t.Errorf("looking does no harm: %d, %s", code, errs)
	}
}

// A daemon that exits closes the connection, with a reset if it has not read the
// request: the request is then executed directly. If the daemon keeps running, it is
// refused.
func TestDaemonHangsUp(t *testing.T) {
	for name, c := range map[string]struct {
		runs, ends bool
		code       int
	}{"gone": {false, false, 0}, "ending": {true, true, 0}, "stays": {true, false, 1}} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, false, "FIREWALL_TYPE external_cmd;")
			var d *played
			if c.runs {
				d = start(t, "", "obedient", p.pidFile)
			}
			l, err := listen(SocketPath(p.pidFile))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					conn.Read(make([]byte, 1))
					conn.Close()
					if c.ends {
						time.AfterFunc(100*time.Millisecond, func() { d.Process.Kill() })
					}
				}
			}()
			code, _, errs := p.run(t, "--fw-flush")
			check(t, "code", code, c.code)
			if c.code != 0 && !strings.Contains(errs, "hung up before it answered") {
				t.Error(errs)
			}
		})
	}
}
