package ingest

import (
	"errors"
	"io"
	"slices"
	"testing"

	"fwknopd/parse"
)

// TestForgedLines reads what rsyslog wrote for a user who sent 25 lines to /dev/log, all of
// them with the record of a packet. A tag "kernel:" cannot be told from the kernel's.
func TestForgedLines(t *testing.T) {
	for _, c := range []struct {
		name       string
		kernelOnly bool
		kernel     []uint16 // identifications of the packets whose lines count as the kernel's
		forged     uint64
	}{
		{"all.log", false, []uint16{1000, 1001, 1003, 1008}, 14},
		// The rest show no author: ulogd's lines look like them.
		{"all.log", true, []uint16{1000, 1001, 1003, 1004, 1007, 1008, 1009, 1012, 1015, 1023}, 14},
		{"kern.log", false, []uint16{1001}, 0},
	} {
		r, err := Read([]string{"../fixtures/cases/security/kernel-log-forgery/" + c.name}, ReadOptions{KernelOnly: c.kernelOnly})
		if err != nil {
			t.Fatal(err)
		}
		var kernel []uint16
		for ev := (parse.Event{}); ; {
			err := r.Next(t.Context(), &ev)
			if err == io.EOF {
				break
			}
			if err != nil && !errors.Is(err, parse.ErrSkip) {
				t.Fatal(err)
			}
			if err == nil && ev.Origin == parse.OriginKernel {
				kernel = append(kernel, ev.ID)
			}
		}
		if n := r.Stats().Counts(); !slices.Equal(kernel, c.kernel) || n.Forged != c.forged {
			t.Errorf("%s, only the kernel %v: %v count, %d forged", c.name, c.kernelOnly, kernel, n.Forged)
		}
	}
}

// TestContainerLines: with KERNEL_LOG a container's output does not count, whatever tag it
// has; without, its tag counts as that of any plain log does.
func TestContainerLines(t *testing.T) {
	const record = "IN=eth0 OUT= MAC= SRC=192.0.2.66 DST=10.99.0.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=7 DF PROTO=TCP SPT=40000 DPT=5001 WINDOW=64240 RES=0x00 SYN URGP=0"
	for _, line := range []string{
		`{"log":"Jul  3 04:05:06 gate kernel: ` + record + `\n","stream":"stdout","time":"2026-07-03T04:05:07.5Z"}`,
		"2026-07-03T04:05:07.5Z stdout F Jul  3 04:05:06 gate kernel: " + record,
	} {
		for _, kernelOnly := range []bool{false, true} {
			var n counters
			o := lineOptions{ref: testRef, kernelOnly: kernelOnly, forged: &n.forged}
			var ev parse.Event
			if err := o.decode([]byte(line), &ev); err != nil {
				t.Fatal(err)
			}
			if counts := ev.Origin == parse.OriginKernel; counts == kernelOnly || (n.sum().Forged == 1) != kernelOnly {
				t.Errorf("only the kernel %v: counts %v, %d forged: %s", kernelOnly, counts, n.sum().Forged, line)
			}
		}
	}
}
