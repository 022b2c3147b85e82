package ipfw

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
)

// prefixes allows tcp/22 to every client for a minute, with GRANT_PREFIX 24/64 and GRANT_ADDRESS
// both.
var prefixes = monitor.Policy{Limits: enforce.Limits{Stanzas: []enforce.Allowance{{
	Stanza: 3, Source: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}, Bits4: 24, Bits6: 64, Two: true,
	Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, MaxLifetime: time.Minute,
}}}}

// watch puts a monitor in front of the backend, as a new process does.
func (b *bench) watch() *monitor.Monitor {
	b.t.Helper()
	b.open()
	must(b.t, b.Setup(ctx))
	start := time.Now()
	m, err := monitor.New(ctx, monitor.Config{Firewall: b.Backend, Policy: prefixes,
		Clock: &monitor.Clock{Now: time.Now, Elapsed: func() time.Duration { return time.Since(start) }}})
	must(b.t, err)
	b.t.Cleanup(func() { must(b.t, m.Close(ctx)) }) // may be the second time
	return m
}

// widened is tcp/22 for the prefix of a length around a client.
func widened(src netip.Addr, bits int, end time.Time) enforce.Grant {
	g := tcp(src, 22, end)
	g.SetSource(netip.PrefixFrom(src, bits))
	return g
}

// bodies returns the rules that the stand-in has beside those of a user.
func (b *bench) bodies() (list []string) {
	b.change(func(s *standIn) {
		for _, r := range s.Rules {
			if r.Num < 100 && !slices.Contains(s.Disabled, r.Set) {
				list = append(list, r.Body)
			}
		}
	})
	return list
}

// wantRules compares the rules that are in force.
func (b *bench) wantRules(want ...string) {
	b.t.Helper()
	if got := b.bodies(); !slices.Equal(got, want) {
		b.t.Errorf("rules %q, want %q", got, want)
	}
}

// TestPrefixes: a grant for a prefix is one rule, from the request to its end, for both kinds of
// policy: no wider one than the stanza allows, put back where another program deletes it, taken
// over by the next process, and revoked without those for narrower prefixes.
func TestPrefixes(t *testing.T) {
	for rule, keep := range map[string]string{established: "", checkState: " keep-state :default"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, rule)
			m := b.watch()
			end := soon()
			wide, wide6, narrow := widened(client, 24, end), widened(client6, 64, end.Add(-30*time.Second)), widened(client, 28, end.Add(-30*time.Second))
			body := func(g enforce.Grant) string {
				return "allow tcp from " + g.SourceText() + " to any dst-port 22" + keep + " // " + g.Comment().String()
			}
			for _, g := range []enforce.Grant{widened(client, 23, end), widened(client6, 63, end)} {
				if err := m.Apply(ctx, g); !errors.Is(err, enforce.ErrSource) {
					t.Errorf("%s, wider than the stanza allows: %v", g.SourceText(), err)
				}
			}
			b.wantRules()
			for _, g := range []enforce.Grant{wide, wide6, narrow} {
				must(t, m.Apply(ctx, g))
			}
			b.wantRules(body(wide), body(wide6), body(narrow))
			if wide.SourceText() != "192.0.2.0/24" || narrow.SourceText() != "192.0.2.0/28" || wide6.SourceText() != "2001:db8::/64" {
				t.Errorf("%s, %s, %s", wide.SourceText(), narrow.SourceText(), wide6.SourceText())
			}

			b.change(func(s *standIn) {
				s.Rules = slices.DeleteFunc(s.Rules, func(r standRule) bool { return r.Body == body(wide) })
			})
			sleep(time.Second)
			if got := b.bodies(); len(got) != 3 || !slices.Contains(got, body(wide)) {
				t.Errorf("a second after another program deleted one of the rules: %q", got)
			}

			must(t, m.Close(ctx))
			m = b.watch()
			open, err := m.List(ctx)
			if must(t, err); len(open) != 3 {
				t.Errorf("the next process has %v", open)
			}
			must(t, m.Revoke(ctx, wide))
			if got := b.bodies(); len(got) != 2 || slices.Contains(got, body(wide)) {
				t.Errorf("after the revocation of the shorter prefix: %q", got)
			}
			sleep(time.Until(narrow.Expires) + time.Second)
			b.wantRules()

			two := widened(client, 24, soon())
			two.Also = netip.MustParsePrefix("198.51.100.0/24")
			must(t, m.Apply(ctx, two))
			if got := b.bodies(); len(got) != 2 {
				t.Errorf("for two prefixes: %q", got)
			}
			must(t, m.Close(ctx))
		})
	}
}
