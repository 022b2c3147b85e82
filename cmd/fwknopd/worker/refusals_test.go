package worker

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// junk is a refusal of a packet from source n.
func junk(n int) *policy.Decision {
	reasons := []policy.Reason{policy.SPAHMACMismatch, policy.NoStanza}
	return &policy.Decision{Verdict: policy.Deny, Reason: reasons[n%2], Src: netip.AddrFrom4([4]byte{203, 0, byte(n >> 8), byte(n)})}
}

// In a day of junk the worker reports no more than the monitor expects of an honest one,
// and no refusal is missing in the sum.
func TestJunkOfADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, day = 5, 24 * time.Hour // faster junk makes no difference, see Budget
		var summaries []report.Suppressed
		r := newRefusalLog(func(s report.Suppressed) {
			if err := s.Check(); err != nil {
				t.Error(err)
			}
			summaries = append(summaries, s)
		})
		told, sent, begin := 0, 0, time.Now()
		for time.Since(begin) < day {
			for range perSecond {
				if sent++; r.take(time.Now(), junk(sent%300), 0) {
					told++
				}
			}
			time.Sleep(time.Second)
		}
		r.close()
		if most := privsep.RefusalBurst + int(day/privsep.RefusalEvery); told > most || told < most-1 {
			t.Errorf("%d refusals told one by one, want %d", told, most)
		}
		if most := int(day/privsep.SummaryLast) + 3; len(summaries) > most || len(summaries) < most-20 {
			t.Errorf("%d summaries, want %d", len(summaries), most)
		}
		for _, s := range summaries {
			for _, c := range s.Reasons {
				sent -= c.Count
			}
		}
		if sent != told {
			t.Errorf("%d refusals are neither told nor counted", sent-told)
		}
	})
}

// Summaries come after 10, 20, 40 and 60 seconds while there is something to tell, also
// the last one, and start over after a pause. Without refusals no timer runs.
func TestSummaries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		begin := time.Now()
		r := newRefusalLog(func(s report.Suppressed) {
			got = append(got, fmt.Sprintf("%v: %s", time.Since(begin).Round(time.Second), s.Text()))
		})
		for range privsep.RefusalBurst {
			r.take(begin, junk(0), 0)
		}
		for n := range 150 {
			r.take(begin, junk(n), 0)
			time.Sleep(700 * time.Millisecond)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		r.mu.Lock()
		if r.timer != nil {
			t.Error("a timer runs")
		}
		r.mu.Unlock()
		r.take(begin.Add(time.Since(begin)-time.Hour), junk(0), privsep.RefusalBurst)
		r.close()
		r.close()
		want := []string{
			"10s: 15 refusals not told one by one: 7 no_stanza, 8 spa.hmac_mismatch from 15 sources",
			"31s: 29 refusals not told one by one: 15 no_stanza, 14 spa.hmac_mismatch from 29 sources",
			"1m11s: 58 refusals not told one by one: 29 no_stanza, 29 spa.hmac_mismatch from 58 sources",
			"2m11s: 48 refusals not told one by one: 24 no_stanza, 24 spa.hmac_mismatch from 48 sources",
			"11m45s: 1 refusal not told one by one: 1 spa.hmac_mismatch from 203.0.0.0",
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got\n%q\nwant\n%q", got, want)
		}
	})
}

