package parse

import (
	"bytes"
	"encoding/binary"
	"fmt"
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

// FuzzJournalEntry: an entry is an event or one of the two kinds of errors, always the same. What a
// message means does not depend on the form of the entry that has it, and whatever is in it, only
// journald's own field says that the kernel wrote it.
func FuzzJournalEntry(f *testing.F) {
	const fields = "_TRANSPORT=kernel\nMESSAGE="
	f.Add([]byte("Fri 2026-07-03 04:05:06.500000 UTC [s=b6]\n    _TRANSPORT=kernel\n    MESSAGE=" + synRecord))
	f.Add([]byte("__CURSOR=x\nMESSAGE\n\x05\x00\x00\x00\x00\x00\x00\x00IN=\nx\n"))
	f.Add([]byte(synRecord + "\n" + fields + synRecord))
	f.Add([]byte("[ 1.5] DROP " + synRecord + "\r"))
	f.Fuzz(func(t *testing.T, block []byte) {
		var ev, again Event
		err := JournalEntry(block, logRef, &ev)
		if errAgain := JournalEntry(block, logRef, &again); err != errAgain || show(&ev) != show(&again) {
			t.Fatalf("%v, then %v", err, errAgain)
		}
		if err != nil && kindOf(err) == nil {
			t.Fatalf("error of no kind: %v", err)
		}
		if err == nil {
			checkEvent(t, &ev, len(block))
		}
		checkForms(t, block)
	})
}

// checkForms compares the forms of an entry with the message.
func checkForms(t *testing.T, message []byte) {
	t.Helper()
	for _, transport := range []string{"kernel", "syslog"} {
		binary := binary.LittleEndian.AppendUint64([]byte("__REALTIME_TIMESTAMP=1783051506500000\n_TRANSPORT="+transport+"\nMESSAGE\n"), uint64(len(message)))
		forms := [][]byte{append(append(binary, message...), '\n')}
		if !bytes.Contains(message, []byte("\n")) {
			forms = append(forms, fmt.Appendf(nil, "__REALTIME_TIMESTAMP=1783051506500000\nMESSAGE=%s\n_TRANSPORT=%s\n", message, transport),
				fmt.Appendf(nil, "Fri 2026-07-03 04:05:06.500000 UTC [s=b6]\n    MESSAGE=%s\n    _TRANSPORT=%s\n", message, transport))
		}
		var want Event
		wantErr := JournalEntry(forms[0], logRef, &want)
		if wantErr == nil && want.Origin == OriginKernel && transport != "kernel" {
			t.Fatalf("%q by %s is the kernel's", message, transport)
		}
		for _, form := range forms[1:] {
			var ev Event
			if err := JournalEntry(form, logRef, &ev); err != wantErr || err == nil && show(&ev) != show(&want) {
				t.Fatalf("%q is %s, %v; want %s, %v", form, show(&ev), err, show(&want), wantErr)
			}
		}
	}
}
