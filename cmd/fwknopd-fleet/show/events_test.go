package show

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/fleetlink"
)

// told is a reader that tells what is in it.
type told struct {
	list []fleetlink.Stored
	err  error
}

func (r told) Read(_ context.Context, _ fleetlink.Query, tell func(fleetlink.Stored) error) error {
	for _, s := range r.list {
		if err := tell(s); err != nil {
			return err
		}
	}
	return r.err
}

// reading returns a link to a fleet process that tells what r has.
func reading(t *testing.T, r told) *fleetlink.Reading {
	t.Helper()
	ours, file, err := fleetlink.Pair()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := fleetlink.Conn(file)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = fleetlink.ServeReader(t.Context(), theirs, r) }()
	reading, err := fleetlink.Ask(ours, fleetlink.Query{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reading.Close() })
	return reading
}

// batch is events of a gateway that are stored, each named by a letter.
func batch(gateway string, run, first uint64, names string) fleetlink.Stored {
	s := fleetlink.Stored{Place: fleetlink.Place{Gateway: gateway, Stored: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)}}
	s.Run, s.First = run, first
	for _, name := range names {
		s.Objects = append(s.Objects, `{"v":1,"timestamp":"T","event_type":"x","verdict":"`+string(name)+`"}`)
	}
	return s
}

// Each event is shown once, in the order in which they are stored, and what is missing is said.
func TestEvents(t *testing.T) {
	var out bytes.Buffer
	r := reading(t, told{list: []fleetlink.Stored{
		batch("gw1", 1, 7, "ab"), batch("gw2", 1, 1, "A"), batch("gw1", 1, 8, "bc"), batch("gw1", 1, 13, "d"), batch("gw1", 1, 11, "x"),
		batch("gw1", 2, 4, "e"), batch("gw1", 1, 20, "y"), batch("gw2", 0, 0, "B"), batch("gw2", 1, 2, "C"), batch("gw3\x1b", 1<<63, 1<<63, "f"),
		batch("gw3\x1b", 1<<63, 1<<64-1, "g"),
	}})
	if err := printEvents(r, false, &out); err != nil {
		t.Fatal(err)
	}
	const lost = " 2026-11-30T09:00:00.000000Z monitor lost: "
	want := "gw1 T x a\ngw1 T x b\ngw2 T x A\ngw1 T x c\ngw1" + lost + "3 events\ngw1 T x d\ngw1" + lost + "3 events\ngw1 T x e\ngw2 T x B\n" +
		"gw2 T x C\ngw3? T x f\ngw3?" + lost + "2147483647 events\ngw3? T x g\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestEventsFail(t *testing.T) {
	var out bytes.Buffer
	err := printEvents(reading(t, told{[]fleetlink.Stored{batch("gw1", 1, 1, "a")}, errors.New("no quorum\x07")}), true, &out)
	if err == nil || err.Error() != "no quorum?" || !strings.HasPrefix(out.String(), `{"v":1,"gateway":"gw1","stored":"2026-11-30T09:00:00`) {
		t.Errorf("%v, %s", err, out.String())
	}
}

// What is open may take several messages, and what cannot be read is said to be so.
func TestGateways(t *testing.T) {
	long := `{"v":1,"more":3,"titles":{"1":{"title":"` + strings.Repeat("x", 200_000) + `"}}}`
	list, err := gateways(reading(t, told{list: []fleetlink.Stored{
		{Place: fleetlink.Place{Gateway: "gw1", Self: true, Heard: true}, Open: long}, {Place: fleetlink.Place{Gateway: "gw2"}, Open: "{"},
	}}))
	if err != nil || len(list) != 2 || list[0].More != 3 || !list[0].Self || list[0].Damaged || !list[1].Damaged || list[1].Heard {
		t.Errorf("%v, %d: %.200v", err, len(list), list)
	}
}

func TestSince(t *testing.T) {
	for args, want := range map[string]time.Duration{
		"events": time.Hour, "events --follow": 0, "events --since 90s": 90 * time.Second, "events --since 7d": 7 * 24 * time.Hour,
		"events --since 0s --follow": 0, "events --since -1h": -1, "events --since x": -1, "events --since 1.5d": -1, "events x": -1,
	} {
		o, code := cli.Begin(cli.Fleet, strings.Fields(args), t.Output(), t.Output())
		if o == nil {
			t.Fatalf("%s: %d", args, code)
		}
		if got, err := since(o); (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%s: %v, %v", args, got, err)
		}
	}
}