// What is counted in a flood costs no allocation, from however many sources it comes.
func TestSuppressedAllocations(t *testing.T) {
	r := newRefusalLog(func(report.Suppressed) {})
	defer r.close()
	at := time.Now()
	for n := range 2 * report.MaxSources {
		r.take(at, junk(n), report.MaxRefusals)
	}
	n := 0
	if allocs := testing.AllocsPerRun(1000, func() {
		n++
		d := policy.Decision{Verdict: policy.Deny, Reason: policy.NoStanza, Src: netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})}
		r.take(at, &d, 1)
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// A flood of junk is limited as well where shadow stanzas refuse it too.
func TestJunkForShadowStanzas(t *testing.T) {
	w := deciding(t, "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY sometestkey1\n\nSOURCE ANY\nOPEN_PORTS tcp/22\nKEY sometestkey2\nSHADOW Y\n")
	for range privsep.RefusalBurst {
		w.step(forged(t, spa.Key{Passphrase: []byte("of a stranger")}))
	}
	if n := len(w.batch); n == 0 || n > privsep.RefusalBurst/2+1 || len(w.batch[0].decision.Others) != 1 {
		t.Errorf("%d refusals by two stanzas each are logged, want %d", n, privsep.RefusalBurst/2)
	}
	counted := 0
	for _, n := range w.unlogged {
		counted += n
	}
	if want := 2 * (privsep.RefusalBurst - len(w.batch)); counted != want {
		t.Errorf("%d decisions are counted that are not logged, want %d", counted, want)
	}
}

// deciding returns a worker with these stanzas that reads and logs nothing.
func deciding(t testing.TB, access string) *worker {
	t.Helper()
	c := &privsep.Config{Options: config.Options{Config: "fwknopd.conf", Access: "access.conf"}, Files: make(map[string]privsep.FileResult)}
	for name, text := range map[string]string{"fwknopd.conf": "AUTH_MODE PCAP;\n", "access.conf": access} {
		c.Files[name] = privsep.FileResult{Data: []byte(text), Info: conf.FileInfo{Regular: true}}
	}
	l, problems := c.Load()
	if problems.Failed() {
		t.Fatal(problems)
	}
	e, err := engine.New(engine.Options{Loaded: l, Store: replay.NewMemory(replay.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{engine: e, loaded: l, conf: c, remaining: -1, refusals: newRefusalLog(func(report.Suppressed) {})}
	t.Cleanup(w.refusals.close)
	return w
}

// forged returns a packet that is an SPA message of this key.
func forged(t testing.TB, key spa.Key) *parse.Event {
	t.Helper()
	p, err := spa.Encode(&spa.Message{User: "u", Time: 1, Version: "3.0.0", Type: spa.Access, Text: "192.0.2.7,tcp/22"},
		key, spa.EncodeOptions{Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return &parse.Event{Src: netip.MustParseAddrPort("192.0.2.7:5"), Dst: netip.MustParseAddrPort("192.0.2.1:62201"), Proto: parse.UDP, Origin: parse.OriginFrame,
		Payload: p, Len: uint16(28 + len(p))}
}

// underFlood returns a worker with n stanzas that logs no more refusals one by one, and a packet
// whose HMAC is of none of them.
func underFlood(t testing.TB, n int) (*worker, *parse.Event) {
	t.Helper()
	var access strings.Builder
	for i := range n {
		fmt.Fprintf(&access, "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY sometestkey%d\nHMAC_KEY sometestmac%d\n\n", i, i)
	}
	w := deciding(t, access.String())
	ev := forged(t, spa.Key{Passphrase: []byte("of a stranger"), HMACKey: []byte("also of a stranger")})
	for range privsep.RefusalBurst + 1 {
		w.step(ev)
	}
	w.batch = w.batch[:0]
	return w, ev
}

// A refusal that is only counted costs no allocation, however many stanzas refuse.
func TestFloodAllocations(t *testing.T) {
	for _, n := range []int{1, 10, 100, 1000} {
		w, ev := underFlood(t, n)
		if allocs := testing.AllocsPerRun(100, func() { w.step(ev) }); allocs != 0 {
			t.Errorf("%d stanzas: %v allocations", n, allocs)
		}
	}
}

// BenchmarkFlood: what a packet of valid form costs that no stanza opens, by their number.
func BenchmarkFlood(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("stanzas=%d", n), func(b *testing.B) {
			w, ev := underFlood(b, n)
			b.ReportAllocs()
			for b.Loop() {
				w.step(ev)
			}
		})
	}
}
