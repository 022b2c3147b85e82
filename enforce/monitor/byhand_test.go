package monitor

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
)

// What the administrator asks for is told apart from what the worker asks for.
func TestEventsSayWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustApply(t, ssh(1, time.Now().Add(time.Minute)))
		r.open(ctx, []job{{grant: ssh(2, time.Now().Add(time.Minute)), done: func(error) {}}}) // as a session does
		command := enforce.Grant{Src: ssh(3, time.Time{}).Src, Ports: ssh(3, time.Time{}).Ports, Stanza: 12, Expires: time.Now().Add(time.Minute)}
		command.External = &enforce.External{Open: []string{"/bin/open", command.Src.String()}, Close: []string{"/bin/close", command.Src.String()}, Timeout: time.Second}
		r.mustApply(t, command)
		if err := r.Apply(ctx, ssh(4, time.Now().Add(2*time.Hour))); !errors.Is(err, ErrRefused) || !errors.Is(err, enforce.ErrLifetime) {
			t.Errorf("for too long: %v", err)
		}
		synctest.Wait()
		byHand := make(map[string]bool)
		for _, ev := range append(r.of(Granted), r.of(Refused)...) {
			byHand[ev.Grant.Src.String()] = ev.ByHand
		}
		for src, want := range map[string]bool{"10.1.0.1": true, "10.1.0.2": false, "10.1.0.3": true, "10.1.0.4": true} {
			if got, told := byHand[src]; !told || got != want {
				t.Errorf("%s: told %v, by hand %v, want %v", src, told, got, want)
			}
		}
	})
}
