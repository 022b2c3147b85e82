package control

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/external"
	"fwknopd/policy/conf"
)

// A daemon says with the grants what their stanzas are called in the configuration that runs.
func TestTitlesOfTheDaemon(t *testing.T) {
	path, k := filepath.Join(t.TempDir(), "x.sock"), open(t) // grants of the lines 3 and 9
	access := &conf.Access{Stanzas: []conf.Stanza{{Number: 1, Name: "gate", Pos: conf.Pos{File: "/etc/fwknop/access.conf", Line: 3}}}}
	stop, err := Serve(path, k, Host{State: func() State { return State{Access: access} }})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	a, err := ask(path, request{Do: "list"})
	if err != nil || a.Titles[3] != (report.StanzaName{Title: "stanza gate (access.conf:3)", Name: "gate"}) || a.Titles[9].Title != "stanza at line 9" {
		t.Errorf("%v, %v", a.Titles, err)
	}
}

// Without a daemon the files say it, also if they have errors.
func TestTitlesOfTheFiles(t *testing.T) {
	p := newPlace(t, false, "FIREWALL_TYPE external_cmd;")
	e, err := external.New(external.Config{Journal: filepath.Join(p.dir, externalJournal)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	g := enforce.Grant{Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: 6, Number: 22}}, Stanza: 3, Expires: time.Now().Add(time.Minute),
		External: &enforce.External{Open: []string{"/bin/true"}, Close: []string{"/bin/true"}, Timeout: time.Second}}
	if err := e.Apply(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	access := filepath.Join(p.dir, "access.conf")
	for text, want := range map[string]string{
		"\n\nSOURCE: ANY;\nNAME: gate;\nOPEN_PORTS: tcp/22;\nKEY: sixteen-letters-or-more;\nEXTERNAL_CMD_OPEN: /bin/true;\nEXTERNAL_CMD_CLOSE: /bin/true;\n\nSOURCE: nowhere;\n": "*/ stanza gate (access.conf:3), ends ",
		"\n\nSOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: sixteen-letters-or-more;\nEXTERNAL_CMD_OPEN: /bin/true;\nEXTERNAL_CMD_CLOSE: /bin/true;\n":                                  "*/ stanza 1 (access.conf:3), ends ",
		"": "*/ stanza at line 3, ends ",
	} {
		if err := os.WriteFile(access, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out, errs := p.run(t, "--fw-list", "-a", access); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%d\n%s%s\nwant %s", code, out, errs, want)
		}
	}
}
