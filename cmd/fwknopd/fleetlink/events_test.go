package fleetlink

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/fixtures/wait"
)

// taker keeps what it takes.
type taker struct {
	mu    sync.Mutex
	list  []Events
	open  []string
	tally EventTally
}

func (k *taker) TakeEvents(e Events) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(k.list, e)
	k.tally.Published += uint64(len(e.Objects))
}

func (k *taker) TakeOpen(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open = append(k.open, text)
}

func (k *taker) Tally() EventTally {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tally
}

func ends(t *testing.T) (ours, theirs *net.UnixConn) {
	t.Helper()
	ours, file, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = Conn(file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	return ours, theirs
}

func TestPublisher(t *testing.T) {
	ours, theirs := ends(t)
	var k taker
	go func() { _ = TakeEvents(t.Context(), theirs, &k) }()
	p := NewPublisher(ours)
	tallies := make(chan EventTally, 10)
	go func() { _ = p.Tallies(func(c EventTally) { tallies <- c }) }()
	long := strings.Repeat("x", MaxOpen)
	for _, err := range []error{p.Events(Events{3, 7, []string{"{}", `{"a":1}`}}), p.Open([]byte(long)), p.Open([]byte("{}"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := <-tallies; got.Published != 2 {
		t.Errorf("%+v", got)
	}
	wait.For(t, "both texts", func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return len(k.open) == 2 && k.open[0] == long && k.open[1] == "{}" && len(k.list) == 1 && k.list[0].First == 7
	})
}

// What a monitor does not say ends its link, without an end to what is kept of it.
func TestHostileMonitor(t *testing.T) {
	part := func(text string) func(*Link) {
		return func(l *Link) {
			for range 20 {
				if l.Send(kindOpen, openPart{Text: text}) != nil {
					return
				}
			}
		}
	}
	for name, send := range map[string]func(*Link){
		"unknown kind": func(l *Link) { _ = l.Send(kindClaim, nil) },
		"cut off":      func(l *Link) { _ = l.sendBytes(kindEvents, []byte{1, 2, 200}) },
		"trailing":     func(l *Link) { _ = l.sendBytes(kindEvents, []byte{1, 2, 0, 0}) },
		"endless":      part(strings.Repeat("x", MaxObjects)),
		"too long":     func(l *Link) { _, _ = l.conn.Write(make([]byte, MaxMessage+1)) },
	} {
		ours, theirs := ends(t)
		var k taker
		go send(NewLink(ours))
		if err := TakeEvents(t.Context(), theirs, &k); err == nil || len(k.list)+len(k.open) > 0 {
			t.Errorf("%s: %v, %+v", name, err, &k)
		}
	}
}

// Objects are cut into messages that can be sent, and what fits into none is left out of the numbers.
func TestPack(t *testing.T) {
	objects := [][]byte{[]byte("a"), bytes.Repeat([]byte("b"), MaxObjects), []byte("c"), nil, bytes.Repeat([]byte("d"), MaxObjects-1), []byte("e")}
	for range 2 * MaxObjects {
		objects = append(objects, []byte("f"))
	}
	ours, theirs := ends(t)
	other, next := NewLink(theirs), uint64(10)
	go func() {
		l := NewLink(ours)
		for _, e := range Pack(1, 10, objects) {
			if l.Send(kindEvents, e) != nil {
				t.Error("not sent")
			}
		}
		l.Close()
	}()
	got := make(map[uint64]string)
	for {
		_, content, err := other.Receive()
		if errors.Is(err, io.EOF) {
			break
		}
		var e Events
		if err == nil {
			err = codec.Decode(content, &e)
		}
		if err != nil || e.First < next {
			t.Fatalf("%v: %d after %d", err, e.First, next)
		}
		for i, object := range e.Objects {
			next = e.First + uint64(i)
			got[next] = object
		}
	}
	for i, object := range objects {
		text, there := got[uint64(10+i)]
		if there != (i != 1) || there && text != string(object) {
			t.Fatalf("object %d: %v, %.10q in place of %.10q", i, there, text, object)
		}
	}
}

// endless tells events until it cannot.
type endless struct{ ended chan error }

func (r endless) Read(_ context.Context, _ Query, tell func(Stored) error) (err error) {
	for err == nil {
		err = tell(Stored{Events: Events{Objects: []string{strings.Repeat("x", MaxObjects)}}})
	}
	r.ended <- err
	return err
}

// A command that stands still keeps no more than a message, and its end ends the reading.
func TestReadingStandsStill(t *testing.T) {
	ours, theirs := ends(t)
	r := endless{make(chan error, 1)}
	go func() { _ = ServeReader(t.Context(), theirs, r) }()
	reading, err := Ask(ours, Query{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := reading.Next(); err != nil || len(s.Objects) != 1 {
		t.Fatalf("%v, %d", err, len(s.Objects))
	}
	select {
	case err := <-r.ended:
		t.Fatalf("ended: %v", err)
	case <-time.After(2 * ClaimTime): // longer than a message may wait on other links
	}
	reading.Close()
	if err := <-r.ended; err == nil {
		t.Error("the reading has no end")
	}
}

func FuzzReading(f *testing.F) {
	f.Add([]byte{kindEvents, 0}, []byte{kindEnd, 0})
	f.Add([]byte{kindOpen}, []byte{kindEnd, 1, '\x1b'})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		ours, theirs := ends(t)
		defer theirs.Close()
		reading, err := Ask(ours, Query{})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{first, second} {
			if len(b) > 0 && len(b) < MaxMessage {
				if _, err := theirs.Write(b); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = theirs.CloseWrite()
		for range 4 {
			s, err := reading.Next()
			if err != nil {
				if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
					t.Errorf("%q", err)
				}
				return
			}
			if len(s.Gateway) > MaxMessage || strings.ContainsRune(s.Gateway, '\x1b') {
				t.Errorf("%q", s.Gateway)
			}
		}
		t.Error("no end")
	})
}
