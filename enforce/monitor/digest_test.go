package monitor

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// digestLog is a journal in memory.
type digestLog struct {
	mu      sync.Mutex
	commits [][]Digest
	fail    error
}

func (l *digestLog) record(list []Digest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commits = append(l.commits, list)
	return l.fail
}

// taken returns the commits since the last call.
func (l *digestLog) taken() [][]Digest {
	l.mu.Lock()
	defer l.mu.Unlock()
	commits := l.commits
	l.commits = nil
	return commits
}

func testDigest(n int) Digest {
	return Digest{
		Key: sha256.Sum256(fmt.Append(nil, n)), Wire: sha256.Sum256(fmt.Append(nil, "wire", n)), Sent: MaxSent - int64(n),
		Src: netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666]:65535"), Dst: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(n)), Proto: 17,
	}
}

// What is recorded comes through unchanged and in order, with one call of the journal for
// each commit however many messages it takes.
func TestRecord(t *testing.T) {
	var log digestLog
	r := newRig(t, func(c *Config) { c.Digests = log.record })
	c := pair(t, r)
	for _, n := range []int{1, digestsPerFrame, digestsPerFrame + 1, 200, maxDigests, maxDigests + 1} {
		var list []Digest
		for i := range n {
			list = append(list, testDigest(i))
		}
		list[0].Wire, list[0].Sent, list[0].Src, list[0].Dst = [sha256.Size]byte{}, 0, netip.AddrPort{}, netip.AddrPort{}
		if err := c.Record(ctx, list).Wait(ctx); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		commits := log.taken()
		if got := slices.Concat(commits...); !slices.Equal(got, list) {
			t.Errorf("%d digests arrived of %d, or others", len(got), n)
		}
		if want := (n + maxDigests - 1) / maxDigests; len(commits) != want {
			t.Errorf("%d digests in %d commits, want %d", n, len(commits), want)
		}
	}
}

// The worker learns that its records are not on disk.
func TestRecordFails(t *testing.T) {
	log := digestLog{fail: errors.New("no space left on device")}
	c := pair(t, newRig(t, func(c *Config) { c.Digests = log.record }))
	if err := c.Record(ctx, []Digest{testDigest(1)}).Wait(ctx); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Record = %v", err)
	}
	if err := pair(t, newRig(t)).Record(ctx, []Digest{testDigest(1)}).Wait(ctx); !errors.Is(err, ErrRefused) {
		t.Errorf("without a journal: %v", err)
	}
	c.Close()
	<-c.Done()
	var many []Digest
	for i := range 100 {
		many = append(many, testDigest(i))
	}
	if err := c.Record(ctx, many).Wait(ctx); !errors.Is(err, ErrGone) {
		t.Errorf("after the end of the connection: %v", err)
	}
}

