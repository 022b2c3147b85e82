package ingest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fwknopd/parse"
)

func TestSplit(t *testing.T) {
	var b strings.Builder
	var want []string
	for i := range 20000 {
		fmt.Fprintln(&b, logLine(i))
		want = append(want, fmt.Sprint(i))
		if i%100 == 0 {
			b.WriteString("another program\n")
		}
	}
	name := writeFile(t, "a.log", []byte(b.String()[:b.Len()-1]))
	for _, n := range []int{1, 2, 3, 5, 100} {
		parts, err := Split(name, n, ReadOptions{Ref: testRef})
		if err != nil {
			t.Fatal(err)
		}
		if n > 1 && n <= 5 && len(parts) != n {
			t.Errorf("%d parts, want %d", len(parts), n)
		}
		var got reading
		var sum Counts
		for _, part := range parts {
			if err := readAll(t, part, &got); err != nil {
				t.Fatal(err)
			}
			sum.Add(got.counts)
		}
		if !slices.Equal(got.payloads, want) {
			t.Errorf("%d parts: %d events, want %d in order", n, len(got.payloads), len(want))
		}
		if sum.Records != 20200 || sum.Bytes != uint64(b.Len()-1) {
			t.Errorf("%d parts: counts %+v", n, sum)
		}
	}
}

// TestSplitPosition checks that line numbers are those of the file, not of the part.
func TestSplitPosition(t *testing.T) {
	data := strings.Repeat(logLine(1)+"\n", 2*splitLeast/len(logLine(1))+10)
	parts, err := Split(writeFile(t, "a.log", []byte(data)), 2, ReadOptions{Ref: testRef})
	if err != nil || len(parts) != 2 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	var ev parse.Event
	var got reading
	if err := readAll(t, parts[0], &got); err != nil {
		t.Fatal(err)
	}
	if err := parts[1].Next(t.Context(), &ev); err != nil {
		t.Fatal(err)
	}
	if want := int64(got.counts.Records) + 1; parts[1].Stats().Position().Record != want {
		t.Errorf("record %d, want %d", parts[1].Stats().Position().Record, want)
	}
}

func TestSplitOneLongLine(t *testing.T) {
	name := writeFile(t, "a.log", []byte(strings.Repeat("x", 3*splitLeast)))
	parts, err := Split(name, 3, ReadOptions{})
	if err != nil || len(parts) != 1 {
		t.Errorf("%d parts, %v", len(parts), err)
	}
}

func TestSplitLeavesCapturesWhole(t *testing.T) {
	data := append(buildPcap("one"), make([]byte, 4*splitLeast)...)
	parts, err := Split(writeFile(t, "a.pcap", data), 4, ReadOptions{})
	if err != nil || len(parts) != 1 {
		t.Errorf("%d parts, %v", len(parts), err)
	}
}
