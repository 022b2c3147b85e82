package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/osreport"
	"fwknopd/cmd/fwknopd/summaries"
	"fwknopd/fingerprint"
	"fwknopd/fixtures/short"
	"fwknopd/fixtures/wait"
)

// archive writes a log of so many lines, and returns it with fixtures of other kinds.
func archive(t *testing.T, lines int) []string {
	t.Helper()
	var text bytes.Buffer
	for i := range lines {
		fmt.Fprintf(&text, "Oct %2d %02d:%02d:%02d gate kernel: DROP IN=eth0 OUT= SRC=10.0.%d.%d DST=198.51.100.1 LEN=60 TOS=0x00 PREC=0x00 TTL=50 ID=1 DF "+
			"PROTO=TCP SPT=40000 DPT=22 WINDOW=%d RES=0x00 SYN URGP=0 OPT (020405B40402080A001046A0000000000103030A) \n",
			1+i*28/lines, i/3600%24, i/60%60, i%60, i%700>>8, i%700&255, 64240-i%5)
		if i%97 == 0 {
			text.WriteString("Oct  5 12:13:11 gate kernel: DROP IN=eth0 OUT= SRC=192.0.2. DST=198.51.100.1 LEN=44\n")
		}
	}
	name := filepath.Join(t.TempDir(), "kern.log")
	if err := os.WriteFile(name, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	files := []string{name}
	for _, pattern := range []string{"capture/*.pcap*", "netfilter/os/*", "cases/log/rotated-files-glob-order/*"} {
		found, err := filepath.Glob("../../../fixtures/" + pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found[:min(len(found), 8)]...)
	}
	return append(files, filepath.Join(t.TempDir(), "missing.log"), t.TempDir())
}

func optionsFor(files []string) osreport.Options {
	return osreport.Options{
		Inputs: files, JSON: true, AsGiven: true, Now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC),
		Systems: engine.Systems{Signatures: fingerprint.Default(), MaxHops: fingerprint.DefaultMaxHops},
	}
}

// A report is what a run writes.
type report struct{ stdout, stderr, failure string }

func reportOf(stdout, stderr *bytes.Buffer, err error) report {
	r := report{stdout.String(), stderr.String(), ""}
	if err != nil {
		r.failure = err.Error()
	}
	return r
}

// plain returns the report of one process, with one reader.
func plain(t *testing.T, o osreport.Options) report {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // problems are named in order
	var stdout, stderr bytes.Buffer
	err := osreport.Run(t.Context(), o, &stdout, &stderr)
	return reportOf(&stdout, &stderr, err)
}

// A site is a job server with a submitter.
type site struct {
	*Server
	*Submitter
	stdout, stderr bytes.Buffer
	said           chan string
}

// newSite starts the server of a job that cuts logs small. dir is that of the job; set changes the submitter.
func newSite(t *testing.T, o osreport.Options, dir string, set ...func(*Submitter)) *site {
	t.Helper()
	s := &site{said: make(chan string, 1000)}
	s.Submitter = &Submitter{Options: o, Segment: 64 << 10, Stdout: &s.stdout, Stderr: &s.stderr, Say: func(text string) { s.said <- text }}
	for _, f := range set {
		f(s.Submitter)
	}
	id, err := s.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Server, err = StartServer("127.0.0.1:0", filepath.Join(dir, id), id, s.Upload, s.Say); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Remove() })
	nc, js := connected(t, s.Server)
	defer nc.Close()
	if _, err := makeQueue(t.Context(), js, 1); err != nil { // else a worker that comes first waits
		t.Fatal(err)
	}
	return s
}

// submit runs the job.
func (s *site) submit(ctx context.Context) report {
	err := s.serve(ctx, s.Server)
	return reportOf(&s.stdout, &s.stderr, err)
}

// worker runs a worker until the context or the job ends.
func (s *site) worker(ctx context.Context, t *testing.T, jobs int) (ended <-chan error) {
	t.Helper()
	return s.workerBelow(ctx, t, jobs, "")
}

// workerBelow runs one that opens no files but those below a root.
func (s *site) workerBelow(ctx context.Context, t *testing.T, jobs int, root string) (ended <-chan error) {
	t.Helper()
	nc, err := Join(ctx, s.Token, s.Address, s.Say)
	if err != nil {
		t.Fatal(err)
	}
	w := Worker{Name: "host", Jobs: jobs, Root: root, Say: s.Say}
	done := make(chan error, 1)
	go func() {
		defer nc.Close()
		err := w.Run(ctx, nc)
		nc.Flush()
		done <- err
	}()
	return done
}

