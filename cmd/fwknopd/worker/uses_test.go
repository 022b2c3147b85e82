package worker

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/enforce/schedule"
	"fwknopd/fixtures/wait"
)

// TestRefusedIsNoUse: what the monitor refused, here as the disk was full, is no use for the
// worker either.
func TestRefusedIsNoUse(t *testing.T) {
	one, err := schedule.ParseUses("1")
	if err != nil {
		t.Fatal(err)
	}
	var full atomic.Bool
	var refused, opened atomic.Int32
	full.Store(true)
	cfg := monitor.Config{
		Firewall: new(enforce.Recorder),
		Digests:  func([]monitor.Digest) error { return nil },
		SaveUses: func(*schedule.Counts) error {
			if full.Load() {
				return errors.New("no space left on device")
			}
			return nil
		},
		Events: func(ev monitor.Event) {
			switch ev.Kind {
			case monitor.Refused:
				refused.Add(1)
			case monitor.Granted:
				opened.Add(1)
			}
		},
	}
	cfg.Policy.Limits.Stanzas = []enforce.Allowance{{Stanza: 1, Source: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},
		Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, MaxLifetime: time.Minute, Name: "visitor", Uses: one}}
	m, send := runOnUDP(t, "SOURCE ANY\nNAME visitor\nOPEN_PORTS tcp/22\nKEY sometestkey1\nFW_ACCESS_TIMEOUT 30\nACCESS_USES 1\n", cfg)
	send(1)
	wait.For(t, "a refusal", func() bool { return refused.Load() == 1 })
	full.Store(false)
	n := 1
	wait.For(t, "a grant after there was room", func() bool { // the worker hears of the refusal later
		n++
		send(n)
		return opened.Load() > 0
	})
	if used := m.Uses().Uses["visitor"].Total; used != 1 || opened.Load() != 1 {
		t.Errorf("%d uses, %d opened", used, opened.Load())
	}
}
