package iptables

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
)

// seen is a grant as TestForeign compares it: key without the rule, and end.
func seen(g enforce.Grant) string {
	key, _, foreign := strings.Cut(g.Key(), " foreign ")
	if !foreign {
		return key + " ours"
	}
	if g.Expires.IsZero() {
		return key + " stays"
	}
	return fmt.Sprint(key, " ends ", g.Expires.Unix())
}

// TestForeign reads what the 2.6 daemon has left, and what was made by hand.
func TestForeign(t *testing.T) {
	const mark = "-m comment --comment _exp_1700000000 "
	const hand = "-A FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 -m comment --comment _exp_NNN -j ACCEPT"
	for _, c := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"input", []string{"-A FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 " + mark + "-j ACCEPT"}, []string{"192.0.2.7 tcp/22 ends 1700000000"}},
		{"twice the same, and again with a later end", []string{
			"-A FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 " + mark + "-j ACCEPT",
			"-A FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 " + mark + "-j ACCEPT",
			"-A FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 -m comment --comment _exp_1700000009 -j ACCEPT",
		}, []string{"192.0.2.7 tcp/22 ends 1700000000", "192.0.2.7 tcp/22 ends 1700000000", "192.0.2.7 tcp/22 ends 1700000009"}},
		{"output", []string{"-A FWKNOP_OUTPUT -d 192.0.2.7/32 -p tcp -m tcp --sport 22 " + mark + "-j ACCEPT"}, []string{"192.0.2.7 tcp/22 output ends 1700000000"}},
		{"no number, three times", []string{hand, hand, hand}, []string{"192.0.2.7 tcp/22 stays", "192.0.2.7 tcp/22 stays", "192.0.2.7 tcp/22 stays"}},
		{"an end, whatever it matches", []string{
			"-A FWKNOP_INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 22 " + mark + "-j ACCEPT",
			"-A FWKNOP_INPUT -p tcp -m tcp --dport 22 " + mark + "-j ACCEPT",
			"-A FWKNOP_INPUT -s 192.0.2.8/32 -i eth0 " + mark + "-j DROP",
		}, []string{"0.0.0.0 tcp/22 ends 1700000000", "10.0.0.0 tcp/22 ends 1700000000", "192.0.2.8 all ends 1700000000"}},
		{"translation", []string{
			"-A FWKNOP_FORWARD -s 192.0.2.7/32 -p tcp -m tcp --dport 80 " + mark + "-j ACCEPT",
			"-A FWKNOP_PREROUTING -s 192.0.2.7/32 -p tcp -m tcp --dport 8080 " + mark + "-j DNAT --to-destination 10.0.0.2:80",
			"-A FWKNOP_POSTROUTING -d 10.0.0.2/32 -p tcp -m tcp --dport 80 " + mark + "-j MASQUERADE",
		}, []string{"192.0.2.7 tcp/8080 nat 10.0.0.2:80 masquerade ends 1700000000"}},
		{"two translations", []string{
			"-A FWKNOP_FORWARD -s 192.0.2.7/32 -p tcp -m tcp --dport 80 " + mark + "-j ACCEPT",
			"-A FWKNOP_PREROUTING -s 192.0.2.7/32 -p tcp -m tcp --dport 8080 " + mark + "-j DNAT --to-destination 10.0.0.2:80",
			"-A FWKNOP_FORWARD -s 192.0.2.8/32 -p tcp -m tcp --dport 81 " + mark + "-j ACCEPT",
			"-A FWKNOP_PREROUTING -s 192.0.2.8/32 -p tcp -m tcp --dport 8080 " + mark + "-j DNAT --to-destination 10.0.0.2:81",
		}, []string{"192.0.2.7 tcp/8080 nat 10.0.0.2:80 ends 1700000000", "192.0.2.8 tcp/8080 nat 10.0.0.2:81 ends 1700000000"}},
		{"one translation twice", slices.Repeat([]string{
			"-A FWKNOP_FORWARD -s 192.0.2.7/32 -p tcp -m tcp --dport 80 " + mark + "-j ACCEPT",
			"-A FWKNOP_PREROUTING -s 192.0.2.7/32 -p tcp -m tcp --dport 8080 " + mark + "-j DNAT --to-destination 10.0.0.2:80",
		}, 2), []string{"192.0.2.7 tcp/8080 nat 10.0.0.2:80 ends 1700000000", "192.0.2.7 tcp/8080 nat 10.0.0.2:80 ends 1700000000"}},
		{"by hand", []string{"-A FWKNOP_INPUT -s 192.0.2.9/32 -j ACCEPT", "-A FWKNOP_INPUT -s 192.0.2.10/32 -i eth0 -j ACCEPT",
			"-A FWKNOP_INPUT -j ACCEPT", "-A FWKNOP_INPUT -s 192.0.2.11/32 -j DROP"}, []string{"192.0.2.9 all stays"}},
		{"beside one of ours", []string{hand,
			`-A FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 -m comment --comment "_exp_1700000000 fwknopd:3:952be1b9" -j ACCEPT`,
		}, []string{"192.0.2.7 tcp/22 ours", "192.0.2.7 tcp/22 stays"}},
	} {
		var got []string
		keys := make(map[string]bool)
		for _, g := range newPure(nil).read1(t, c.lines) {
			got, keys[g.Key()] = append(got, seen(g)), true
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" || len(keys) != len(got) {
			t.Errorf("%s: %d keys, %s", c.name, len(keys), diff)
		}
	}
}

