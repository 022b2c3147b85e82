package ingest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// entryTexts writes three records, from the ports 1 to 3, in the forms that span lines.
func entryTexts() map[string]string {
	message := func(n int) string {
		return fmt.Sprintf("KNOCK IN=eth0 OUT= SRC=192.0.2.7 DST=198.51.100.1 LEN=29 TOS=0x00 PREC=0x00 TTL=60 ID=1 PROTO=UDP SPT=%d DPT=2 LEN=9 ", n)
	}
	var export, blob, blobLast, verbose, remarks, pretty, list, compact, seq, jq strings.Builder
	remarks.WriteString("-- Journal begins at Mon 2026-11-23 07:46:05 UTC, ends at Fri 2026-11-27 21:00:07 UTC. --\n")
	list.WriteString("[\n")
	compact.WriteString("[")
	for n := 1; n <= 3; n++ {
		micros := 1795813205000000 + int64(n)*1000000
		fmt.Fprintf(&export, "__CURSOR=s=b6;i=%d\n__REALTIME_TIMESTAMP=%d\n_TRANSPORT=kernel\nMESSAGE=%s\n_HOSTNAME=gate\n\n", n, micros, message(n))
		text := message(n) + "\nMESSAGE=second\n\nline"
		fmt.Fprintf(&blob, "__CURSOR=s=b6;i=%d\n__REALTIME_TIMESTAMP=%d\nMESSAGE\n%s%s\n_TRANSPORT=kernel\n\n", n, micros, binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text)
		other := "\x1b[31m\n\nMESSAGE=IN=x OUT=\n" // journalctl writes every field with control characters so
		fmt.Fprintf(&blobLast, "__CURSOR=s=b6;i=%d\nSYSLOG_RAW\n%s%s\n__REALTIME_TIMESTAMP=%d\n_TRANSPORT=kernel\nMESSAGE\n%s%s\n\n", n,
			binary.LittleEndian.AppendUint64(nil, uint64(len(other))), other, micros, binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text)
		fmt.Fprintf(&verbose, "Fri 2026-11-27 21:00:%02d.000000 UTC [s=b6;i=%d;b=01;m=f4240;t=66;x=77]\n    _TRANSPORT=kernel\n    PRIORITY=4\n    MESSAGE=%s\n    _HOSTNAME=gate\n", 5+n, n, message(n))
		object := fmt.Sprintf("{\n\t\"_TRANSPORT\" : \"kernel\",\n\t\"MESSAGE\" : \"%s \\\"}{\\\\\",\n\t\"x\" : { \"y\" : [ 1, 2 ] },\n\t\"__REALTIME_TIMESTAMP\" : \"%d\"\n}\n", message(n), micros)
		pretty.WriteString(object)
		jq.WriteString(strings.ReplaceAll(object, "\n", "\r\n"))
		flat := strings.NewReplacer("\n", "", "\t", "").Replace(object)
		seq.WriteString("\x1e" + flat + "\n")
		sep := ","
		if n == 3 {
			sep = ""
		}
		list.WriteString("  " + strings.TrimSuffix(strings.ReplaceAll(object, "\n", "\n  "), "\n  ") + sep + "\n")
		compact.WriteString(flat + sep)
	}
	list.WriteString("]\n")
	compact.WriteString("]\n")
	remarks.WriteString(verbose.String())
	dmesg := "{\n   \"dmesg\": [\n      " + strings.TrimSuffix(strings.ReplaceAll(pretty.String(), "}\n{", "},{"), "\n") + "\n   ]\n}\n"
	return map[string]string{
		"dmesg":  dmesg,
		"export": export.String(), "export, binary": blob.String(), "export, binary last": blobLast.String(), "verbose": verbose.String(), "verbose, with remarks": remarks.String(),
		"json-pretty": pretty.String(), "json-pretty, CR LF": jq.String(), "list": list.String(), "list on one line": compact.String(),
		"json-seq": seq.String(), "json-seq, pretty": strings.ReplaceAll(pretty.String(), "{\n\t\"_T", "\x1e{\n\t\"_T"),
		"export, no blank line at the end":              strings.TrimSuffix(export.String(), "\n\n"),
		"export, binary last, no blank line at the end": strings.TrimSuffix(blobLast.String(), "\n"),
		"verbose, no newline at the end":                strings.TrimSuffix(verbose.String(), "\n"),
	}
}

