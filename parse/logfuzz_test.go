package parse

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzLogLine holds every reading to what an Event promises.
func FuzzLogLine(f *testing.F) {
	files, err := filepath.Glob("../fixtures/netfilter/*/*.log")
	if err != nil || len(files) == 0 {
		f.Fatalf("no fixtures (%v)", err)
	}
	for _, name := range files {
		for n, line := range fileLines(f, name) {
			if len(line) < 1000 && (n < 40 || strings.Contains(name, "malformed") || strings.Contains(name, "dialects")) {
				f.Add(line)
			}
		}
	}
	for _, d := range dialects {
		f.Add([]byte(d.head + synRecord + d.tail))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		before := string(line)
		var ev, again Event
		again.Flags, again.Payload, again.HasSeq = 0xff, line, true // what an earlier record left
		again.SetOptions([]byte{1, 1, 1, 1})
		err := LogLine(line, logRef, &ev)
		errAgain := LogLine(line, logRef, &again)
		if string(line) != before {
			t.Fatal("the line was written to")
		}
		if !errors.Is(err, errAgain) {
			t.Fatalf("%v, then %v", err, errAgain)
		}
		if err != nil {
			if !errors.Is(err, ErrSkip) || errors.Is(err, ErrNotOurs) == errors.Is(err, ErrMalformed) {
				t.Fatalf("%v is not of one kind", err)
			}
			return
		}
		if string(ev.Options()) != string(again.Options()) {
			t.Fatalf("options %x, then %x", ev.Options(), again.Options())
		}
		again.opt, again.text = ev.opt, ev.text
		if !reflect.DeepEqual(ev, again) {
			t.Fatalf("%+v, then %+v", ev, again)
		}
		checkLogEvent(t, &ev, line)
		if line[0] != '{' {
			sameWithTail(t, &ev, line)
		}
	})
}

func checkLogEvent(t *testing.T, ev *Event, line []byte) {
	t.Helper()
	for _, a := range []struct {
		name string
		bad  bool
	}{
		{"addresses invalid", !ev.Src.IsValid() || !ev.Dst.IsValid()},
		{"families mixed", ev.Src.Addr().Is4() != ev.Dst.Addr().Is4()},
		{"address mapped or zoned", ev.Src.Addr().Is4In6() || ev.Dst.Addr().Is4In6() || ev.Src.Addr().Zone() != ""},
		{"ports without TCP or UDP", ev.Proto != TCP && ev.Proto != UDP && (ev.Src.Port() != 0 || ev.Dst.Port() != 0)},
		{"TCP fields without TCP", ev.Proto != TCP && (ev.Flags != 0 || ev.Window != 0 || ev.HasSeq || ev.HasOptions || ev.Reserved > 0)},
		{"options unannounced", !ev.HasOptions && len(ev.Options()) != 0},
		{"reserved bits too many", ev.Reserved > 15},
		{"ICMP fields without ICMP", ev.Proto != ICMP && ev.Proto != ICMPv6 && (ev.ICMPType != 0 || ev.ICMPCode != 0)},
		{"payload", ev.Payload != nil},
		{"a captured packet", ev.Origin == OriginFrame},
		{"longer than the line", len(ev.In) > maxIfname || len(ev.Prefix) > len(line)},
		{"in the future without a year", ev.Time.After(logRef) && strings.IndexByte("JFMASOND", line[0]) >= 0 && line[6] == ' ' && line[9] == ':'},
	} {
		if a.bad {
			t.Errorf("%s: %+v", a.name, ev)
		}
	}
}

// sameWithTail: what is glued to a sound record never changes where it came from.
func sameWithTail(t *testing.T, ev *Event, line []byte) {
	t.Helper()
	tail := " Jul  3 04:05:07 gate kernel: " + strings.Replace(synRecord, "192.0.2.7", "6.6.6.6", 1)
	var longer Event
	glued := append(append([]byte(nil), trimEnd(line)...), tail...)
	if err := LogLine(glued, logRef, &longer); err == nil && longer.Src != ev.Src {
		t.Errorf("%v, and with another record behind it %v", ev.Src, longer.Src)
	}
}