func (r report) compare(t *testing.T, got report) {
	t.Helper()
	for _, c := range []struct{ what, want, got string }{
		{"standard output", r.stdout, got.stdout}, {"standard error", r.stderr, got.stderr}, {"error", r.failure, got.failure},
	} {
		if c.want != c.got {
			t.Errorf("%s:\nwant %.2000s\ngot  %.2000s", c.what, c.want, c.got)
		}
	}
}

// One, two and five workers give what one process reports, whatever the number of segments that each
// reads at a time; they end with the job, and nothing is left of it.
func TestSameReport(t *testing.T) {
	o := optionsFor(archive(t, 8000))
	want := plain(t, o)
	if !strings.Contains(want.failure, "missing.log: no such file") || !strings.Contains(want.stderr, "malformed") || len(want.stdout) < 10000 {
		t.Fatalf("report %+v", want)
	}
	for _, workers := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			dir := t.TempDir()
			s := newSite(t, o, dir)
			var ended []<-chan error
			for range workers {
				ended = append(ended, s.worker(t.Context(), t, 2))
			}
			want.compare(t, s.submit(t.Context()))
			for _, e := range ended {
				if err := <-e; err != nil {
					t.Error(err)
				}
			}
			if err := s.Remove(); err != nil {
				t.Error(err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// Workers give the same summary, as text, as JSON and as a page.
func TestSameSummary(t *testing.T) {
	o := optionsFor(archive(t, 8000))
	for form, out := range map[string]summaries.Output{"text": {Text: true}, "JSON": {Text: true, JSON: true}, "page": {Page: "-"}} {
		var stdout, stderr bytes.Buffer
		procs := runtime.GOMAXPROCS(1)
		err := o.Summarize(t.Context(), out, false, osreport.Span{}, &stdout, &stderr)
		runtime.GOMAXPROCS(procs)
		want := reportOf(&stdout, &stderr, err)
		for _, workers := range []int{1, 2, 5} {
			t.Run(fmt.Sprint(form, workers), func(t *testing.T) {
				if workers != 2 {
					short.Skip(t)
				}
				s := newSite(t, o, t.TempDir(), func(s *Submitter) { s.Summary = out })
				for range workers {
					s.worker(t.Context(), t, 2)
				}
				want.compare(t, s.submit(t.Context()))
			})
		}
	}
}

// Event logs are refused before anything is given out.
func TestEventLogRefused(t *testing.T) {
	name := filepath.Join(t.TempDir(), "events.jsonl")
	const line = `{"v":1,"timestamp":"2026-11-29T12:00:00Z","event_type":"decision","verdict":"refused","reason":"spa.replay","src_ip":"192.0.2.1"}` + "\n"
	if err := os.WriteFile(name, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Submitter{Options: optionsFor([]string{name}), Summary: summaries.Output{Text: true}, Stderr: io.Discard}
	if _, err := s.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "is an event log") {
		t.Errorf("error %v", err)
	}
}

// A job that was stopped goes on with the results that are there.
func TestResume(t *testing.T) { testResume(t) }

func testResume(t *testing.T, set ...func(*Submitter)) {
	o := optionsFor(archive(t, 8000))
	want, dir := plain(t, o), t.TempDir()
	first := newSite(t, o, dir, set...)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan report, 1)
	go func() { stopped <- first.submit(ctx) }()
	const done = 10
	first.readSome(t, done)
	wait.For(t, "first results", func() bool { return first.read.Load() > 0 })
	cancel()
	if r := <-stopped; r.failure != ErrInterrupted.Error() {
		t.Fatalf("error %q", r.failure)
	}
	first.Stop()
	second := newSite(t, o, dir, set...)
	if second.Token != first.Token {
		t.Error("another token")
	}
	left := -done
	for p := range second.segments(t.Context()) {
		if p.err == nil {
			left++
		}
	}
	before := second.queued(t)
	go func() { stopped <- second.submit(t.Context()) }()
	wait.For(t, "what is left to be given out anew, and no more", func() bool {
		now := second.queued(t)
		return now.FirstSeq > before.LastSeq && (now.Msgs == uint64(left) || second.Upload)
	})
	second.readSome(t, left)
	want.compare(t, <-stopped)
}

// queued returns what is in the work queue.
func (s *site) queued(t *testing.T) jetstream.StreamState {
	t.Helper()
	nc, js := connected(t, s.Server)
	defer nc.Close()
	stream, err := js.Stream(t.Context(), segmentStream)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State
}

// readSome reads the first n segments, as a worker does.
func (s *site) readSome(t *testing.T, n int) {
	t.Helper()
	nc, js := connected(t, s.Server)
	defer nc.Close()
	w := Worker{Name: "host", Jobs: 1, Say: s.Say, js: js, jobs: make(map[string]*job)}
	var queue jetstream.Consumer
	wait.For(t, "a job", func() (there bool) {
		var err error
		queue, err = js.Consumer(t.Context(), segmentStream, workers)
		return err == nil
	})
	for range n {
		msg, err := queue.Next(jetstream.FetchMaxWait(wait.Timeout))
		if err != nil {
			t.Fatal(err)
		}
		w.take(t.Context(), msg)
	}
	if err := nc.Flush(); err != nil { // what was acknowledged
		t.Fatal(err)
	}
}

func connected(t *testing.T, s *Server) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := s.Connect(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// Segments that are in the queue twice, or more often, count once.
func TestDeliveredTwice(t *testing.T) {
	o := optionsFor(archive(t, 3000))
	want := plain(t, o)
	s := newSite(t, o, t.TempDir())
	nc, _ := connected(t, s.Server)
	defer nc.Close()
	twice := 0
	sub, err := nc.Subscribe(segmentSubject+">", func(m *nats.Msg) {
		if m.Header.Get("again") == "" {
			again := nats.NewMsg(m.Subject)
			again.Data = m.Data
			again.Header.Set("again", "yes")
			nc.PublishMsg(again)
			twice++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	s.worker(t.Context(), t, 2)
	s.worker(t.Context(), t, 2)
	want.compare(t, s.submit(t.Context()))
	if sub.Unsubscribe(); twice < 10 {
		t.Errorf("%d segments were there twice", twice)
	}
}

// A file that changes while it is read is named, the others are reported.
func TestChangedFile(t *testing.T) {
	files := archive(t, 3000)
	o := optionsFor(files)
	s := newSite(t, o, t.TempDir())
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(files[0], later, later); err != nil {
		t.Fatal(err)
	}
	s.worker(t.Context(), t, 2)
	got := s.submit(t.Context())
	if want := files[0] + ": bytes 0 to "; !strings.HasPrefix(got.failure, want) || !strings.Contains(got.failure, "time of modification differs") {
		t.Errorf("error %q", got.failure)
	}
	if got.stdout == "" || strings.Contains(got.stdout, `"10.0.`) {
		t.Errorf("report:\n%.500s", got.stdout)
	}
}

// A file that workers do not have is named with why, and the job ends.
func TestUnreadableFile(t *testing.T) {
	files := archive(t, 3000)
	s := newSite(t, optionsFor(files), t.TempDir())
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	s.worker(t.Context(), t, 2)
	if got := s.submit(t.Context()); !strings.Contains(got.failure, files[0]+": no such file") || got.stdout == "" {
		t.Errorf("error %q", got.failure)
	}
}

// A result that is not what a worker put is read again.
func TestTamperedResult(t *testing.T) {
	o := optionsFor(archive(t, 3000))
	want := plain(t, o)
	s := newSite(t, o, t.TempDir())
	nc, js := connected(t, s.Server)
	defer nc.Close()
	bucket, err := makeBucket(t.Context(), js, bucketPrefix+s.id, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 2} {
		if _, err := bucket.PutBytes(t.Context(), resultName(n), []byte("not a result")); err != nil {
			t.Fatal(err)
		}
	}
	s.worker(t.Context(), t, 2)
	want.compare(t, s.submit(t.Context()))
}

// A result that is replaced while it is read, as by a worker that got the segment too, is read again.
func TestReplacedResult(t *testing.T) {
	s := newSite(t, optionsFor(archive(t, 100)), t.TempDir())
	nc, js := connected(t, s.Server)
	defer nc.Close()
	s.js, s.patience = js, 100*time.Millisecond
	if err := s.begin(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	bucket := s.putEndless(t, resultName(0))
	got, done := []byte(nil), make(chan error, 1)
	go func() {
		done <- s.get(t.Context(), resultName(0), func(r *io.SectionReader) (err error) { got, err = io.ReadAll(r); return err })
	}()
	wait.For(t, "a reader", func() bool {
		info, err := bucket.Info(t.Context())
		return err == nil && info.State.Consumers > 0
	})
	want := bytes.Repeat([]byte("x"), 1<<20)
	if _, err := s.results.PutBytes(t.Context(), resultName(0), want); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// putEndless stores an object of which no bytes come, as of one that is being replaced, and returns the stream of
// the object store.
func (s *site) putEndless(t *testing.T, name string) jetstream.Stream {
	t.Helper()
	object, err := s.results.PutBytes(t.Context(), name, make([]byte, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := s.js.Stream(t.Context(), "OBJ_"+bucketPrefix+s.id)
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.Purge(t.Context(), jetstream.WithPurgeSubject("$O."+bucketPrefix+s.id+".C."+object.NUID)); err != nil {
		t.Fatal(err)
	}
	return bucket
}

// An interrupt ends the reading of a result and of an uploaded part at once, not when their time is over.
func TestInterruptedReads(t *testing.T) {
	s := newSite(t, optionsFor(archive(t, 100)), t.TempDir())
	nc, js := connected(t, s.Server)
	defer nc.Close()
	s.js, s.patience = js, objectTime
	if err := s.begin(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	s.putEndless(t, resultName(0))
	bucket := s.putEndless(t, partName(0, 0))
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan error, 2)
	go func() { ended <- s.get(ctx, resultName(0), func(*io.SectionReader) error { return nil }) }()
	go func() {
		u := &uploaded{ctx: ctx, objects: s.results, left: 1 << 20, size: 1 << 20}
		_, err := io.ReadAll(u)
		ended <- errors.Join(err, u.Close())
	}()
	wait.For(t, "two readers", func() bool {
		info, err := bucket.Info(t.Context())
		return err == nil && info.State.Consumers == 2
	})
	interrupt()
	for range 2 {
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		case <-time.After(wait.Timeout):
			t.Fatal("a read goes on")
		}
	}
}

// A segment whose result is damaged twice is named.
func TestDamagedTwice(t *testing.T) {
	s := newSite(t, optionsFor(archive(t, 1000)), t.TempDir())
	nc, js := connected(t, s.Server)
	defer nc.Close()
	s.js, s.done, s.again = js, make(map[int]string), make(map[int]bool)
	if err := s.begin(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	r := osreport.NewReduction(&s.Options, s.names(), s.log, s.Stdout, s.Stderr)
	defer r.Close()
	next, stop := iter.Pull(s.segments(t.Context()))
	defer stop()
	p, _ := next()
	for i, merged := range []bool{false, true} {
		if _, err := s.results.PutBytes(t.Context(), resultName(0), []byte("not a result")); err != nil {
			t.Fatal(err)
		}
		if got, err := s.merge(t.Context(), r, p); got != merged || err != nil {
			t.Fatalf("result %d: merged %v, %v", i+1, got, err)
		}
	}
	if err := r.Report(); err == nil || !strings.Contains(err.Error(), "kern.log: bytes 0 to ") || !strings.Contains(err.Error(), "not a partial result") {
		t.Errorf("error %v", err)
	}
}

// A worker that stays reads a job that is submitted once more with the clock and the seed of then.
func TestSubmittedAnew(t *testing.T) {
	s := newSite(t, optionsFor(archive(t, 100)), t.TempDir())
	nc, js := connected(t, s.Server)
	defer nc.Close()
	w := Worker{js: js, jobs: make(map[string]*job)}
	var first *segment
	for _, year := range []int{2025, 2026} {
		s.spec.Now = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		s.js = js
		if err := s.begin(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		for p := range s.segments(t.Context()) {
			j, err := w.job(t.Context(), &p.segment)
			if err != nil || j.options.Now.Year() != year || j.spec.Seed != s.spec.Seed {
				t.Errorf("%d: %+v, %v", year, j, err)
			}
			if first == nil {
				first = &p.segment
			}
		}
		s.clean(t.Context())
	}
	if err := s.begin(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if j, err := w.job(t.Context(), first); err == nil {
		t.Errorf("a segment from before is read with %+v", j.spec)
	}
}

// A worker may do what the work takes, and nothing else; without the token, or with another server's,
// it gets nowhere.
func TestPermissions(t *testing.T) {
	s := newSite(t, optionsFor(archive(t, 100)), t.TempDir(), upload)
	denied := make(chan string, 100)
	member, err := Join(t.Context(), s.Token, s.Address, func(text string) { denied <- text })
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	for _, subject := range []string{
		segmentSubject + s.id, endSubject, "$O.fwknopd-job-other.M.x", "$O.fwknopd-input-" + s.id + ".M.x", "$JS.API.STREAM.PURGE.OBJ_fwknopd-input-" + s.id,
		"$JS.API.STREAM.DELETE." + segmentStream, "$JS.API.STREAM.CREATE.mine", "$JS.API.STREAM.PURGE." + segmentStream,
	} {
		if err := member.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		if text := <-denied; !strings.Contains(text, "Permissions Violation") {
			t.Errorf("%s: %s", subject, text)
		}
	}
	wrongSecret, wrongPin := s.Token, s.Token
	wrongSecret.Secret[0]++
	wrongPin.Pin[0]++
	if _, err := Join(t.Context(), wrongSecret, s.Address, s.Say); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("wrong secret: %v", err)
	}
	if _, err := Join(t.Context(), wrongPin, s.Address, s.Say); !errors.Is(err, errPin) {
		t.Errorf("wrong key: %v", err)
	}
	if _, err := nats.Connect("nats://"+s.Address, nats.Timeout(2*time.Second)); err == nil {
		t.Error("connected without TLS")
	}
}

func TestParseJoin(t *testing.T) {
	var token Token
	token.Secret[3], token.Pin[4] = 7, 9
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token.String()+"@[2001:db8::1]:4222\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{token.String() + "@[2001:db8::1]:4222", "@" + file} {
		got, address, err := ParseJoin(text)
		if got != token || address != "[2001:db8::1]:4222" || err != nil {
			t.Errorf("%s: %v %s %v", text, got, address, err)
		}
	}
	for _, text := range []string{"", "@", token.String(), token.String() + "@host", token.String()[1:] + "@host:1", "x@host:1"} {
		if _, _, err := ParseJoin(text); err == nil {
			t.Errorf("%q is taken", text)
		} else if strings.Contains(err.Error(), token.String()[:20]) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

// Signatures and time zones reach workers as they are.
func TestSpec(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	own, err := fingerprint.Load("own", []byte("S4:64:1:60:M*,S,T,N,W0:.:Linux:own\n"))
	if err != nil {
		t.Fatal(err)
	}
	none, err := fingerprint.Load("none", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []*fingerprint.Set{fingerprint.Default(), own, none} {
		o := optionsFor(nil)
		o.Now, o.Signatures = o.Now.In(berlin), set
		s, err := newSpec(&o, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.options()
		if err != nil {
			t.Fatal(err)
		}
		if !sameSignatures(got.Signatures, set) || !got.Now.Equal(o.Now) || got.Now.Location().String() != "Europe/Berlin" {
			t.Errorf("%d signatures, %v", got.Signatures.Len(), got.Now)
		}
		s.Release = "0"
		if _, err := s.options(); err == nil {
			t.Error("the job of another release is taken")
		}
	}
}

// Paths below a root leave it neither by their text nor by a link.
func TestRoot(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	for _, name := range []string{root + "/a.log", outside + "/b.log"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside+"/b.log", root+"/link"); err != nil {
		t.Fatal(err)
	}
	if path, err := pathFor(root, root+"/a.log"); path != "a.log" || err != nil {
		t.Errorf("%s, %v", path, err)
	}
	if _, err := pathFor(root, outside+"/b.log"); err == nil {
		t.Error("a file outside is taken")
	}
	if f, err := open(t.Context(), root, "a.log"); err != nil {
		t.Error(err)
	} else {
		io.Copy(io.Discard, f.section(0, 1<<20))
		f.Close()
	}
	for _, path := range []string{"../" + filepath.Base(outside) + "/b.log", "link", outside + "/b.log"} {
		if f, err := open(t.Context(), root, path); err == nil {
			t.Errorf("%s is opened", path)
			f.Close()
		}
	}
	if _, err := open(t.Context(), "", "a.log"); err == nil {
		t.Error("a path below a root is opened without one")
	}
}
