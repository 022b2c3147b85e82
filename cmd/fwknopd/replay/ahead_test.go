package replay

import (
	"bytes"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/pipe"
	"fwknopd/fixtures/wait"
	"fwknopd/parse"
)

// aheadConf has stanzas with wrong keys before the right one and behind it, and keys of
// several kinds.
const aheadConf = `SOURCE 100.64.0.0/17
KEY another-key
OPEN_PORTS tcp/23

SOURCE ANY
KEY another-key
HMAC_KEY another-hmac-key

SOURCE ANY
KEY ` + benchKey + `
HMAC_KEY ` + benchHMAC + `
OPEN_PORTS tcp/22
FW_ACCESS_TIMEOUT 30
MAX_GRANTS 65536

SOURCE ANY
KEY ` + benchKey + `
HMAC_KEY ` + benchHMAC + `
OPEN_PORTS tcp/22,tcp/80
`

// mixed is traffic of all that the engine tells apart: valid packets, repeated ones, damaged ones, noise.
func mixed(t testing.TB) [][]byte {
	frames := traffic(t, 1500, 0)
	damaged := func(f []byte, at int) []byte {
		f = bytes.Clone(f)
		f[len(f)-at] ^= 1
		return f
	}
	var out [][]byte
	for i, f := range frames {
		out = append(out, f)
		switch i % 7 {
		case 1:
			out = append(out, frames[i/2])
		case 2:
			out = append(out, damaged(f, 3), damaged(f, 60))
		case 3:
			out = append(out, f[:len(f)-20], frame([4]byte{11, 1, 2, 3}, 1024, bytes.Repeat([]byte{byte(i)}, 40)))
		}
	}
	return out
}

// withProcessors runs f on so many processors.
func withProcessors(n int, f func()) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	f()
}

// TestAheadChangesNothing: the output on several processors is that on one.
func TestAheadChangesNothing(t *testing.T) {
	args := benchConf(t)
	if err := os.WriteFile(args[3], []byte(aheadConf), 0o600); err != nil {
		t.Fatal(err)
	}
	capture := writeCapture(t, mixed(t))
	for _, more := range [][]string{nil, {"--json"}, {"--what-if", filepath.Join(filepath.Dir(args[3]), "access.conf")}} {
		run := func(n int) (out, diagnostic string) {
			var o, d bytes.Buffer
			withProcessors(n, func() {
				if code := Replay(slices.Concat(args, more, []string{capture}), nil, &o, &d); code != exitOK {
					t.Errorf("%v: exit code %d: %s", more, code, d.String())
				}
			})
			return o.String(), d.String()
		}
		wantOut, wantDiag := run(1)
		for range 3 {
			if out, diag := run(4); out != wantOut || diag != wantDiag {
				t.Fatalf("%v: the output differs from that of one processor:\n%s", more, diag)
			}
		}
	}
}

// TestAheadOpens: packets are opened before the engine gets to them, and their messages are those
// that it decides.
func TestAheadOpens(t *testing.T) {
	withProcessors(4, func() {
		args := append(benchConf(t), writeCapture(t, traffic(t, 3000, 0)))
		flags, code := cli.Begin(cli.Replay, args, io.Discard, io.Discard)
		if flags == nil {
			t.Fatal(code)
		}
		o := newOptions(flags, nil, io.Discard, io.Discard)
		c := &frameFilter{}
		d, err := o.load("", c)
		if err != nil {
			t.Fatal(err)
		}
		src, err := o.read(d.server, c)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		d.ahead.prepare(d.Engine, func() iter.Seq[*parse.Event] { return o.readAgain(d.server, c) })
		var at, opened int64
		err = pipe.Run(t.Context(), src, func(ev *parse.Event) error {
			d.ahead.next()
			if at++; at == 2*aheadAfter {
				rings := d.ahead.rings
				later := rings[(at+aheadSlots/2)%int64(len(rings))].slot(at + aheadSlots/2)
				wait.For(t, "a packet opened ahead", func() bool { return later.position.Load() == at+aheadSlots/2 })
			}
			if d.ahead.current() != nil {
				opened++
			}
			if got := d.Decide(ev.Time, ev); got.User != "perf" {
				t.Fatalf("event %d: %+v", at, got)
			}
			return nil
		})
		d.ahead.stop()
		if err != nil || opened == 0 {
			t.Errorf("%v, %d opened ahead", err, opened)
		}
	})
}

// A packet that is tried on many stanzas counts once when it is decided whether to open ahead.
func TestAheadCountsPackets(t *testing.T) {
	var a ahead
	for range 3 {
		a.next()
		for range 100 {
			a.current()
		}
	}
	if a.wanted != 3 {
		t.Errorf("%d packets wanted", a.wanted)
	}
}
