package fleetlink

import (
	"net"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/ingest"
)

// linesPair returns both ends of a link for lines, and the connection of the fleet process.
func linesPair(t testing.TB) (*Lines, *LineSender, *net.UnixConn) {
	t.Helper()
	ours, file, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := Conn(file)
	if err != nil {
		t.Fatal(err)
	}
	return NewLines(ours), NewLineSender(theirs), theirs
}

func TestLines(t *testing.T) {
	worker, sender, _ := linesPair(t)
	defer sender.Close()
	now := time.Now().Truncate(time.Millisecond)
	full := ingest.FedRecord{Offset: 1 << 60, Time: now, First: 1 << 30, Text: []byte(strings.Repeat("x", MaxLines))}
	if !LinesFit(0, 0, &full) || LinesFit(1, MaxLines, &full) || LinesFit(maxLineRecords, 0, &ingest.FedRecord{}) {
		t.Error("how much fits is wrong")
	}
	name := strings.Repeat("n", 249) + "/2147483647"
	if err := sender.Send(name, []ingest.FedRecord{full}); err != nil {
		t.Fatal(err)
	}
	sender.Note("a note\x1b[2J")
	sender.Away("no broker")
	sender.Away("")
	fed, err := worker.Receive()
	if err != nil || fed.Name != name || len(fed.Records) != 1 {
		t.Fatalf("%.300q, %v", fed.Name, err)
	}
	if r := fed.Records[0]; r.Offset != full.Offset || !r.Time.Equal(now) || r.First != full.First || string(r.Text) != string(full.Text) {
		t.Errorf("%d, %v, %d, %d bytes", r.Offset, r.Time, r.First, len(r.Text))
	}
	for _, want := range []ingest.Fed{{Note: "a note?[2J"}, {Away: "no broker"}, {}} {
		fed, err := worker.Receive()
		if err != nil || fed.Note != want.Note || fed.Away != want.Away {
			t.Errorf("%+v, %v, want %+v", fed, err, want)
		}
	}
	worker.Commit(3)
	if n, err := sender.Done(); n != 3 || err != nil {
		t.Error(n, err)
	}
	worker.Commit(4)
	worker.Commit(5)
	if err := worker.Close(); err != nil { // its last word comes
		t.Fatal(err)
	}
	for n := uint64(0); n != 5; {
		if n, err = sender.Done(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sender.Done(); !HungUp(err) {
		t.Error(err)
	}
}

// TestBusyWorker: a worker that takes no lines for a while gets them all then.
func TestBusyWorker(t *testing.T) {
	worker, sender, _ := linesPair(t)
	defer sender.Close()
	const messages = 16 // more than the socket holds
	sent := make(chan error, 1)
	go func() {
		full := ingest.FedRecord{Text: []byte(strings.Repeat("x", MaxLines))}
		for range messages {
			if err := sender.Send("t/0", []ingest.FedRecord{full}); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	select {
	case err := <-sent:
		t.Fatalf("all was sent without a reader: %v", err)
	case <-time.After(ClaimTime + ClaimTime/2):
	}
	for range messages {
		if _, err := worker.Receive(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	worker.Close()
}

// TestHostileLines: what no honest fleet process sends ends the link; a worker that is not answered
// does not wait.
func TestHostileLines(t *testing.T) {
	encode := func(kind byte, v any) []byte {
		b, err := codec.Encode([]byte{kind}, v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	one := []lineRecord{{Text: "x"}}
	for name, message := range map[string][]byte{
		"kind":       {'?'},
		"empty":      {kindLines},
		"no records": encode(kindLines, linesMessage{"t/0", nil}),
		"many":       encode(kindLines, linesMessage{"t/0", make([]lineRecord, maxLineRecords+1)}),
		"name":       encode(kindLines, linesMessage{strings.Repeat("n", MaxWhy+1), one}),
		"offset":     encode(kindLines, linesMessage{"t/0", []lineRecord{{Offset: -1}}}),
		"trailing":   append(encode(kindLines, linesMessage{"t/0", one}), 0),
		"long":       append(encode(kindAway, noticeMessage{"x"}), make([]byte, MaxMessage)...),
	} {
		worker, sender, conn := linesPair(t)
		if _, err := conn.Write(message); err != nil {
			t.Fatal(err)
		}
		if fed, err := worker.Receive(); err == nil || HungUp(err) {
			t.Errorf("%s: %+v, %v", name, fed, err)
		}
		sender.Close()
		worker.Close()
	}
	worker, sender, _ := linesPair(t)
	defer sender.Close()
	for n := range uint64(100_000) { // more than the socket holds
		worker.Commit(n)
	}
	begin := time.Now()
	worker.Close()
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v to end", took)
	}
}

func FuzzLines(f *testing.F) {
	for _, m := range []linesMessage{{"t/0", []lineRecord{{1, 2, 3, true, "x\ny"}}}, {"", nil}} {
		b, err := codec.Encode(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m linesMessage
		if codec.Decode(b, &m) != nil {
			return
		}
		fed, err := m.fed()
		if err == nil && len(fed.Records) != len(m.Records) {
			t.Error(fed)
		}
	})
}
