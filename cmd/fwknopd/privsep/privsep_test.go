package privsep

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/policy/conf"
)

func TestRecordedFS(t *testing.T) {
	c := &Config{Files: map[string]FileResult{"gone": {NotExist: true, Err: "x"}, "bad": {Err: "no luck"}, "good": {Data: []byte("text")}}, Folders: map[string][]string{"d": {"d/a"}}}
	h := recordedFS{c}
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

func TestConfigEqual(t *testing.T) {
	one := func(data string) *Config {
		return &Config{Files: map[string]FileResult{"a": {Data: []byte(data), Info: conf.FileInfo{Perm: 0o600}}}}
	}
	if !one("x").Equal(one("x")) || one("x").Equal(one("y")) || one("x").Equal(&Config{}) {
		t.Error("Equal does not distinguish configurations")
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
		{"PCAP_INTF lo;\nENABLE_TCP_SERVER Y;", "PCAP lo, discarding TCP port 62201"},
		{"AUTH_MODE SOCKET;\nFWKNOP_SERV_SOCK /run/s;\nENABLE_TCP_SERVER Y;\nTCPSERV_PORT 5;", "SOCKET /run/s, TCP port 5"},
	} {
		l, problems := config.Load(config.Options{Config: "fwknopd.conf", Access: "access.conf", Offline: true,
			FS: recordedFS{&Config{Files: map[string]FileResult{
				"fwknopd.conf": {Data: []byte(c.server + "\n"), Info: conf.FileInfo{Regular: true}},
				"access.conf":  {Data: []byte("SOURCE ANY\nKEY sometestkey1\n"), Info: conf.FileInfo{Regular: true}},
			}}}})
		if problems.Failed() {
			t.Errorf("%s: %v", c.server, problems)
			continue
		}
		var names []string
		for _, f := range SourceSpecs(l) {
			name := f.Name()
			if f.Discard {
				name = "discarding " + name
			}
			names = append(names, name)
		}
		if got := strings.Join(names, ", "); got != c.want {
			t.Errorf("%s: sources %s, want %s", c.server, got, c.want)
		}
	}
}

func TestBudget(t *testing.T) {
	b := NewBudget(2, 3)
	at := time.Unix(1_800_000_000, 0)
	for i := range 3 {
		if got := b.Take(at, 1); got != 0 {
			t.Fatalf("take %d of the burst: %d", i, got)
		}
	}
	for range 5 {
		if got := b.Take(at, 1); got != -1 {
			t.Fatalf("take beyond the burst: %d", got)
		}
	}
	if got := b.Take(at.Add(time.Second), 1); got != 5 {
		t.Errorf("after a second: %d refused, want 5", got)
	}
}

func TestSanitize(t *testing.T) {
	if got := Sanitize("a\x1b[31m\nb\u0085\tc\u202ed\u2066e\u200bf\xff\u2028é"); got != "a?[31m?b?\tc?d?e?f??é" {
		t.Errorf("clean: %q", got)
	}
	if got := Sanitize(strings.Repeat("x", 10*MaxMessage)); len(got) > MaxMessage+8 {
		t.Errorf("clean leaves %d bytes", len(got))
	}
}
