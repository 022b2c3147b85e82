package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/fixtures/wait"
)

// openAt opens the test port for the client of a gateway.
func (s *site) openAt(seconds string) {
	s.t.Helper()
	s.add(s.Client.V4, "tcp/2222", seconds, "1")
}

// The events of all gateways, and what is open at each, are shown at any of them, also of one that was cut
// off and of one that was restarted.
func TestE2EFleetEvents(t *testing.T) {
	t.Parallel()
	f := newFleet(t, stanza(""))
	a, b, c := f.sites[0], f.sites[1], f.sites[2]
	a.openAt("250")
	b.openAt("290")
	c.fleet([]string{"a 20", " grant granted from 10.77.0.2"}, "events", "--gateway", "a")
	c.fleet([]string{"b 20", " grant granted from 10.77.0.2"}, "events")
	c.fleet([]string{`{"v":1,"gateway":"b","stored":"20`, `"event":{"v":1,`}, "events", "--json", "--since", "1d", "--gateway", "b")
	c.fleet([]string{"a, said ", "1 grant", "dpt:2222", "b, said", "1 grant", "dpt:2222", "c (this gateway): nothing is open"}, "grants")
	sameGrants(t, a)
	if out, code := a.command("fleet", "events", "--gateway", "gw7", "-c", filepath.Join(a.dir, "fwknopd.conf")); code != 1 ||
		!strings.Contains(out, "no gateway gw7 is known, but a, b, c") {
		t.Errorf("%d: %s", code, out)
	}
	followed := a.followFleet("c")
	wait.For(t, "what c has published before", func() bool { return strings.Contains(followed.out.String(), "worker.started") })
	c.openAt("250")
	wait.For(t, "a followed event", func() bool { return strings.Contains(followed.out.String(), " grant granted from 10.77.0.2") })
	followed.interrupt(t)

	f.link(1, "down")
	a.fleet([]string{"a (this", "b, not heard of now, last heard ", "1 grant", "dpt:2222"}, "grants")
	b.grants(0, "closed", "revoke", "--all")
	b.fleet([]string{"a, not heard of now, last heard ", "b (this gateway): nothing is open"}, "grants")
	f.link(1, "up")
	a.fleet([]string{"b, said", "nothing is open"}, "grants", "--gateway", "b")
	a.fleet([]string{" grant granted", " grant revoked"}, "events", "--gateway", "b")

	c.cmd.Process.Kill()
	c.cmd.Wait()
	c.launch()
	c.waitFor("the fleet has a quorum")
	a.fleet([]string{" grant granted", " grant adopted"}, "events", "--gateway", "c")
	a.fleet([]string{"c, said", "1 grant", "dpt:2222"}, "grants", "--gateway", "c")
}

// fleet runs `fwknopd fleet` beside a daemon until its output has all words in this order, and returns it.
func (s *site) fleet(words []string, args ...string) (out string) {
	s.t.Helper()
	code := 0
	found := wait.Until(wait.Timeout, func() bool {
		out, code = s.command(append(append([]string{"fleet"}, args...), "-c", filepath.Join(s.dir, "fwknopd.conf"))...)
		rest := out
		for _, word := range words {
			i := strings.Index(rest, word)
			if i < 0 {
				return false
			}
			rest = rest[i+len(word):]
		}
		return code == 0
	})
	if !found {
		s.t.Fatalf("fleet %q: %d, want %q:\n%s", args, code, words, out)
	}
	return out
}

// sameGrants fails the test unless fleet grants lists for a gateway itself what grants list does.
func sameGrants(t *testing.T, s *site) {
	t.Helper()
	type grants []map[string]any
	var all struct {
		Gateways []struct {
			Gateway string `json:"gateway"`
			Grants  grants `json:"grants"`
		} `json:"gateways"`
	}
	var own struct {
		Grants grants `json:"grants"`
	}
	out := s.fleet(nil, "grants", "--json", "--gateway", "a")
	text, _ := s.command(append([]string{"grants", "list", "--json"}, s.args()...)...)
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all.Gateways) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	if err := json.Unmarshal([]byte(text), &own); err != nil || len(own.Grants) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	for _, l := range []grants{all.Gateways[0].Grants, own.Grants} {
		for _, g := range l {
			delete(g, "remaining_s")
		}
	}
	fleet, _ := json.Marshal(all.Gateways[0].Grants)
	list, _ := json.Marshal(own.Grants)
	if string(fleet) != string(list) {
		t.Errorf("fleet grants has %s, grants list %s", fleet, list)
	}
}

// A following is fleet events --follow that runs.
type following struct {
	site
}

// followFleet starts fleet events --follow beside a daemon, for one of the gateways.
func (s *site) followFleet(gateway string) *following {
	s.t.Helper()
	bin, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	v := &following{site{t: s.t}}
	v.cmd = s.Server.Command(bin, "fleet", "events", "--follow", "--since", "1h", "--gateway", gateway, "-c", filepath.Join(s.dir, "fwknopd.conf"))
	v.cmd.Stdout, v.cmd.Stderr = &v.out, &v.out
	if err := v.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { v.cmd.Process.Kill() })
	return v
}

// interrupt ends it as an interrupt from the terminal does.
func (v *following) interrupt(t *testing.T) {
	t.Helper()
	v.cmd.Process.Signal(os.Interrupt)
	if err := v.cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, v.out.String())
	}
}