// TestEntries reads records that span lines, whole, in UTF-16 and byte by byte.
func TestEntries(t *testing.T) {
	for name, text := range entryTexts() {
		records := uint64(3)
		if strings.Contains(name, "remarks") {
			records++
		}
		for form, data := range map[string][]byte{
			"UTF-8": []byte(text), "UTF-8 with its mark": append([]byte("\ufeff"), text...),
			"UTF-16LE": toUTF16(text, binary.LittleEndian), "UTF-16BE": toUTF16(text, binary.BigEndian),
		} {
			if strings.HasPrefix(form, "UTF-16") && strings.Contains(name, "binary") {
				continue // its lengths count bytes
			}
			got := read(t, writeFile(t, "a.log", data))
			if !slices.Equal(got.payloads, []string{"1", "2", "3"}) || got.problems != nil || got.counts.Records != records {
				t.Errorf("%s, %s: %v, problems %q, counts %+v", name, form, got.payloads, got.problems, got.counts)
			}
			for i, at := range got.times {
				if at.Unix() != int64(1795813206+i) {
					t.Errorf("%s, %s: record %d at %v", name, form, i, at)
				}
			}
		}
	}
}

func toUTF16(text string, order binary.ByteOrder) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
		b = append(b, 0, 0)
		order.PutUint16(b[len(b)-2:], u)
	}
	return b
}

// TestUTF16Lines reads plain lines in UTF-16, with characters outside the first plane.
func TestUTF16Lines(t *testing.T) {
	text := strings.Repeat("nov. 27 21:00:05 gate app: "+strings.Repeat("\U0001f525", 500)+"\r\n", 50) + logLine(1) + "\r\n" + logLine(2)
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		got := read(t, writeFile(t, "a.log", toUTF16(text, order)))
		if !slices.Equal(got.payloads, []string{"1", "2"}) || got.problems != nil || got.counts.Records != 52 {
			t.Errorf("%v: %q, problems %q, counts %+v", order, got.payloads, got.problems, got.counts)
		}
	}
	lone := binary.LittleEndian.AppendUint16([]byte{0xff, 0xfe}, 0xd800) // half a character, then half a unit
	if got := read(t, writeFile(t, "a.log", append(lone, 'x'))); got.counts.Events != 0 {
		t.Errorf("torn: %+v", got.counts)
	}
}

// TestEntriesTooLong: an entry without an end does not fill the memory.
func TestEntriesTooLong(t *testing.T) {
	for _, front := range []string{"__CURSOR=x\nA=", "__CURSOR=x\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff", "__CURSOR=x\nMESSAGE\n\x00\x00\x10\x00\x00\x00\x00\x00", "{\n\"a\":\"", "Fri 2026-11-27 21:00:05.000000 UTC [s=b6]\n    A="} {
		data := front + strings.Repeat("x", 2*maxEntry)
		got := read(t, writeFile(t, "a.log", []byte(data)))
		if got.counts.Malformed == 0 || got.counts.Events != 0 || got.counts.Bytes != uint64(len(data)) {
			t.Errorf("%q: %+v", front, got.counts)
		}
	}
}

// TestEntriesAreNotSplit: a large file of records that span lines is one part.
func TestEntriesAreNotSplit(t *testing.T) {
	for name, text := range entryTexts() {
		file := filepath.Join(t.TempDir(), "big.log")
		if err := os.WriteFile(file, bytes.Repeat([]byte(text), 1+4*splitLeast/len(text)), 0o600); err != nil {
			t.Fatal(err)
		}
		parts, err := Split(file, 4, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if one := len(parts) == 1; one != (name != "json-seq") {
			t.Errorf("%s: %d parts", name, len(parts))
		}
		for _, p := range parts {
			p.Close()
		}
	}
}
