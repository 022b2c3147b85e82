package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/metrics"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/spa"
)

// newTestDaemon returns a daemon that logs to terminal.
func newTestDaemon(t *testing.T, server string, terminal io.Writer) *daemon {
	t.Helper()
	o := files(t, server, plainStanza)
	s, problems := prepare(o)
	if problems.Failed() {
		t.Fatal(problems)
	}
	return newDaemon(o, s, "1", terminal)
}

// The standard error of a worker is sanitized before it is appended to fwknopd.die.
func TestHostileStderr(t *testing.T) {
	dir := t.TempDir()
	d := newTestDaemon(t, "FWKNOP_ERR_DIR "+dir+";", io.Discard)
	d.handleEvent(monitor.Event{Kind: monitor.WorkerDied, Err: newWorkerExit(errors.New("exit status 2"), "panic: x\n\x1b]0;owned\x07\nat line 3\n")})
	text, err := os.ReadFile(filepath.Join(dir, "fwknopd.die"))
	if err != nil || !bytes.Contains(text, []byte("owned?\nat line 3\n")) || bytes.ContainsAny(text, "\x1b\x07") {
		t.Errorf("%q, %v", text, err)
	}
}

// record returns a record of a worker.
func record(t *testing.T, kind byte, v any) string {
	t.Helper()
	content, err := codec.Encode(nil, v)
	if text, ok := v.(string); ok {
		content, err = []byte(text), nil
	}
	if err != nil || len(content) > privsep.MaxRecord {
		t.Fatal(len(content), err)
	}
	return string(kind) + string(binary.BigEndian.AppendUint16(nil, uint16(len(content)))) + string(content)
}

// refusal returns what a worker reports of a junk packet.
func refusal() report.Record {
	return report.Record{
		Packet:   report.Packet{Time: time.Now(), Src: netip.MustParseAddrPort("203.0.113.9:4711"), Dst: netip.MustParseAddrPort("192.0.2.1:62201"), Proto: parse.UDP},
		Decision: policy.Decision{Verdict: policy.Deny, Reason: policy.SPAHMACMismatch, Mode: policy.ModeSPA, Src: netip.MustParseAddr("203.0.113.9"), Stanza: 1},
	}
}

// What a worker may report, as it is logged.
func TestReadWorkerLog(t *testing.T) {
	deny, allow := refusal(), refusal()
	allow.Decision.Verdict, allow.Decision.Reason = policy.Allow, policy.SPAGranted
	allow.Decision.Grant = grant(nil)
	three := report.Suppressed{Time: time.Now(), Sources: 1, Src: deny.Decision.Src,
		Reasons: []report.ReasonCount{{Reason: policy.NoStanza, Count: 1}, {Reason: policy.SPAReplay, Count: 2}}}
	liar := deny
	liar.Decision.Number = 7
	const matched = "[+] (stanza #1) SPA Packet from IP: 203.0.113.9 received with access source match\n" // as 2.6
	const packet = " 203.0.113.9:4711 -> 192.0.2.1:62201 UDP stanza 1 (access.conf:1)"
	for name, c := range map[string]struct{ record, terminal, event string }{
		"a refusal": {record(t, privsep.RecordDecision, deny), matched + "[-] refused spa.hmac_mismatch" + packet +
			"\n[-] [203.0.113.9] (stanza #1) Error creating fko context: Args contain invalid data: FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL\n", `"event_type":"decision","verdict":"refused"`},
		"a grant": {record(t, privsep.RecordDecision, allow), matched + "[+] granted spa.granted" + packet + ": 192.0.2.7 tcp/22 until 2026-11-22T12:01:00Z\n", `"event_type":"decision","verdict":"granted"`},
		"a number that no stanza of the line has": {record(t, privsep.RecordDecision, liar), matched + "[-] refused spa.hmac_mismatch" + packet +
			"\n[-] [203.0.113.9] (stanza #1) Error creating fko context: Args contain invalid data: FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL\n", `"stanza":1,`},
		"suppressed":  {record(t, privsep.RecordSuppressed, three), "[-] 3 refusals not told one by one: 1 no_stanza, 2 spa.replay from 203.0.113.9\n", `"event_type":"suppressed","verdict":"refused","count":3,"reasons":{"no_stanza":1,"spa.replay":2},"sources":1,"src_ip":"203.0.113.9"}`},
		"state":       {record(t, privsep.RecordState, report.State{Records: 7}), "[+] state: 7 records, 0 events, 0 not ours, 0 malformed, 0 lost\n[+] state: 0 events of log lines that show that a program wrote them\n[+] state: 0 copies of packets that were recorded more than once\n[+] state: 0 packets refused as spa.rate_limited\n[+] state: knock sequences: 0 granted, 0 refused, 0 repeats\n", ""},
		"counters":    {record(t, privsep.RecordCounters, report.State{Records: 7}), "", ""},
		"taken":       {record(t, privsep.RecordTaken, report.Taken{}), "", ""},
		"not taken":   {record(t, privsep.RecordTaken, report.Taken{Error: "no\n\"port\""}), "[-] worker: the worker keeps its configuration: no?\"port\"\n", `"event_type":"reload","verdict":"not_applied","error":"no?\"port\""}`},
		"lost":        {record(t, privsep.RecordLost, uint64(2)), "[-] 2 messages lost, the log was too slow\n", ""},
		"a text":      {record(t, privsep.RecordText, "opened 192.0.2.7 tcp/22\n[+] opened"), "[-] worker: opened 192.0.2.7 tcp/22?[+] opened\n", ""},
		"a control":   {record(t, privsep.RecordText, "a\x1b]0;owned\a\u009b2J\r"), "[-] worker: a?]0;owned??2J?\n", ""},
		"its end":     {record(t, privsep.RecordText, "a") + "t\x00", "[-] worker: a\n", ""},
		"a listening": {record(t, privsep.RecordListening, ""), "", ""},
	} {
		out, log, killed := readLog(t, c.record)
		if out != c.terminal || killed || strings.Count(log, "\n") != min(len(c.event), 1) || !strings.Contains(log, c.event) {
			t.Errorf("%s: terminal %q, event log %q, killed: %v", name, out, log, killed)
		}
	}
}

