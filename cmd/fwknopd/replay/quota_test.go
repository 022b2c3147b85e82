package replay

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
)

// quotaConf is the configuration of the benchmarks with MAX_GRANTS 2.
func quotaConf(t *testing.T) []string { return confWith(t, "MAX_GRANTS 2") }

// confWith is the configuration of the benchmarks with these lines in place of MAX_GRANTS.
func confWith(t *testing.T, lines string) []string {
	t.Helper()
	conf := benchConf(t)
	text, err := os.ReadFile(conf[3])
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("MAX_GRANTS 65536"), []byte(lines), 1)
	if err := os.WriteFile(conf[3], text, 0o600); err != nil {
		t.Fatal(err)
	}
	return conf
}

const (
	tooMany     = "refused what the worker asked for: 100.64.0.2 tcp/22: refused: too many grants: the stanza has 2 of 2 (MAX_GRANTS)"
	tooManyJSON = `"verdict":"refused","error":"refused: too many grants: the stanza has 2 of 2 (MAX_GRANTS)","stanza":1`
)

// What the monitor would not open for MAX_GRANTS is shown as the daemon tells it, and is
// not open.
func TestReplayMaxGrants(t *testing.T) {
	frames := traffic(t, 3, 0)
	for format, want := range map[string]string{"text": tooMany, "jsonl": tooManyJSON} {
		args := append(quotaConf(t), "--format", format, "--fail-on", "refused", writeCapture(t, frames))
		var out, say bytes.Buffer
		if code := Replay(args, nil, &out, &say); code != exitFailOn {
			t.Errorf("exit code %d", code)
		}
		if n := strings.Count(out.String(), "spa.granted"); n != 3 || strings.Count(out.String(), want) != 1 {
			t.Errorf("%d granted:\n%s", n, out.String())
		}
		if !strings.Contains(say.String(), "3 granted + 0 refused + 0 commands; 1 of those granted not opened; 0 expired, 2 still open") {
			t.Errorf("summary: %s", say.String())
		}
	}
}

// explain says so too, of the record after which there is no more room.
func TestExplainMaxGrants(t *testing.T) {
	capture := writeCapture(t, traffic(t, 3, 0))
	for _, c := range []struct {
		record, format, want string
		code                 int
	}{
		{"2", "text", "", exitOK},
		{"3", "text", tooMany, exitRefused},
		{"3", "jsonl", tooManyJSON, exitRefused},
	} {
		var out bytes.Buffer
		args := append(quotaConf(t), "--format", c.format, "--record", c.record, capture)
		if code := Explain(args, nil, &out, &out); code != c.code || !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "MAX_GRANTS") != (c.want != "") {
			t.Errorf("record %s: %d\n%s", c.record, code, out.String())
		}
	}
}

// CLOSE_CONNECTIONS changes no decision; explain says what it does at the end of the grant.
func TestExplainCloseConnections(t *testing.T) {
	capture := writeCapture(t, traffic(t, 1, 0))
	for lines, want := range map[string]string{
		"CLOSE_CONNECTIONS N": "  ok    grant\n",
		"CLOSE_CONNECTIONS Y": "  ok    grant      connections through it end with it\n",
	} {
		var out, say, plain bytes.Buffer
		if code := Explain(append(confWith(t, lines), "--record", "1", capture), nil, &out, &out); code != exitOK || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %d\n%s", lines, code, out.String())
		}
		out.Reset()
		Replay(append(confWith(t, lines), capture), nil, &out, &say)
		Replay(append(benchConf(t), capture), nil, &plain, &say)
		if out.String() != plain.String() || plain.Len() == 0 {
			t.Errorf("%s: %s, want %s", lines, out.String(), plain.String())
		}
	}
}

// Of any grants at any times a replay refuses those that the monitor refuses, with the
// same text, and has as many open.
func TestReplayRefusesAsMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := enforce.Limits{}
		for stanza, most := range map[int]int{1: 4, 5: 12} {
			limits.Stanzas = append(limits.Stanzas, enforce.Allowance{
				Stanza: stanza, Source: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, AnyPort: true, MaxGrants: most, MaxLifetime: time.Minute,
			})
		}
		start := time.Now()
		m, err := monitor.New(t.Context(), monitor.Config{
			Firewall: new(enforce.Recorder), Policy: monitor.Policy{Limits: limits}, Events: func(monitor.Event) {},
			Clock: &monitor.Clock{Now: time.Now, Elapsed: func() time.Duration { return time.Since(start) }},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close(context.Background())
		open := openGrants{limits: map[int]int{1: 4, 5: 12}}
		rnd, count := rand.New(rand.NewPCG(1, 2)), make(map[string]int)
		for i := range 5000 {
			time.Sleep(time.Duration(rnd.IntN(10)) * 100 * time.Millisecond)
			synctest.Wait()
			now := time.Now()
			for open.popExpired(now) != nil {
			}
			e := entryFor(byte(rnd.IntN(12)), 0, []uint16{22, 22, 80, 443}[:1+rnd.IntN(4)]...)
			e.Grant.Stanza = 1 + 4*rnd.IntN(2)
			e.Grant.Expires = now.Add(time.Duration(1+rnd.IntN(9))*time.Second + 50*time.Millisecond)
			want, got := m.Apply(t.Context(), *e.Grant), error(nil)
			if refusal := open.enter(e, now); refusal != nil {
				got = refusal.Err
			}
			if fmt.Sprint(want) != fmt.Sprint(got) || m.Len() != open.count() {
				t.Fatalf("grant %d: %v, %d open; the monitor: %v, %d open", i, got, open.count(), want, m.Len())
			}
			switch text := fmt.Sprint(got); {
			case got == nil:
				count["opened"]++
			case strings.Contains(text, "within"):
				count["rate"]++
			default:
				count["number"]++
			}
		}
		if count["opened"] < 500 || count["rate"] < 100 || count["number"] < 100 {
			t.Errorf("%v", count)
		}
	})
}