// TestTakesOver: rules that the 2.6 daemon left are found and closed, and stay as they
// are until then, also beside a grant of ours; what others put into our chain stays.
func TestTakesOver(t *testing.T) {
	eachVariant(t, func(t *testing.T, lab *netlab.Lab, program string) {
		lab.Server.ClosedTables(t, program, "INPUT", "FORWARD", "OUTPUT")
		end := time.Now().Add(time.Hour).Truncate(time.Second)
		mark := fmt.Sprintf(" -m comment --comment _exp_%d", end.Unix())
		client, inside := lab.Client.V4.String(), "10.9.9.9"
		left := []string{
			"-A FWKNOP_INPUT -p 6 -s " + client + " --dport 22" + mark + " -j ACCEPT",
			"-A FWKNOP_INPUT -p 6 -s " + client + " --dport 22" + mark + " -j ACCEPT",
			"-A FWKNOP_FORWARD -p 6 -s " + client + " --dport 80" + mark + " -j ACCEPT",
			"-t nat -A FWKNOP_PREROUTING -p 6 -s " + client + " --dport 8080" + mark + " -j DNAT --to-destination " + inside + ":80",
			"-t nat -A FWKNOP_POSTROUTING -p 6 -d " + inside + " --dport 80" + mark + " -j MASQUERADE --to-ports 8080",
		}
		for _, args := range append([]string{
			"-N FWKNOP_INPUT", "-A INPUT -j FWKNOP_INPUT", "-N FWKNOP_FORWARD", "-A FORWARD -j FWKNOP_FORWARD",
			"-t nat -N FWKNOP_PREROUTING", "-t nat -A PREROUTING -j FWKNOP_PREROUTING",
			"-t nat -N FWKNOP_POSTROUTING", "-t nat -A POSTROUTING -j FWKNOP_POSTROUTING",
			"-A FWKNOP_INPUT -i eth9 -p tcp --dport 99 -j ACCEPT",
			"-A FWKNOP_INPUT -s " + client + " -p tcp --dport 22 -m comment --comment _exp_NNN -j ACCEPT",
		}, left...) {
			lab.Server.Run(t, program+" "+args)
		}
		policy := func() string {
			return lab.Server.Run(t, program+" -S FWKNOP_INPUT") + lab.Server.Run(t, program+" -S FWKNOP_FORWARD") + lab.Server.Run(t, program+" -t nat -S")
		}
		before := policy()
		ours := enforce.Grant{Src: lab.Client.V4, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Expires: end, Stanza: 3}
		lab.Server.Do(func() {
			b := backend(t, program, Config{})
			if err := enforce.Open(ctx, b, ours); err != nil {
				t.Fatal(err)
			}
			diff, err := b.Compare(ctx, []enforce.Grant{ours})
			if err != nil || len(diff.Missing) != 0 || len(diff.Found) != 4 {
				t.Fatalf("Compare = %+v, %v, want ours left alone and four found", diff, err)
			}
			if err := enforce.Revoke(ctx, b, ours); err != nil {
				t.Fatal(err)
			}
			if after := policy(); after != before {
				t.Errorf("rules of others after a grant of ours:\n%s\nbefore:\n%s", after, before)
			}
			dated := slices.DeleteFunc(diff.Found, func(g enforce.Grant) bool { return g.Expires.IsZero() })
			if len(dated) != 3 || !dated[0].Expires.Equal(end) {
				t.Errorf("with an end: %+v", dated)
			}
			if _, errs := b.Change(ctx, nil, dated); errs != nil {
				t.Fatal(errs)
			}
		})
		after := policy()
		if strings.Contains(after, mark[len(mark)-10:]) || !strings.Contains(after, "eth9") || strings.Count(after, "_exp_NNN") != 1 {
			t.Errorf("left in our chains:\n%s", after)
		}
	})
}
