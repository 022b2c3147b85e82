package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFollow: when the daemon has gone and come back, no event is told twice and none that it
// remembers is missed.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{follows: make(chan func(func([][]byte)) error)}
		var told []string
		ctx, cancel := context.WithCancel(t.Context())
		go follow(ctx, f, 5, func(list [][]byte) {
			for _, o := range list {
				told = append(told, string(o))
			}
		}, func(err error) { told = append(told, fmt.Sprint(err)) })
		says := func(history string, objects ...string) {
			t.Helper()
			told = nil
			f.follows <- func(take func([][]byte)) error {
				if history == "refused" {
					return errors.New(history)
				}
				var list [][]byte
				for _, o := range strings.Fields(history) {
					list = append(list, []byte(o))
				}
				take(list)
				for _, o := range objects {
					take([][]byte{[]byte(o)})
				}
				return errors.New("gone")
			}
			synctest.Wait()
		}
		want := func(text string) {
			t.Helper()
			if got := strings.Join(told, " "); got != text {
				t.Errorf("%q, want %q", got, text)
			}
		}
		says("refused")
		want("refused")
		says("a b", "c")
		want("<nil> a b c gone")
		begin := time.Now()
		says("a b c d", "e") // the same daemon
		want("<nil> d e gone")
		if time.Since(begin) != retryPause {
			t.Errorf("asks again after %v", time.Since(begin))
		}
		says("x", "y") // another one
		want("<nil> x y gone")
		says("refused")
		says("x y")
		want("<nil> gone")
		cancel()
		synctest.Wait()
	})
}

// Without a terminal each event is a line, or its object, and the user learns of the daemon's
// end and return once each.
func TestPrintEvents(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		f := &fake{follows: make(chan func(func([][]byte)) error, 8)}
		ctx, cancel := context.WithCancel(t.Context())
		f.follows <- func(take func([][]byte)) error {
			take(history[:2])
			take(history[3:4])
			return errors.New("the daemon hung up")
		}
		synctest.Test(t, func(t *testing.T) {
			f.follows <- func(func([][]byte)) error { return errors.New("no running fwknopd detected") }
			f.follows <- func(take func([][]byte)) error {
				take(nil)
				take(history[4:5])
				cancel()
				return ctx.Err()
			}
			var out, errs strings.Builder
			if err := printEvents(ctx, f, 10, asJSON, &out, &errs); err != nil {
				t.Error(err)
			}
			want := `2026-11-27T09:38:30Z decision refused from 203.0.113.5 no_stanza
2026-11-27T09:38:50Z decision refused from 203.0.113.5 spa.replay stanza alice (line 3) user bob: first seen 2026-11-27T09:30:00.000000Z, first from 192.0.2.7
2026-11-27T09:39:20.1Z grant granted from 192.0.2.7 stanza alice (line 3) user alice: 192.0.2.7 tcp/22 until 2026-11-27T09:40:20Z
2026-11-27T09:39:30Z decision refused from 2001:db8:1:2:3:4:5:6 spa.stale stanza at line 9 user ?]0;owned?: 600 s old, limit 120 s
`
			if asJSON {
				want = fmt.Sprintf("%s\n%s\n%s\n%s\n", history[0], history[1], history[3], history[4])
			}
			if out.String() != want {
				t.Errorf("%s\nwant\n%s", out.String(), want)
			}
			if errs.String() != "fwknopd top: the daemon hung up; waiting for it\nfwknopd top: the daemon answers again\n" {
				t.Error(errs.String())
			}
		})
	}
}

// brokenWriter fails.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// An output that fails ends the command.
func TestPrintFails(t *testing.T) {
	f := &fake{follows: make(chan func(func([][]byte)) error, 1)}
	f.follows <- func(take func([][]byte)) error { take(history); return errors.New("gone") }
	if err := printEvents(t.Context(), f, 10, false, brokenWriter{}, io.Discard); err != io.ErrClosedPipe {
		t.Error(err)
	}
}
