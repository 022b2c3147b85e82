package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/ingest"
	"fwknopd/policy/conf"
)

// files writes a configuration and returns the options that name its files.
func files(t *testing.T, server, access string) *cli.Options {
	t.Helper()
	dir := t.TempDir()
	o := &cli.Options{Config: filepath.Join(dir, "fwknopd.conf"), Access: filepath.Join(dir, "access.conf"), Test: true}
	server += "\nFWKNOP_DIR " + dir + ";\nFWKNOP_RUN_DIR " + dir + ";\nFWKNOP_LIB_DIR " + dir + ";\n"
	for name, text := range map[string]string{o.Config: server, o.Access: access} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

const plainStanza = "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY sometestkey1\nHMAC_KEY anothertestkey\n"

// The worker gets the same configuration as the monitor without reading any file.
func TestWorkerConfigRoundTrip(t *testing.T) {
	_, problems := prepare(files(t, "PCAP_INTF lo;", plainStanza+"%include other.conf\n"))
	if !problems.Failed() {
		t.Fatal("an include that is missing is no problem")
	}
	o := files(t, "PCAP_INTF lo;", plainStanza)
	include := filepath.Join(filepath.Dir(o.Access), "other.conf")
	if err := os.WriteFile(include, []byte("SOURCE 192.0.2.0/24\nOPEN_PORTS tcp/80\nKEY onemoretestkey\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.Access, []byte(plainStanza+"%include "+include+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, problems := prepare(o)
	if problems.Failed() {
		t.Fatal(problems)
	}
	f, err := s.workerConfig.file()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("what is handed over can be changed")
	}
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	c := new(workerConfig)
	if err := json.Unmarshal(text, c); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{o.Config, o.Access, include} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	c.Options.FS, c.Options.Offline = workerFS{c}, true
	l, problems := config.Load(c.Options)
	if problems.Failed() {
		t.Fatal(problems)
	}
	if len(l.Access.Stanzas) != 2 || string(l.Access.Stanzas[0].Key.Bytes()) != "sometestkey1" || l.Server.Interface != "lo" {
		t.Errorf("the worker has %d stanzas, interface %q", len(l.Access.Stanzas), l.Server.Interface)
	}
}

func TestWorkerFS(t *testing.T) {
	c := &workerConfig{Files: map[string]fileResult{"gone": {NotExist: true, Err: "x"}, "bad": {Err: "no luck"}, "good": {Data: []byte("text")}}, Folders: map[string][]string{"d": {"d/a"}}}
	h := workerFS{c}
	if _, _, err := h.Read("gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("gone: %v", err)
	}
	for _, name := range []string{"bad", "never asked for"} {
		if _, _, err := h.Read(name); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if data, _, err := h.Read("good"); err != nil || string(data) != "text" {
		t.Errorf("good: %q, %v", data, err)
	}
	if names, err := h.List("d"); err != nil || len(names) != 1 {
		t.Errorf("list: %v, %v", names, err)
	}
	if _, err := h.List("e"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("list of another folder: %v", err)
	}
}

func TestWorkerConfigEqual(t *testing.T) {
	one := func(data string) *workerConfig {
		return &workerConfig{Files: map[string]fileResult{"a": {Data: []byte(data), Info: conf.FileInfo{Perm: 0o600}}}}
	}
	if !one("x").equal(one("x")) || one("x").equal(one("y")) || one("x").equal(&workerConfig{}) {
		t.Error("equal does not distinguish configurations")
	}
}

// The sources that the keywords of both dialects select.
func TestSourceSpecs(t *testing.T) {
	for _, c := range []struct{ server, want string }{
		{"PCAP_INTF lo;", "PCAP lo"},
		{"PCAP_INTF lo;\nENABLE_UDP_SERVER Y;\nUDPSERV_PORT 4000;", "UDP port 4000"},
		{"AUTH_MODE KNOCK;\nIPT_SYSLOG_FILE /var/log/k;", "KNOCK /var/log/k"},
		{"AUTH_MODE KNOCK;\nENABLE_SYSLOG_FILE N;\nKNOPMD_FIFO /run/f;", "FIFO /run/f"},
		{"AUTH_MODE ULOG_PCAP;\nPCAP_PKT_FILE /var/log/u;", "ULOG_PCAP /var/log/u"},
		{"AUTH_MODE SOCKET;\nFWKNOP_SERV_SOCK /run/s;", "SOCKET /run/s"},
		{"INGEST PCAP,NFLOG,TCP;\nPCAP_INTF lo;\nNFLOG_GROUP 4;", "PCAP lo, NFLOG group 4, TCP port 62201"},
		{"PCAP_FILE /tmp/x.pcap;", "PCAP /tmp/x.pcap"},
		{"PCAP_INTF lo;\nENABLE_TCP_SERVER Y;", "PCAP lo, deaf TCP port 62201"},
		{"AUTH_MODE SOCKET;\nFWKNOP_SERV_SOCK /run/s;\nENABLE_TCP_SERVER Y;\nTCPSERV_PORT 5;", "SOCKET /run/s, TCP port 5"},
	} {
		s, problems := prepare(files(t, c.server, plainStanza))
		if problems.Failed() {
			t.Errorf("%s: %v", c.server, problems)
			continue
		}
		var names []string
		for _, f := range sourceSpecs(s.Loaded) {
			name := f.name()
			if f.Discard {
				name = "deaf " + name
			}
			names = append(names, name)
		}
		if got := strings.Join(names, ", "); got != c.want {
			t.Errorf("%s: sources %s, want %s", c.server, got, c.want)
		}
		offered := s.openers(func(string) {})
		for _, f := range sourceSpecs(s.Loaded) {
			if offered[f.name()] == nil {
				t.Errorf("%s: the monitor does not open %s", c.server, f.name())
			}
		}
	}
}

func TestBudget(t *testing.T) {
	b := newBudget(2, 3)
	at := now
	for i := range 3 {
		if got := b.take(at, 1); got != 0 {
			t.Fatalf("take %d of the burst: %d", i, got)
		}
	}
	for range 5 {
		if got := b.take(at, 1); got != -1 {
			t.Fatalf("take beyond the burst: %d", got)
		}
	}
	if got := b.take(at.Add(time.Second), 1); got != 5 {
		t.Errorf("after a second: %d refused, want 5", got)
	}
}

// A stalledPipe is a pipe whose writes block until read is closed.
type stalledPipe struct {
	bytes.Buffer
	read chan struct{}
}

func (s *stalledPipe) Write(p []byte) (int, error) {
	<-s.read
	return s.Buffer.Write(p)
}

func (s *stalledPipe) Close() error { return nil }

// Decisions do not wait for the log; lost messages are counted.
func TestWorkerLogNeverBlocks(t *testing.T) {
	w := &stalledPipe{read: make(chan struct{})}
	l := newWorkerLog(w)
	done := make(chan struct{})
	go func() {
		for range 10 * maxQueued {
			l.put(recordInfo, bytes.Repeat([]byte("x"), 100))
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("put waits for the reader")
	}
	close(w.read)
	l.close()
	if !strings.Contains(w.String(), "messages lost") {
		t.Error("the lost messages are not reported")
	}
}

func TestResume(t *testing.T) {
	p := positions{Time: now, Places: map[string]ingest.State{"KNOCK": {Inode: 7, Offset: 99}}}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if s := resume(text, now.Add(time.Minute)).Places["KNOCK"]; s.Offset != 99 {
		t.Errorf("after a minute: %+v", s)
	}
	for _, at := range []time.Time{now.Add(time.Hour), now.Add(-time.Hour)} {
		if len(resume(text, at).Places) != 0 {
			t.Errorf("%v: goes on where it stopped long ago", at)
		}
	}
	if len(resume([]byte("junk"), now).Places) != 0 {
		t.Error("junk is a position")
	}
}

func TestSanitize(t *testing.T) {
	if got := sanitize("a\x1b[31m\nb\u0085\tc"); got != "a?[31m?b?\tc" {
		t.Errorf("clean: %q", got)
	}
	if got := sanitize(strings.Repeat("x", 10*maxMessage)); len(got) > maxMessage+8 {
		t.Errorf("clean leaves %d bytes", len(got))
	}
}

// Records of the worker are not trusted: they are limited and sanitized, and cannot
// report what the monitor did.
func TestReadWorkerLogHostile(t *testing.T) {
	s, problems := prepare(files(t, "ALERTING_METHODS noemail;", plainStanza))
	if problems.Failed() {
		t.Fatal(problems)
	}
	for _, c := range []struct{ name, says, terminal, log string }{
		{"a message", "ihello\n", "[+] hello\n", ""},
		{"control characters", "ia\x1b[2Jb\n", "[+] a?[2Jb\n", ""},
		{"a decision", `e{"event_type":"decision"}` + "\n", "", `{"event_type":"decision"}` + "\n"},
		{"an opening that never was", `e{"event_type":"grant","verdict":"granted"}` + "\n", "", ""},
		{"no object", "e{\ne\ne[]\ne\"x\"\n", "", ""},
		{"of no kind", "\nx\nxyz\n", "", ""},
		{"a line without end", "i" + strings.Repeat("x", 2*maxRecord) + "\niafter\n", "", ""},
	} {
		var out bytes.Buffer
		d := &daemon{setup: s, logger: newLogger(s.Loaded, &out, false, "1")}
		d.events.logf = d.logf
		log := filepath.Join(t.TempDir(), "events")
		d.events.open(log)
		d.readWorkerLog(io.NopCloser(strings.NewReader(c.says)))
		d.events.open("")
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if out.String() != c.terminal || string(text) != c.log {
			t.Errorf("%s: terminal %q, log %q", c.name, out.String(), text)
		}
	}
}
