package fleetlink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/fixtures/wait"
	"fwknopd/policy/conf"
)

// claimsFunc implements Claims.
type claimsFunc func(ctx context.Context, c Claim) Answer

func (f claimsFunc) Claim(ctx context.Context, c Claim) Answer { return f(ctx, c) }

// pair returns both ends of a link.
func pair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	a, file, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	b, err = Conn(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

var at = time.Date(2026, 11, 30, 12, 0, 0, 5, time.UTC)

// A claim arrives as it was made, and so does its answer.
func TestClaim(t *testing.T) {
	sent := Claim{Digest: [32]byte{1, 0xff}, Sent: at, Until: at.Add(time.Minute), Stanza: "office"}
	for _, want := range []Answer{{Verdict: First}, {Verdict: Taken, By: "gw2", At: at}, {Verdict: Taken}, {Why: "no quorum"}} {
		a, b := pair(t)
		got := make(chan Claim, 1)
		served := make(chan error, 1)
		go func() {
			served <- Serve(context.Background(), b, claimsFunc(func(_ context.Context, c Claim) Answer { got <- c; return want }))
		}()
		c := NewClient(a)
		if answer := c.Claim(context.Background(), sent); answer != want {
			t.Errorf("answer %+v, want %+v", answer, want)
		}
		if claim := <-got; claim != sent {
			t.Errorf("claim %+v, want %+v", claim, sent)
		}
		c.Close()
		if err := <-served; err != nil {
			t.Errorf("served: %v", err)
		}
		wait.For(t, "the client to notice the end", c.Ended)
		if answer := c.Claim(context.Background(), sent); answer != (Answer{Why: whyEnded}) {
			t.Errorf("after the end: %+v", answer)
		}
	}
}

// Claims of several goroutines get their own answers.
func TestClaimsAtOnce(t *testing.T) {
	a, b := pair(t)
	go Serve(context.Background(), b, claimsFunc(func(_ context.Context, c Claim) Answer {
		return Answer{Verdict: Taken, By: c.Stanza}
	}))
	c := NewClient(a)
	done := make(chan error)
	for i := range maxOpen / 2 {
		go func() {
			name := strings.Repeat("x", i+1)
			for range 20 {
				if got := c.Claim(context.Background(), Claim{Stanza: name}); got.By != name {
					done <- errors.New(got.By + got.Why)
					return
				}
			}
			done <- nil
		}()
	}
	for range maxOpen / 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A process that does not answer is waited for once. Its late answer makes no message fresh, but shows
// that it is there.
func TestSilence(t *testing.T) {
	a, b := pair(t)
	c := NewClient(a)
	begin := time.Now()
	if got := c.Claim(context.Background(), Claim{}); got != (Answer{Why: whySilent}) {
		t.Fatalf("%+v", got)
	}
	if took := time.Since(begin); took < ClaimTime {
		t.Errorf("given up after %v", took)
	}
	begin = time.Now()
	for range 100 {
		if got := c.Claim(context.Background(), Claim{}); got != (Answer{Why: whySilent}) {
			t.Fatalf("%+v", got)
		}
	}
	if took := time.Since(begin); took >= ClaimTime {
		t.Errorf("each claim waits: %v", took)
	}
	other := NewLink(b)
	_, content, err := other.Receive()
	var m claimMessage
	if err != nil || codec.Decode(content, &m) != nil || m.ID != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	if err := other.Send(kindAnswer, answerMessage{1, Answer{Verdict: First}}); err != nil {
		t.Fatal(err)
	}
	go serveFirst(other)
	wait.For(t, "a claim to be answered again", func() bool {
		return c.Claim(context.Background(), Claim{}) == Answer{Verdict: First}
	})
}

// An answer that comes while its claim is given up counts: no further one is to come, so that the process
// would be taken for silent for ever.
func TestLastMoment(t *testing.T) {
	a, b := pair(t)
	c := NewClient(a)
	go serveFirst(NewLink(b))
	answered := make(chan Answer, 1)
	id, why := c.begin(answered)
	if why != "" || !c.deliver(&answerMessage{id, Answer{Verdict: First}}) {
		t.Fatal(why)
	}
	if got := c.giveUp(id, answered); got != (Answer{Verdict: First}) {
		t.Errorf("given up: %+v", got)
	}
	if got := c.Claim(context.Background(), Claim{}); got != (Answer{Verdict: First}) {
		t.Errorf("then: %+v", got)
	}
}

// serveFirst answers each claim with First.
func serveFirst(l *Link) {
	for {
		_, content, err := l.Receive()
		var m claimMessage
		if err != nil || codec.Decode(content, &m) != nil {
			return
		}
		l.Send(kindAnswer, answerMessage{m.ID, Answer{Verdict: First}})
	}
}

// encoded returns a message.
func encoded(t testing.TB, kind byte, v any) []byte {
	t.Helper()
	b, err := codec.Encode([]byte{kind}, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A process that was taken over gets nothing through but an answer to a claim that waits: whatever
// else it says ends the link, and every claim on it is refused.
func TestHostileAnswers(t *testing.T) {
	answer := func(id uint64, a Answer) []byte { return encoded(t, kindAnswer, answerMessage{id, a}) }
	for name, message := range map[string][]byte{
		"an answer to nothing":   answer(7, Answer{Verdict: First}),
		"an answer to none":      answer(0, Answer{Verdict: First}),
		"an unknown verdict":     answer(1, Answer{Verdict: Unclaimable + 1}),
		"a long text":            answer(1, Answer{Why: strings.Repeat("x", MaxWhy+1)}),
		"no UTF-8":               answer(1, Answer{Why: "\xff"}),
		"first with a gateway":   answer(1, Answer{Verdict: First, By: "b"}),
		"taken with a reason":    answer(1, Answer{Verdict: Taken, Why: "b"}),
		"refused with a time":    answer(1, Answer{At: at}),
		"another kind":           encoded(t, kindClaim, claimMessage{ID: 1}),
		"an unknown kind":        {'?'},
		"a kind alone":           {kindAnswer},
		"half an answer":         answer(1, Answer{Verdict: First})[:2],
		"an answer and more":     append(answer(1, Answer{Verdict: First}), 0),
		"the largest message":    append([]byte{kindAnswer}, make([]byte, MaxMessage-1)...),
		"more than the largest":  append([]byte{kindAnswer}, make([]byte, MaxMessage)...),
		"far more than that":     append([]byte{kindAnswer}, make([]byte, 2*MaxMessage)...),
		"nothing, as at the end": {},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t)
			c := NewClient(a)
			go func() {
				NewLink(b).Receive() // the claim
				b.Write(message)
			}()
			got := c.Claim(context.Background(), Claim{})
			if got.Verdict != Unavailable || got.Why != whyBroken && len(message) > 0 {
				t.Errorf("%+v", got)
			}
			wait.For(t, "the link to end", c.Ended)
			if _, err := b.Write(message); err == nil {
				t.Error("the link is open")
			}
			if got := c.Claim(context.Background(), Claim{}); got.Verdict != Unavailable {
				t.Errorf("then %+v", got)
			}
		})
	}
}

// An answer is given once.
func TestAnsweredTwice(t *testing.T) {
	a, b := pair(t)
	c := NewClient(a)
	l := NewLink(b)
	go func() {
		l.Receive()
		l.Send(kindAnswer, answerMessage{1, Answer{Verdict: First}})
		l.Send(kindAnswer, answerMessage{1, Answer{Verdict: First}})
	}()
	if got := c.Claim(context.Background(), Claim{}); got.Verdict != First {
		t.Errorf("%+v", got)
	}
	wait.For(t, "the link to end", c.Ended)
}

// Texts of a process cannot control a terminal.
func TestTexts(t *testing.T) {
	a, b := pair(t)
	c := NewClient(a)
	l := NewLink(b)
	go func() {
		l.Receive()
		l.Send(kindAnswer, answerMessage{1, Answer{Why: "a\x1b[31m\nb"}})
	}()
	if got := c.Claim(context.Background(), Claim{}); got.Why != "a?[31m?b" {
		t.Errorf("%+v", got)
	}
}

// A worker that was taken over is cut off for what no honest one sends, and gets no more than maxOpen
// claims decided at a time.
func TestHostileWorker(t *testing.T) {
	claim := func(id uint64, c Claim) []byte { return encoded(t, kindClaim, claimMessage{id, c}) }
	for name, messages := range map[string][][]byte{
		"number 0":         {claim(0, Claim{})},
		"a number twice":   {claim(1, Claim{}), claim(1, Claim{})},
		"a long stanza":    {claim(1, Claim{Stanza: strings.Repeat("x", MaxStanza+1)})},
		"an unknown kind":  {{'?'}},
		"half a claim":     {claim(1, Claim{})[:20]},
		"too long a claim": {append(claim(1, Claim{}), make([]byte, MaxMessage)...)},
	} {
		a, b := pair(t)
		served := make(chan error, 1)
		go func() {
			served <- Serve(context.Background(), b, claimsFunc(func(context.Context, Claim) Answer { return Answer{Verdict: First} }))
		}()
		for _, m := range messages {
			a.Write(m)
		}
		if err := <-served; err == nil {
			t.Errorf("%s: is served", name)
		}
	}
	a, b := pair(t)
	served := make(chan error, 1)
	var open, most atomic.Int64
	go func() {
		served <- Serve(context.Background(), b, claimsFunc(func(ctx context.Context, _ Claim) Answer {
			most.Store(max(most.Load(), open.Add(1)))
			defer open.Add(-1)
			<-ctx.Done()
			return Answer{}
		}))
	}()
	for id := uint64(1); ; id++ {
		if _, err := a.Write(claim(id, Claim{})); err != nil {
			break
		}
	}
	if err := <-served; err == nil || most.Load() > maxOpen {
		t.Errorf("a flood: %v, %d at a time", err, most.Load())
	}
}

// listening returns a Listener that says nothing, with what is set in l.
func listening(l Listener) Listener {
	if l.Ready == nil {
		l.Ready = func() {}
	}
	if l.Failed == nil {
		l.Failed = func(string) {}
	}
	if l.Quorum == nil {
		l.Quorum = func(bool, string) {}
	}
	if l.Message == nil {
		l.Message = func(string) {}
	}
	if l.Order == nil {
		l.Order, l.Done, l.Late, l.Stored = func(string, []byte) {}, func(string, []byte) {}, func(LateOrder) {}, func([]byte) {}
	}
	return l
}

// The monitor configures a process, hands links over, asks for the status, and hears what it says.
func TestControl(t *testing.T) {
	a, b := pair(t)
	c := NewControl(a)
	said := make(chan string, 10)
	ran := make(chan error, 1)
	go func() {
		ran <- c.Run(Listener{
			Ready: func() { said <- "ready" }, Failed: func(why string) { said <- "failed " + why },
			Quorum: func(ok bool, why string) { said <- map[bool]string{true: "quorum", false: "no quorum "}[ok] + why }, Message: func(text string) { said <- text },
		})
	}()
	cfg := Config{Name: "a", Credentials: []byte("secret"), MaxAge: time.Minute}
	if err := c.Configure(&cfg); err != nil {
		t.Fatal(err)
	}
	m, got, err := NewMonitor(b)
	if err != nil || got.Name != "a" || string(got.Credentials) != "secret" || got.MaxAge != time.Minute {
		t.Fatalf("%+v, %v", got, err)
	}
	status := Status{V: 1, Name: "a", Quorum: true, Why: "x\x1b", Members: []Member{{Name: "b\n"}}}
	go m.Run(context.Background(), Handler{
		Link: func(p Purpose, conn *net.UnixConn) {
			if p != ForClaims {
				t.Errorf("purpose %d", p)
			}
			go Serve(context.Background(), conn, claimsFunc(func(context.Context, Claim) Answer { return Answer{Verdict: First} }))
		},
		Status: func() Status { return status },
	})
	m.Ready()
	m.Quorum(false, "alone")
	m.Quorum(true, "")
	m.Message("hello\x07")
	m.Failed("over")
	for _, want := range []string{"ready", "no quorum alone", "quorum", "hello?", "failed over"} {
		if got := <-said; got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	}
	for range 3 {
		s, err := c.Status(t.Context())
		if err != nil || s.Name != "a" || !s.Quorum || s.Why != "x?" || s.Members[0].Name != "b?" {
			t.Errorf("%+v, %v", s, err)
		}
	}
	file, err := c.Open(ForClaims)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Conn(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := NewClient(conn).Claim(t.Context(), Claim{}); got.Verdict != First {
		t.Errorf("%+v", got)
	}
	c.Close()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoProcess) {
		t.Errorf("status of what has ended: %v", err)
	}
}

// Late orders come one by one, and an order is told to be stored; a process that does not wait is cut off.
func TestLateOrder(t *testing.T) {
	a, b := pair(t)
	c := NewControl(a)
	late, stored, ran := make(chan LateOrder, 2), make(chan string, 1), make(chan error, 1)
	go func() {
		ran <- c.Run(Listener{Late: func(o LateOrder) { late <- o }, Stored: func(text []byte) { stored <- string(text) }})
	}()
	if err := c.Configure(&Config{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	m, _, err := NewMonitor(b)
	if err != nil {
		t.Fatal(err)
	}
	go m.Run(t.Context(), Handler{})
	m.Stored([]byte("order"))
	if got := <-stored; got != "order" {
		t.Errorf("stored %q", got)
	}
	want := LateOrder{"gw2", "text", time.Unix(7, 0).UTC()}
	for range 2 {
		dealt := make(chan bool)
		go func() { dealt <- m.Late(t.Context(), want) }()
		if got := <-late; got != want {
			t.Errorf("%+v", got)
		}
		select {
		case <-dealt:
			t.Error("it is dealt with before that is said")
		default:
		}
		if err := c.Taken(); err != nil || !<-dealt {
			t.Errorf("not dealt with: %v", err)
		}
	}
	ending, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		if m.Late(ending, want) {
			t.Error("dealt with")
		}
	}
	if err := <-ran; !errors.Is(err, errKind) {
		t.Errorf("two at a time: %v", err)
	}
}

// A monitor keeps its head: a process that says what it may not is cut off, and one that says nothing
// is not waited for.
func TestHostileProcess(t *testing.T) {
	long, err := json.Marshal(Status{V: 1, Members: make([]Member, maxMembers+1)})
	if err != nil {
		t.Fatal(err)
	}
	for name, message := range map[string][]byte{
		"a status to nobody":    append([]byte{kindStatus}, `{"v":1}`...),
		"a status of too many":  append([]byte{kindStatus}, long...),
		"another version":       append([]byte{kindStatus}, `{"v":2}`...),
		"unknown members":       append([]byte{kindStatus}, `{"v":1,"x":1}`...),
		"no JSON":               append([]byte{kindStatus}, `{`...),
		"ready with more":       {kindReady, 0},
		"an unknown kind":       {'?'},
		"a claim":               encoded(t, kindClaim, claimMessage{ID: 1}),
		"half a text":           {kindMessage, 5, 'a'},
		"a quorum of 2":         {kindQuorum, 2, 0},
		"a late order of none":  encoded(t, kindLate, LateOrder{Stored: time.Unix(1, 0)}),
		"no time of a late one": encoded(t, kindLate, LateOrder{From: "gw2"}),
		"too much":              append([]byte{kindMessage}, make([]byte, MaxMessage)...),
	} {
		a, b := pair(t)
		c := NewControl(a)
		ran := make(chan error, 1)
		go func() { ran <- c.Run(listening(Listener{})) }()
		b.Write(message)
		if err := <-ran; err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
	a, _ := pair(t)
	c := NewControl(a)
	go c.Run(listening(Listener{}))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for range 2 * maxAsking {
		if _, err := c.Status(ctx); err == nil {
			t.Fatal("a status of nothing")
		}
	}
	for range 10_000 { // until the socket is full: then it is not waited for long
		if _, err = c.Open(ForClaims); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("links without end are handed over")
	}
}

// Descriptors come with links alone, one with each; others are closed.
func TestDescriptors(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fd := int(w.Fd())
	for name, c := range map[string]struct {
		message []byte
		fds     []int
	}{
		"a question with one": {[]byte{kindAsk}, []int{fd}},
		"two at once":         {encoded(t, kindLink, linkMessage{ForClaims}), []int{fd, fd}},
		"a pipe":              {encoded(t, kindLink, linkMessage{ForClaims}), []int{fd}},
		"a link without":      {encoded(t, kindLink, linkMessage{ForClaims}), nil},
	} {
		a, b := pair(t)
		if err := NewControl(a).Configure(&Config{}); err != nil {
			t.Fatal(err)
		}
		m, _, err := NewMonitor(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.WriteMsgUnix(c.message, unix.UnixRights(c.fds...), nil); err != nil {
			t.Fatal(err)
		}
		err = m.Run(t.Context(), Handler{Link: func(_ Purpose, conn *net.UnixConn) { conn.Close() }, Status: func() Status { return Status{V: 1} }})
		if err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
	w.Close()
	if _, err := r.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the end of a pipe that was handed over is open: %v", err)
	}
}

// FuzzAnswer: no message of a process panics, and what is taken as an answer has one encoding and its bounds.
func FuzzAnswer(f *testing.F) {
	for _, a := range []Answer{{Verdict: First}, {Verdict: Taken, By: "b", At: at}, {Why: "none"}} {
		f.Add(encoded(f, kindAnswer, answerMessage{1, a})[1:])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var m answerMessage
		if codec.Decode(content, &m) != nil || m.Answer.Check() != nil {
			return
		}
		again, err := codec.Encode(nil, m)
		if err != nil || !bytes.Equal(again, content) {
			t.Fatalf("%x becomes %x, %v", content, again, err)
		}
		if len(m.Answer.By) > MaxWhy || len(m.Answer.Why) > MaxWhy || m.Answer.Verdict > Unclaimable {
			t.Fatalf("%+v", m)
		}
	})
}

// FuzzControl: no message of a process panics in the monitor, and none but a status is waited for.
func FuzzControl(f *testing.F) {
	f.Add([]byte{kindReady})
	f.Add(encoded(f, kindQuorum, quorumMessage{true, "x"}))
	f.Add(encoded(f, kindMessage, noticeMessage{"x"}))
	f.Add(append([]byte{kindStatus}, `{"v":1,"members":[{"name":"b"}]}`...))
	f.Add(encoded(f, kindOrder, relayMessage{"gw2", "text"}))
	f.Add(encoded(f, kindStored, relayMessage{Text: "text"}))
	f.Add(encoded(f, kindLate, LateOrder{"gw2", "text", time.Unix(7, 0)}))
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) == 0 {
			return
		}
		c := &Control{}
		answer := make(chan Status, 1)
		c.asking = append(c.asking, answer)
		text := func(text string) {
			if len(text) > MaxWhy {
				t.Fatalf("%d bytes", len(text))
			}
		}
		name := func(name string, _ []byte) {
			if !conf.IsFleetName(name) {
				t.Fatalf("passes under the name %q", name)
			}
		}
		err := c.handle(message[0], message[1:], listening(Listener{
			Failed: text, Message: text, Quorum: func(_ bool, why string) { text(why) },
			Order: name, Done: name, Late: func(o LateOrder) { name(o.From, nil) }, Stored: func([]byte) {},
		}))
		if told := len(answer) > 0; told != (err == nil && message[0] == kindStatus) {
			t.Fatalf("told %v, %v", told, err)
		}
	})
}