// readLog returns what a new daemon prints and writes into the event log for the records
// of a worker, and whether it ends the worker.
func readLog(t *testing.T, records string) (terminal, log string, killed bool) {
	t.Helper()
	var out bytes.Buffer
	d := newTestDaemon(t, "ALERTING_METHODS noemail;", &out)
	path := filepath.Join(t.TempDir(), "events")
	d.events.open(path, nil)
	d.readWorkerLog(io.NopCloser(strings.NewReader(records)), func() error { killed = true; return nil })
	d.events.open("", nil)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), string(text), killed
}

// A worker that reports what no decision is, or a decision in another form, is ended, and
// nothing of it is logged but the violation.
func TestReadWorkerLogHostile(t *testing.T) {
	change := func(f func(r *report.Record)) string {
		r := refusal()
		f(&r)
		return record(t, privsep.RecordDecision, r)
	}
	content, err := codec.Encode(nil, refusal())
	if err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		"the JSON of an opening":  record(t, privsep.RecordDecision, `{"v":1,"event_type":"grant","verdict":"granted","src_ip":"6.6.6.6","Event_Type":"decision"}`),
		"a kind of its own":       record(t, 'e', `{"event_type":"grant"}`),
		"kind zero":               "\x00\x00\x00",
		"an end before its time":  record(t, privsep.RecordLimit, ""),
		"a notice with content":   record(t, privsep.RecordListening, "x"),
		"more than a decision":    record(t, privsep.RecordDecision, string(content)+"\x00"),
		"less than a decision":    record(t, privsep.RecordDecision, string(content[:len(content)-1])),
		"no decision":             change(func(r *report.Record) { r.Decision.Verdict = policy.Ignore }),
		"a verdict of its own":    change(func(r *report.Record) { r.Decision.Verdict = 7 }),
		"a reason of its own":     change(func(r *report.Record) { r.Decision.Reason = `x","event_type":"grant` }),
		"a mode of its own":       change(func(r *report.Record) { r.Decision.Mode = `"` }),
		"decisions in a decision": change(func(r *report.Record) { r.Decision.Others = []policy.Decision{r.Decision} }),
		"a refusal that grants":   change(func(r *report.Record) { r.Decision.Grant = grant(nil) }),
		"a stanza below zero":     change(func(r *report.Record) { r.Decision.Stanza = -1 }),
		"no source":               change(func(r *report.Record) { r.Packet.Src = netip.AddrPort{} }),
		"text as a zone": change(func(r *report.Record) {
			r.Packet.Dst = netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(`","x":"`), 1)
		}),
		"a password":           change(func(r *report.Record) { r.Message = &spa.Message{ServerAuth: "crypt,secret"} }),
		"a reason of refusals": change(func(r *report.Record) { r.Refusals = []policy.Refusal{{Reason: "no such"}} }),
		"many refusals":        change(func(r *report.Record) { r.Refusals = make([]policy.Refusal, report.MaxRefusals+1) }),
		"a long text":          change(func(r *report.Record) { r.Decision.User = strings.Repeat("x", 20000) }),
		"a future generation":  record(t, privsep.RecordTaken, report.Taken{Generation: 1}),
		"a generation below 0": record(t, privsep.RecordTaken, report.Taken{Generation: -1}),
		"a long error":         record(t, privsep.RecordTaken, report.Taken{Error: strings.Repeat("x", 20000)}),
		"many sources":         record(t, privsep.RecordCounters, report.State{Sources: make([]report.SourceState, 257)}),
		"a long source":        record(t, privsep.RecordCounters, report.State{Sources: []report.SourceState{{Name: strings.Repeat("x", 20000)}}}),
		"nothing suppressed":   record(t, privsep.RecordSuppressed, report.Suppressed{Time: time.Now()}),
	} {
		out, log, killed := readLog(t, says+record(t, privsep.RecordText, "afterwards"))
		if !killed || !strings.HasPrefix(out, "[-] the worker broke the protocol and was cut off: log record: ") || strings.Count(out, "\n") != 1 ||
			!strings.Contains(log, `"event_type":"worker","verdict":"violation"`) || strings.Count(log, "\n") != 1 {
			t.Errorf("%s: killed: %v, terminal %q, event log %q", name, killed, out, log)
		}
	}
}

