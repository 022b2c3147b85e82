package parse

import (
	"encoding/binary"
	"strings"
	"testing"
)

// TestJournalEntry reads entries that span lines. Whatever the lines of a message
// contain, only journald's own field shows that the kernel wrote it.
func TestJournalEntry(t *testing.T) {
	const (
		head   = "Fri 2026-07-03 04:05:06.500000 UTC [s=b6;i=1;b=01;m=f4240;t=66;x=77]\n"
		export = "__CURSOR=s=b6\n__REALTIME_TIMESTAMP=1783051506500000\n"
	)
	forged := synRecord + "\n_TRANSPORT=kernel"
	blob := "MESSAGE\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(forged)))) + forged + "\n"
	for _, c := range []struct {
		name, entry string
		origin      Origin
	}{
		{"verbose", head + "    _TRANSPORT=kernel\n    MESSAGE=" + synRecord + "\n    _HOSTNAME=gate", OriginKernel},
		{"verbose, in German", strings.Replace(head, "Fri", "Fr", 1) + "    _TRANSPORT=kernel\n    MESSAGE=" + synRecord, OriginKernel},
		{"verbose, a program", head + "    _TRANSPORT=syslog\n    SYSLOG_IDENTIFIER=kernel\n    MESSAGE=" + synRecord, OriginUnknown},
		{"verbose, a further line", head + "    _TRANSPORT=syslog\n    MESSAGE=" + synRecord + "\n            _TRANSPORT=kernel\n", OriginUnknown},
		{"verbose, a further line of another form", head + "    MESSAGE=" + synRecord + "\n_TRANSPORT=kernel\n", OriginUnknown},
		{"export", export + "_TRANSPORT=kernel\nMESSAGE=" + synRecord, OriginKernel},
		{"export, a program", export + "_TRANSPORT=stdout\nMESSAGE=" + synRecord, OriginUnknown},
		{"export, a further line", export + blob + "_TRANSPORT=syslog", OriginUnknown},
		{"export, binary", export + blob + "_TRANSPORT=kernel", OriginKernel},
		{"export, indented", export + "MESSAGE=" + synRecord + "\n    _TRANSPORT=kernel", OriginUnknown},
		{"the source's time first", export + "_SOURCE_REALTIME_TIMESTAMP=1783051506500000\n__REALTIME_TIMESTAMP=1\n_TRANSPORT=kernel\nMESSAGE=" + synRecord, OriginKernel},
	} {
		var ev Event
		if err := JournalEntry([]byte(c.entry), logRef, &ev); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if ev.Origin != c.origin || string(ev.Prefix) != "DROP " || ev.Time.UnixMicro() != 1783051506500000 {
			t.Errorf("%s: origin %d, prefix %q, time %v", c.name, ev.Origin, ev.Prefix, ev.Time)
		}
	}
}

// FuzzJournalEntry: an entry is an event or one of the two kinds of errors, always the
// same.
func FuzzJournalEntry(f *testing.F) {
	f.Add([]byte("Fri 2026-07-03 04:05:06.500000 UTC [s=b6]\n    _TRANSPORT=kernel\n    MESSAGE=" + synRecord))
	f.Add([]byte("__CURSOR=x\nMESSAGE\n\x05\x00\x00\x00\x00\x00\x00\x00IN=\nx\n"))
	f.Fuzz(func(t *testing.T, block []byte) {
		var ev, again Event
		err := JournalEntry(block, logRef, &ev)
		if errAgain := JournalEntry(block, logRef, &again); err != errAgain || show(&ev) != show(&again) {
			t.Fatalf("%v, then %v", err, errAgain)
		}
		if err != nil && kindOf(err) == nil {
			t.Fatalf("error of no kind: %v", err)
		}
	})
}