func digestText(change func(*wireDigest)) string {
	w := encodeDigests([]Digest{testDigest(1)}, false)
	change(&w.Records[0])
	text, err := json.Marshal(w)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Records with values out of range end the connection, and none of the commit is written.
func TestRecordViolations(t *testing.T) {
	good := digestText(func(*wireDigest) {})
	more := strings.Replace(good, `}]}`, `}],"more":true}`, 1)
	for name, bodies := range map[string][]string{
		"no records":         {`{"records":[]}`},
		"no body":            {`null`},
		"null record":        {`{"records":[null]}`},
		"short key":          {digestText(func(w *wireDigest) { w.Key = w.Key[1:] })},
		"long key":           {digestText(func(w *wireDigest) { w.Key = append(w.Key, 0) })},
		"no key":             {digestText(func(w *wireDigest) { w.Key = nil })},
		"short wire digest":  {digestText(func(w *wireDigest) { w.Wire = w.Wire[1:] })},
		"year 10000":         {digestText(func(w *wireDigest) { w.Sent = MaxSent + 1 })},
		"before 1970":        {digestText(func(w *wireDigest) { w.Sent = -1 })},
		"zone with newline":  {strings.Replace(good, `[2001:`, `[fe80::1%\n#`, 1)},
		"zone":               {strings.Replace(good, `6666]`, `6666%eth0]`, 1)},
		"protocol 256":       {strings.Replace(good, `"proto":17`, `"proto":256`, 1)},
		"fraction":           {strings.Replace(good, `"sent":`, `"sent":0.5,"x":`, 1)},
		"its own time":       {strings.Replace(good, `"sent":`, `"seen":1,"sent":`, 1)},
		"its own text":       {strings.Replace(good, `"sent":`, `"line":"# dropped","sent":`, 1)},
		"too many":           slices.Repeat([]string{more}, maxDigests+1),
		"violation at last":  {more, more, digestText(func(w *wireDigest) { w.Sent = -1 })},
		"not base64":         {strings.Replace(good, `"key":"`, `"key":"\u0000`, 1)},
		"port out of range":  {strings.Replace(good, `:65535"`, `:65536"`, 1)},
		"records of a kind":  {`{"records":"x"}`},
		"number as an array": {`[1]`},
	} {
		var log digestLog
		r := newRig(t, func(c *Config) { c.Digests = log.record })
		conn, served := wire(t, r)
		go io.Copy(io.Discard, conn)
		for i, body := range bodies {
			if _, err := conn.Write(frame(fmt.Sprintf(`{"id":%d,"op":"digests","body":%s}`, i+1, body))); err != nil {
				break // cut off
			}
		}
		if err := <-served; !errors.Is(err, errProtocol) {
			t.Errorf("%s: %v", name, err)
		}
		if len(log.commits) != 0 {
			t.Errorf("%s: %d commits", name, len(log.commits))
		}
	}
}

// A body either violates the protocol or gives records whose values are in range and that
// are encoded and decoded without a change.
func FuzzDigests(f *testing.F) {
	f.Add([]byte(digestText(func(*wireDigest) {})))
	f.Add([]byte(digestText(func(w *wireDigest) { w.Wire, w.Src = nil, netip.AddrPort{} })))
	f.Add([]byte(`{"records":[{"key":"` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `","src":"[fe80::1%x y]:1","dst":"","proto":6}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var log digestLog
		s := &session{m: &Monitor{cfg: Config{Digests: log.record}}, replies: make(chan outgoing, 8), asyncSlots: make(chan struct{}, 1)}
		err := s.digests(1, body)
		s.asyncRunning.Wait()
		if err != nil {
			if !errors.Is(err, errProtocol) || len(log.commits) > 0 {
				t.Fatalf("%v, %d commits", err, len(log.commits))
			}
			return
		}
		list := append(slices.Concat(log.commits...), s.recorded...)
		for _, d := range list {
			if d.Sent < 0 || d.Sent > MaxSent || strings.ContainsAny(d.Src.String()+d.Dst.String(), "% \n#") && d.Src.IsValid() && d.Dst.IsValid() {
				t.Fatalf("accepted %+v", d)
			}
		}
		again := encodeDigests(list, false)
		for i := range again.Records {
			if d, err := again.Records[i].decode(); err != nil || d != list[i] {
				t.Fatalf("%+v became %+v, %v", list[i], d, err)
			}
		}
		if text, err := json.Marshal(again); err != nil || bytes.ContainsRune(text, '\n') {
			t.Fatalf("%q, %v", text, err)
		}
	})
}

// A grant that depends on digests is opened when they are on disk and not before, and
// refused if they cannot be written; one that does not depend on them is not held back by
// a failure.
func TestSubmitAfter(t *testing.T) {
	for _, fault := range []error{nil, errors.New("input/output error")} {
		gate, asked := make(chan struct{}), make(chan struct{})
		r := newRig(t, func(c *Config) {
			c.Digests = func([]Digest) error {
				close(asked)
				<-gate
				return fault
			}
		})
		c := pair(t, r)
		end := time.Now().Add(time.Minute)
		results := make(chan error, 200)
		k := c.Record(ctx, []Digest{testDigest(1)})
		for n := range 200 {
			c.SubmitAfter(k, ssh(n%100, end), time.Time{}, func(err error) { results <- err })
		}
		<-asked
		if err := c.Waiting(ctx, nil); err != nil { // all have been read
			t.Fatal(err)
		}
		if len(r.fw.Log()) != 0 || r.Len() != 0 || len(results) != 0 {
			t.Errorf("before its digest is on disk: firewall %q", r.fw.Log())
		}
		close(gate)
		for range 200 {
			if err := <-results; (err == nil) != (fault == nil) || err != nil && !errors.Is(err, ErrRefused) {
				t.Fatalf("fault %v: %v", fault, err)
			}
		}
		if err := k.Wait(ctx); (err == nil) != (fault == nil) {
			t.Errorf("fault %v: Wait = %v", fault, err)
		}
		if want := map[bool]int{true: 100}[fault == nil]; r.Len() != want {
			t.Errorf("fault %v: %d open, want %d", fault, r.Len(), want)
		}
		if err := apply(c, ssh(100, end)); err != nil {
			t.Errorf("fault %v: another grant: %v", fault, err)
		}
	}
}

// Digests that could not be sent: the grants are refused without a request.
func TestSubmitAfterNothing(t *testing.T) {
	c := pair(t, newRig(t))
	c.Close()
	<-c.Done()
	k := c.Record(ctx, []Digest{testDigest(1)})
	if err := k.Wait(ctx); !errors.Is(err, ErrGone) {
		t.Errorf("Wait = %v", err)
	}
	var result error
	c.SubmitAfter(k, ssh(1, time.Now()), time.Time{}, func(err error) { result = err })
	if !errors.Is(result, ErrRefused) {
		t.Errorf("SubmitAfter = %v", result)
	}
}
