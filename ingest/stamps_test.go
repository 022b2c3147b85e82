package ingest

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"fwknopd/parse"
)

// TestUnreadStamps: each kind of record without a time is reported once, with the
// line that is the first of it, and all are counted.
func TestUnreadStamps(t *testing.T) {
	const record = "IN=eth0 OUT= SRC=192.0.2.7 DST=198.51.100.1 LEN=29 TOS=0x00 PREC=0x00 TTL=60 ID=1 PROTO=UDP SPT=1 DPT=2 LEN=9"
	log := strings.Join([]string{
		"3-VII-26 4h05 gate kernel: DROP " + record,
		"Jul  3 04:05:06 gate kernel: DROP " + record,
		"Jul  3 04:05:06 gate sshd[1]: hello",
		"14-IX-26 12h55 gate kernel: DROP " + record,
		"DROP " + record,
		"PASS " + record,
		"week 27, Friday: " + record,
		"[ 1002.123456] gate kernel: " + record,
		"[ 1003.123456] gate kernel: " + record,
	}, "\n") + "\n"
	var said []string
	r, err := Read([]string{Stdin}, ReadOptions{Stdin: strings.NewReader(log), Problem: func(p Problem) {
		said = append(said, strings.TrimPrefix(p.Name, "standard ")+string(rune('0'+p.Record))+" "+p.Err.Error())
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var ev parse.Event
	for err = nil; err != io.EOF; err = r.Next(context.Background(), &ev) {
		if err != nil && !isSkip(err) {
			t.Fatal(err)
		}
	}
	want := []string{
		`input1 time stamp not understood: "3-VII-26 4h05 gate kernel: DROP "; records like it count, but have no time`,
		`input5 no time stamp; records like it count, but have no time`,
		`input7 time stamp not understood: "week 27, Friday: "; records like it count, but have no time`,
		`input8 time stamps count from boot; 1970-01-01 00:00:00 UTC stands for it, and times of day are not known`,
	}
	if !slices.Equal(said, want) {
		t.Errorf("said %q", said)
	}
	if c := r.Stats().Counts(); c.Untimed != 5 || c.Events != 8 || c.NotOurs != 1 {
		t.Errorf("counts %+v", c)
	}
}

func TestUnreadStampsAreBounded(t *testing.T) {
	var k stampKinds
	for i := range 100 {
		k.line([]byte(strings.Repeat("x1", i) + " IN="))
	}
	if len(k.known) != maxStampKinds {
		t.Errorf("%d kinds", len(k.known))
	}
}
