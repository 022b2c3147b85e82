package node

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/fixtures/wait"
)

// TestAdmit: which messages a bucket can promise to be claimed once, and how long a claim has to live.
func TestAdmit(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	bounded := &terms{termsValue: termsValue{V: 1, Bound: testAge, By: "gw1"}, beginning: now.Add(-time.Hour)}
	endless := &terms{termsValue: termsValue{V: 1, By: "gw1"}, beginning: now.Add(-time.Hour)}
	at := func(sent time.Duration) fleetlink.Claim {
		return fleetlink.Claim{Sent: now.Add(sent), Until: now.Add(sent + testAge)}
	}
	undated, forever, longer := at(0), at(0), at(0)
	undated.Sent, forever.Until, longer.Until = time.Time{}, time.Time{}, now.Add(6*time.Minute)
	for _, c := range []struct {
		name  string
		terms *terms
		claim fleetlink.Claim
		ttl   time.Duration
		err   string
	}{
		{"now", bounded, at(0), 2*testAge + skew + time.Second, ""},
		{"old", bounded, at(-testAge), 2*testAge + skew + time.Second, ""},
		{"ahead", bounded, at(20 * time.Second), 2*testAge + skew + 21*time.Second, ""},
		{"far ahead", bounded, at(31 * time.Second), 0, "ahead of the clock"},
		{"before the bucket", bounded, at(-time.Hour - time.Minute), 0, "older than the claims"},
		{"with the bucket", bounded, at(-time.Hour + skew - 1), 0, "older than the claims"},
		{"after the bucket", endless, at(-time.Hour + skew), 0, ""},
		{"no time", bounded, undated, 0, "no time of its own"},
		{"no time, any age", endless, undated, 0, "no time of its own"},
		{"no end", bounded, forever, 0, "accepted for ever"},
		{"no end, any age", endless, forever, 0, ""},
		{"longer than the fleet keeps", bounded, longer, 0, "for longer than"},
	} {
		ttl, err := c.terms.admit(c.claim, now)
		if ttl != c.ttl || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, %v", c.name, ttl, err)
		}
	}
}

// TestAgeOfMembers: a member that accepts messages for longer than the one that made the bucket claims nothing.
func TestAgeOfMembers(t *testing.T) {
	made := &terms{termsValue: termsValue{V: 1, Bound: testAge, By: "gw1"}}
	for age, want := range map[time.Duration]string{testAge: "", time.Minute: "", testAge + time.Second: "more than the 2m0s", 0: "any age"} {
		if err := made.accepts(fleetlink.Config{MaxAge: age}); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", age, err)
		}
	}
	if err := (&terms{}).accepts(fleetlink.Config{MaxAge: time.Hour}); err != nil {
		t.Errorf("a bucket for any age: %v", err)
	}
	if err := made.accepts(fleetlink.Config{Witness: true}); err != nil {
		t.Errorf("a witness: %v", err)
	}
}

// TestClockOff: a gateway whose clock is an hour off claims nothing, and says so.
func TestClockOff(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		n := open(t, configs(t, 1)[0], Options{Now: func() time.Time { return time.Now().Add(off) }})
		wait.For(t, "the clock to be noticed", func() bool { return strings.Contains(unavailable(n), "1h0m0s away") })
		if a := n.Claim(t.Context(), claimOf("a")); a.Verdict != fleetlink.Unavailable || !strings.Contains(a.Why, "1h0m0s away") {
			t.Errorf("%v: %+v", off, a)
		}
	}
}

// TestBeginsAnew: a bucket that was emptied, or made anew, refuses what was sent before.
func TestBeginsAnew(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, js jetstream.JetStream) error{
		"emptied": func(t *testing.T, js jetstream.JetStream) error {
			s, err := js.Stream(t.Context(), streamName)
			if err != nil {
				return err
			}
			return s.Purge(t.Context())
		},
		"removed": func(t *testing.T, js jetstream.JetStream) error { return js.DeleteStream(t.Context(), streamName) },
	} {
		n := openAll(t, configs(t, 1))[0]
		patient(t, n)
		old := claimOf("old")
		if a := n.Claim(t.Context(), old); a.Verdict != fleetlink.First {
			t.Fatalf("%s: %+v", name, a)
		}
		if err := lose(t, n.JetStream()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// Whether this finds the loss or the node was faster: it is never claimed again.
		if a := n.Claim(t.Context(), old); a.Verdict == fleetlink.First {
			t.Errorf("%s: claimed twice", name)
		}
		ready(t, n)
		if a := n.Claim(t.Context(), old); a.Verdict != fleetlink.Unclaimable || !strings.Contains(a.Why, "older than the claims") {
			t.Errorf("%s: %+v", name, a)
		}
		n.Close()
	}
}