// A decision is logged with the time of its packet, but not with a time that the worker
// made up.
func TestRecordTime(t *testing.T) {
	for age, kept := range map[time.Duration]bool{0: true, 30 * time.Second: true, -30 * time.Second: true, time.Hour: false, -time.Hour: false} {
		if at := now.Add(-age); recordTime(at, now).Equal(at) != kept {
			t.Errorf("%v ago: %v", age, recordTime(at, now))
		}
	}
}

// Whatever a worker sends, the log gets nothing but decisions and configurations that the
// worker keeps, and the encoding of a record is its own.
func FuzzReadWorkerLog(f *testing.F) {
	r := refusal()
	r.Refusals = []policy.Refusal{{Stanza: 3, Reason: policy.SPAStale, Detail: policy.Detail{AgeS: new(int64), FirstSeen: &r.Packet.Time}}}
	r.Message = &spa.Message{User: "joe", Text: "192.0.2.7,tcp/22"}
	refused, err := codec.Encode(nil, r)
	if err != nil {
		f.Fatal(err)
	}
	r = refusal()
	r.Decision.Verdict, r.Decision.Reason, r.Decision.Grant = policy.Allow, policy.SPAGranted, grant(nil)
	granted, err := codec.Encode(nil, r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(byte(privsep.RecordDecision), refused)
	f.Add(byte(privsep.RecordDecision), granted)
	f.Add(byte(privsep.RecordText), []byte("text\n[+] opened"))
	f.Add(byte(privsep.RecordState), make([]byte, 14))
	f.Add(byte(privsep.RecordCounters), append(make([]byte, 12), 1, 1, 'x', 0, 0, 0, 0, 0, 2, 0))
	f.Add(byte(privsep.RecordTaken), []byte("\x00\x03no\n"))
	f.Add(byte(privsep.RecordTaken), []byte{2, 0})
	s, problems := prepare(files(f, "ALERTING_METHODS noemail;", plainStanza))
	if problems.Failed() {
		f.Fatal(problems)
	}
	f.Fuzz(func(t *testing.T, kind byte, content []byte) {
		var out, events bytes.Buffer
		d := &daemon{metrics: metrics.NewSet(), setup: s, records: newRecordBudget(), reported: newWorkerReports(), logger: newLogger(s.Loaded, &out, false, "1")}
		d.events = eventLog{file: nopCloser{&events}, logf: d.logf}
		d.verbose = 2
		if err := d.handleRecord(kind, content); err != nil && out.Len()+events.Len() > 0 {
			t.Errorf("refused (%v) and logged %q, %q", err, &out, &events)
		}
		for line := range strings.Lines(out.String()) {
			switch {
			case kind == privsep.RecordText && !strings.HasPrefix(line, "[-] worker: "),
				strings.HasPrefix(line, "[+] opened"), strings.HasPrefix(line, "[+] closed"):
				t.Errorf("printed %q", line)
			}
		}
		for line := range strings.Lines(events.String()) {
			var object struct {
				Type    string `json:"event_type"`
				Verdict string `json:"verdict"`
			}
			known := json.Unmarshal([]byte(line), &object) == nil && (object.Type == "decision" || object.Type == "suppressed" ||
				object.Type == "reload" && object.Verdict == report.ReloadNotApplied)
			if !known || strings.Count(line, `"event_type"`) != 1 {
				t.Errorf("event log: %q", line)
			}
		}
		var r report.Record
		if codec.Decode(content, &r) == nil {
			if again, err := codec.Encode(nil, r); err != nil || !bytes.Equal(again, content) {
				t.Errorf("%x is decoded and encoded as %x, %v", content, again, err)
			}
		}
	})
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// A worker that writes lines of the log itself is ended at once, and nothing of them is
// logged.
func TestHostileWorkerIsEnded(t *testing.T) {
	var out bytes.Buffer
	d := newTestDaemon(t, "ALERTING_METHODS noemail;", &out)
	d.work = func(ctx context.Context, _ *net.UnixConn, records io.WriteCloser) error {
		defer records.Close()
		for _, line := range []string{
			"iopened 6.6.6.6 tcp/22 until 2099-01-01T00:00:00Z (stanza 1, user root)\n",
			`e{"v":1,"event_type":"grant","verdict":"granted","src_ip":"6.6.6.6","Event_Type":"decision"}` + "\n",
		} {
			if _, err := io.WriteString(records, strings.Repeat(line, 1000)); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return ctx.Err()
	}
	wk, err := d.embedWorker()
	if err != nil {
		t.Fatal(err)
	}
	defer wk.Conn.Close()
	if err := wk.Wait(); err == nil {
		t.Error("it ended by itself")
	}
	d.workerLogs.Wait()
	if want := "[-] the worker broke the protocol and was cut off: log record: of no known kind\n"; out.String() != want {
		t.Errorf("logged %q, want %q", out.String(), want)
	}
}
