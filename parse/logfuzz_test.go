package parse

import (
	"bytes"
	"errors"
	"path/filepath"
	"reflect"
	"regexp"
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
	for _, object := range []string{
		`{"@timestamp":"2026-07-03T04:05:07.5Z","log":{"offset":1},"message":"\u001b[32mDROP IN=eth0 OUT= SRC=192.0.2.7","host":{"name":"gate"}}`,
		`{"timestamp":1783051507.5,"_facility":"kern","tag":"kernel","short_message":["` + synRecord + `"]}`,
		`{"oob.hook":1,"src_ip":"192.0.2.7","dest_ip":"198.51.100.10","src_port":1,"dest_port":2,"ip.protocol":6,"ip.ttl":57,"tcp.syn":true}`,
	} {
		f.Add([]byte(object))
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
		// An escape that is not finished takes the tail's beginning. Records of Proxmox with
		// one interface are looked for where there is none with two, and those without URGP=
		// have their end from that of the line.
		_, plain := findRecord(line, 0)
		has := func(text string) bool { return bytes.Contains(line, []byte(text)) }
		if plain && !has("{") && !needsStripping(line) && (ev.Proto != TCP || has("URGP=")) {
			sameWithTail(t, &ev, line)
		}
	})
}

// bsdStamp is the stamp of RFC 3164, of whatever month.
var bsdStamp = regexp.MustCompile(`^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d `)

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
		{"in the future without a year", ev.Time.After(logRef) && bsdStamp.Match(line) && !bytes.Contains(line, ev.Time.AppendFormat(nil, "2006"))},
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

// FuzzLogLineFront puts any text before a whole record: what the record has of
// its packet never changes.
func FuzzLogLineFront(f *testing.F) {
	for _, d := range dialects {
		f.Add([]byte(d.head))
	}
	f.Fuzz(func(t *testing.T, front []byte) {
		if bytes.Contains(front, []byte("IN=")) || len(front) > 0 && front[0] == '{' || bytes.ContainsAny(front, "\r\n") {
			return
		}
		var want, got Event
		if err := LogLine([]byte("Jul  3 04:05:06 gate kernel: "+synRecord), logRef, &want); err != nil {
			t.Fatal(err)
		}
		if err := LogLine(append(bytes.Clone(front), synRecord...), logRef, &got); err != nil {
			t.Fatalf("%q: %v", front, err)
		}
		if show(&got) != show(&want) || string(got.In) != "eth0" {
			t.Errorf("%q: %s, in %q", front, show(&got), got.In)
		}
	})
}

// FuzzStamp reads stamps of every form: an index that is returned lies in the text,
// and a stamp that is read has a day, unless its zone is not known.
func FuzzStamp(f *testing.F) {
	for _, d := range dialects {
		f.Add([]byte(d.head))
	}
	for _, text := range []string{"@400000006a4734fc075aef40 ", "1.7830515075e+09", "27.11.2026 21:00:05", "20261127T210005Z", "[金 11月 27 21:00:05 2026]", "Fri Nov 27 21:00:05 CET 2026"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, read := range map[string]func(*stamp) int{
			"read":    func(s *stamp) int { return s.read(b, 0) },
			"rare":    func(s *stamp) int { return s.readRare(b, 0) },
			"bracket": func(s *stamp) int { j, _ := s.rareBracket(b, 0); return j },
			"proxmox": func(s *stamp) int { return s.proxmox(b, 0) },
		} {
			var s stamp
			j := read(&s)
			if j < 0 || j > len(b) && j != failed {
				t.Fatalf("%s: %d of %d", name, j, len(b))
			}
			if j == failed || s.sinceEpoch || s.month == 0 {
				continue
			}
			if at := s.time(logRef); s.day < 1 || s.year == 0 && at.After(logRef) || at.IsZero() && s.zoneName[0] == 0 {
				t.Errorf("%s: %q: %+v, %v", name, b, s, at)
			}
		}
		if at := jsonTime(b, logRef); !at.IsZero() && (at.Year() < 0 || at.Year() > 10000) {
			t.Errorf("%q: %v", b, at)
		}
	})
}

// FuzzStripEscapes: a stripped text is no longer than before and holds neither ESC
// nor tab, and stripping in place gives the same.
func FuzzStripEscapes(f *testing.F) {
	for _, text := range []string{"\x1b[32ma\x1b[0m\tb", "\x1b]8;;x\x07y\x1b]8;;\x1b\\", "#033[1m^[[m\\x1b[K", "\x1b(B\x1b"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := stripEscapes(nil, b)
		in := bytes.Clone(b)
		if in = stripEscapes(in[:0], in); !bytes.Equal(got, in) {
			t.Errorf("%q: %q, in place %q", b, got, in)
		}
		if len(got) > len(b) || bytes.IndexByte(got, 0x1b) >= 0 || bytes.IndexByte(got, '\t') >= 0 {
			t.Errorf("%q: %q", b, got)
		}
	})
}