// TestDamagedClaim: what another program has put in the place of a claim is a claim.
func TestDamagedClaim(t *testing.T) {
	t.Parallel()
	n := openAll(t, configs(t, 1))[0]
	patient(t, n)
	for _, value := range []string{"", "junk", strings.Repeat("a", 200)} {
		c := claimOf("damaged" + value)
		if _, err := n.js.Publish(t.Context(), claimKey(c), []byte(value)); err != nil {
			t.Fatal(err)
		}
		if a := n.Claim(t.Context(), c); a.Verdict != fleetlink.Taken || a.By != "" || a.At.IsZero() {
			t.Errorf("%q: %+v", value, a)
		}
	}
}

// TestFull: where there is no room for further claims they are refused with the reason, and none is forgotten.
func TestFull(t *testing.T) {
	t.Parallel()
	n := openAll(t, configs(t, 1))[0]
	patient(t, n)
	use, _ := n.claims.current()
	small := use.bucket.CachedInfo().Config
	small.MaxBytes = 2048
	if _, err := n.js.UpdateStream(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		a := n.Claim(t.Context(), claimOf(fmt.Sprint("full", i)))
		if a.Verdict == fleetlink.Unavailable {
			if i == 0 || !strings.Contains(a.Why, "no room for further claims") {
				t.Errorf("%d: %+v", i, a)
			}
			break
		}
	}
	ready(t, n) // there is room for what shows that the fleet answers
	if a := n.Claim(t.Context(), claimOf("full0")); a.Verdict == fleetlink.First {
		t.Errorf("forgotten: %+v", a)
	}
}

// TestCutOff: without a majority the first claim waits for its second, all others are refused at once.
func TestCutOff(t *testing.T) {
	t.Parallel()
	nodes := openAll(t, configs(t, 3))
	patient(t, nodes[0])
	nodes[1].Close()
	nodes[2].Close()
	begin := time.Now()
	if a := nodes[0].Claim(t.Context(), claimOf("a")); a.Verdict != fleetlink.Unavailable || time.Since(begin) > 10*fleetlink.ClaimTime {
		t.Errorf("after %v: %+v", time.Since(begin), a)
	}
	begin = time.Now()
	for range 1000 {
		if a := nodes[0].Claim(t.Context(), claimOf("b")); a.Verdict != fleetlink.Unavailable || a.Why == "" {
			t.Fatalf("%+v", a)
		}
	}
	if took := time.Since(begin); took > fleetlink.ClaimTime {
		t.Errorf("1000 claims took %v", took)
	}
	s := nodes[0].Status()
	if s.Quorum || s.Why == "" || s.Members[1].Connected || s.Members[1].Heard.IsZero() || s.Claims.Unavailable < 1001 {
		t.Errorf("%+v", s)
	}
}

// TestVerdictOfClocks: which members stop to take part in what the fleet stores.
func TestVerdictOfClocks(t *testing.T) {
	const off = time.Hour
	for name, c := range map[string]struct {
		ahead []time.Duration // of the two others; -1: not heard of
		want  clockVerdict
	}{
		"all agree":         {[]time.Duration{0, time.Second}, clockAgrees},
		"one is not there":  {[]time.Duration{0, -1}, clockAgrees},
		"another is off":    {[]time.Duration{off, 0}, clockAgrees},
		"this one is off":   {[]time.Duration{off, off}, clockDiffers},
		"two that disagree": {[]time.Duration{-off, -1}, clockDiffers},
		"alone":             {[]time.Duration{-1, -1}, clockUnknown},
	} {
		a := newAlive(fleetlink.Config{Name: "gw1", Peers: []fleetlink.Peer{{Name: "gw1"}, {Name: "gw2"}, {Name: "gw3"}}}, time.Now)
		for i, ahead := range c.ahead {
			if ahead != -1 {
				a.heard[a.all[i+1].Name] = heard{ahead: ahead, fresh: time.Now()}
			}
		}
		var got clockVerdict
		for range patientTime {
			got = a.verdict()
		}
		if got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestLeaves: a member whose clock goes wrong takes no part any more, the others go on without it, and it
// comes back when its clock is right.
func TestLeaves(t *testing.T) {
	t.Parallel()
	list := configs(t, 3)
	var off atomic.Int64
	last := open(t, list[2], Options{Now: func() time.Time { return time.Now().Add(time.Duration(off.Load())) }})
	nodes := append(openAll(t, list[:2]), last)
	ready(t, last)
	patient(t, nodes[0])
	off.Store(int64(time.Hour))
	wait.For(t, "the member to leave", func() bool { return strings.Contains(nodes[2].server.apart(), "clock of this member differs") })
	c := claimOf("a")
	if a := nodes[2].Claim(t.Context(), c); a.Verdict != fleetlink.Unavailable {
		t.Errorf("at the wrong clock: %+v", a)
	}
	var a fleetlink.Answer
	wait.For(t, "a claim of the others", func() bool {
		c = claimOf(fmt.Sprint("b", time.Now()))
		a = nodes[0].Claim(t.Context(), c)
		return a.Verdict == fleetlink.First
	})
	off.Store(0)
	ready(t, nodes[2])
	wait.For(t, "the claim to be known", func() bool {
		a = nodes[2].Claim(t.Context(), c)
		return a.Verdict != fleetlink.Unavailable
	})
	if a.Verdict != fleetlink.Taken || a.By != "gw1" {
		t.Errorf("back again: %+v", a)
	}
}

// TestMajorityOfClocks: where the clocks of two of three members are wrong, the one that is right takes no part and
// its gateway refuses. It comes back when they are right, and what was claimed before stays so.
func TestMajorityOfClocks(t *testing.T) {
	t.Parallel()
	list := configs(t, 3)
	var off atomic.Int64
	wrong := Options{Now: func() time.Time { return time.Now().Add(time.Duration(off.Load())) }}
	nodes := []*Node{open(t, list[0], Options{}), open(t, list[1], wrong), open(t, list[2], wrong)}
	for _, n := range nodes {
		ready(t, n)
		patient(t, n)
	}
	c := claimOf("before")
	if a := nodes[1].Claim(t.Context(), c); a.Verdict != fleetlink.First {
		t.Fatalf("before: %+v", a)
	}
	off.Store(int64(time.Hour))
	wait.For(t, "the member to leave", func() bool { return strings.Contains(nodes[0].server.apart(), "clock of this member differs") })
	if a := nodes[0].Claim(t.Context(), claimOf("meanwhile")); a.Verdict != fleetlink.Unavailable {
		t.Errorf("at the right clock: %+v", a)
	}
	off.Store(0)
	for _, n := range nodes {
		ready(t, n)
	}
	if a := nodes[0].Claim(t.Context(), c); a.Verdict == fleetlink.First {
		t.Error("claimed twice")
	}
}

// TestComplete: a member counts as one that has all claims if it says so itself.
func TestComplete(t *testing.T) {
	t.Parallel()
	nodes := openAll(t, configs(t, 3))
	wait.For(t, "all to have all claims", func() bool { return nodes[0].Status().Bucket.Current == 3 })
	info, err := nodes[1].js.Stream(t.Context(), streamName)
	if err != nil {
		t.Fatal(err)
	}
	last := info.CachedInfo().State.LastSeq
	if n := nodes[1].server.holding(t.Context(), streamName, last, 3); n != 3 {
		t.Errorf("%d say so", n)
	}
	if n := nodes[1].server.holding(t.Context(), streamName, last+1, 3); n != 0 {
		t.Errorf("%d say so of a record that is not there yet", n)
	}
	nodes[2].Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // all of it, for the one that is not there
	defer cancel()
	if n := nodes[0].server.holding(ctx, streamName, last, 3); n != 2 {
		t.Errorf("%d of two say so", n)
	}
	if n := nodes[0].Status().Bucket.Current; n == 3 {
		t.Errorf("%d have all claims where two are there", n)
	}
}

// BenchmarkClaim is one member, with each claim on disk.
func BenchmarkClaim(b *testing.B) {
	n := openAll(b, configs(b, 1))[0]
	patient(b, n)
	for i := 0; b.Loop(); i++ {
		if a := n.Claim(b.Context(), claimOf(fmt.Sprint(i))); a.Verdict == fleetlink.Unavailable {
			b.Fatal(a)
		}
	}
}
