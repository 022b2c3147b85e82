package control

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// testAccess has one stanza with a NAME.
var testAccess = &conf.Access{Stanzas: []conf.Stanza{{Pos: conf.Pos{Line: 9}, Name: "alice"}}}

// testHost has those stanzas.
var testHost = Host{
	State: func() State { return State{Access: testAccess} },
	Line:  testAccess.Line,
	Add: func(context.Context, Addition) ([]enforce.Grant, []string, error) {
		return nil, nil, errors.New("nothing is offered")
	},
}

// grants runs `fwknopd grants` with the configuration of p.
func (p place) grants(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Grants(append(args, "-c", p.conf), &out, &errs)
	return code, out.String(), errs.String()
}

func TestGrantsCommandLine(t *testing.T) {
	for line, want := range map[string]string{
		"": "want one of list, revoke, add", "show": "want one of", "list a b": `unexpected argument "b"`, "add a --src 192.0.2.7": `unexpected argument "a"`,
		"revoke":                                       "say what to close, or --all",
		"revoke --all --src 192.0.2.7":                 "--all closes everything",
		"revoke 192.0.2.7 --src 192.0.2.8":             `"192.0.2.7" and an option say different things`,
		"revoke alice --stanza bob":                    `"alice" and an option say different things`,
		"revoke alice --all":                           "--all closes everything",
		"list --cut":                                   "--cut does not go with list",
		"revoke --all --watch":                         "--watch does not go with revoke",
		"revoke --port tcp/22 --port tcp/23":           "--port: one here",
		"list --for 10m":                               "--for does not go with list",
		"revoke --all --dst 192.0.2.1":                 "--dst does not go with revoke",
		"add --src 192.0.2.7":                          "add wants --src and --port",
		"add --port tcp/22":                            "add wants --src and --port",
		"add --src 192.0.2.0/24 --port tcp/22":         `--src: "192.0.2.0/24" is not an address`,
		"add --src alice --port tcp/22":                `--src: "alice" is not an address`,
		"add --src 192.0.2.7 --port 22":                `--port: "22" is not like tcp/22`,
		"add --src 192.0.2.7 --port tcp/22 --all":      "--all does not go with add",
		"add --src 192.0.2.7 --port tcp/22 --for 0":    `--for: "0" is not a time like 10m`,
		"add --src 192.0.2.7 --port tcp/22 --for 1.5s": `--for: "1.5s" is not a time like 10m`,
		"add --src 192.0.2.7 --port tcp/22 --for -1m":  `--for: "-1m" is not a time like 10m`,
		"add --src 192.0.2.7 --port tcp/22 --for 9e9h": `--for: "9e9h" is not a time like 10m`,
		"add --src 192.0.2.7 --port tcp/22 --dst x":    `--dst: "x" is not an address`,
	} {
		var out, errs bytes.Buffer
		if code := Grants(strings.Fields(line), &out, &errs); code != 2 || !strings.Contains(errs.String(), want) {
			t.Errorf("%q: %d %s, want %s", line, code, errs.String(), want)
		}
	}
}

func TestAdditionParses(t *testing.T) {
	ssh, dns := enforce.Port{Proto: enforce.TCP, Number: 22}, enforce.Port{Proto: enforce.UDP, Number: 53}
	for line, want := range map[string]Addition{
		"--src ::ffff:192.0.2.7 --port tcp/22":                 {Src: addr("192.0.2.7"), Ports: []enforce.Port{ssh}},
		"--src 2001:db8::7 --port tcp/22,UDP/53 --for 90":      {Src: addr("2001:db8::7"), Ports: []enforce.Port{ssh, dns}, For: 90 * time.Second},
		"--src 192.0.2.7 --port tcp/22 --port udp/53":          {Src: addr("192.0.2.7"), Ports: []enforce.Port{ssh, dns}},
		"--src 192.0.2.7 --port udp/53 --for 1h30m --stanza a": {Src: addr("192.0.2.7"), Ports: []enforce.Port{dns}, For: 90 * time.Minute, Stanza: "a"},
		"--src 192.0.2.7 --port udp/53 --dst 192.0.2.1":        {Src: addr("192.0.2.7"), Dst: addr("192.0.2.1"), Ports: []enforce.Port{dns}},
	} {
		o, err := cli.Parse(cli.Grants, append([]string{"add"}, strings.Fields(line)...))
		if err != nil {
			t.Fatal(err)
		}
		if a, err := parseAddition(o); err != nil || !reflect.DeepEqual(a, want) {
			t.Errorf("%s: %+v, %v", line, a, err)
		}
	}
}

// grants add says that a port is open, or why not; and that only a daemon can.
func TestAdd(t *testing.T) {
	p := newPlace(t, true)
	add := []string{"add", "--src", "192.0.2.7", "--port", "tcp/22", "--stanza", "alice", "--for", "10m"}
	if code, out, errs := p.grants(add...); code != 1 || out != "" || !strings.Contains(errs, "no daemon runs") {
		t.Errorf("without a daemon: %d %s%s", code, out, errs)
	}
	end := time.Now().Add(10 * time.Minute)
	h := testHost
	var asked Addition
	answer := func(blocked []string, err error) {
		h.Add = func(_ context.Context, a Addition) ([]enforce.Grant, []string, error) {
			if asked = a; err != nil {
				return nil, nil, err
			}
			return []enforce.Grant{{Src: a.Src, Ports: a.Ports, Stanza: 9, Expires: end}}, blocked, nil
		}
		stop, serveErr := Serve(filepath.Join(p.dir, "fwknopd.sock"), new(enforce.Recorder), h)
		if serveErr != nil {
			t.Fatal(serveErr)
		}
		t.Cleanup(stop)
	}
	answer(nil, nil)
	code, out, errs := p.grants(add...)
	if want := "open until " + end.Format(time.ANSIC) + ", 10m0s left: tcp/22 for 192.0.2.7\n"; code != 0 || out != want || errs != "" {
		t.Errorf("%d %s%s, want %s", code, out, errs, want)
	}
	if asked.Stanza != "alice" || asked.For != 10*time.Minute || asked.Dst.IsValid() {
		t.Errorf("asked for %+v", asked)
	}
	if code, out, _ = p.grants(append(add, "--json")...); code != 0 || !strings.HasPrefix(out, `{"v":1,"grants":[{"src":"192.0.2.7","ports":["tcp/22"],`) {
		t.Errorf("%d %s", code, out)
	}
	answer([]string{"inet filter input"}, nil)
	if code, _, errs = p.grants(add...); code != 1 || !strings.Contains(errs, "inet filter input drops it all the same") {
		t.Errorf("dropped: %d %s", code, errs)
	}
	answer(nil, errors.New("refused: too many grants"))
	if code, out, errs = p.grants(add...); code != 1 || out != "" || !strings.Contains(errs, "refused: too many grants") {
		t.Errorf("refused: %d %s%s", code, out, errs)
	}
}

// What is revoked is named by an address, a network, or a stanza by its NAME or its line.
func TestRevokeWhat(t *testing.T) {
	ssh, ssh6, dns := "closed tcp/22 for 192.0.2.7\n", "closed tcp/22 for 2001:db8::7\n", "closed udp/53 for 192.0.2.7\n"
	for line, want := range map[string]struct{ closed, err string }{
		"--stanza alice":        {dns, ""},
		"--stanza 9":            {dns, ""},
		"alice":                 {dns, ""},
		"3":                     {ssh + ssh6, ""},
		"192.0.2.7":             {ssh + dns, ""},
		"192.0.2.7 --stanza 3":  {ssh, ""},
		"alice --src 192.0.2.7": {dns, ""},
		"192.0.2.0/24":          {ssh + dns, ""},
		"2001:db8::7":           {ssh6, ""},
		"2001:db8::/32":         {ssh6, ""},
		"--port tcp/22":         {ssh + ssh6, ""},
		"--all":                 {ssh + dns + ssh6, ""},
		"7":                     {"", "nothing of that is open"},
		"192.0.2.8":             {"", "nothing of that is open"},
		"192.0.2.300":           {"", `no stanza has the NAME "192.0.2.300"`},
		"alicia":                {"", "did you mean alice?"},
	} {
		p := newPlace(t, true)
		serveAt(t, filepath.Join(p.dir, "fwknopd.sock"), open(t))
		code, out, errs := p.grants(append([]string{"revoke"}, strings.Fields(line)...)...)
		if out != want.closed || !strings.Contains(errs, want.err) || (code == 0) != (want.err == "") {
			t.Errorf("%s: %d %s%s", line, code, out, errs)
		}
	}
}

// A grant that could not be closed is not said to be.
func TestRevokeFails(t *testing.T) {
	p := newPlace(t, true)
	serveAt(t, filepath.Join(p.dir, "fwknopd.sock"), noFlush{open(t)})
	if code, out, errs := p.grants("revoke", "--all"); code != 1 || out != "" || !strings.Contains(errs, "no flush") {
		t.Errorf("%d %s%s", code, out, errs)
	}
}

type noFlush struct{ *enforce.Recorder }

func (noFlush) Flush(context.Context) error { return errors.New("no flush") }

func TestConnectionsText(t *testing.T) {
	for _, tt := range []struct {
		c    Connections
		cut  bool
		text string
		err  string
		json string
	}{
		{Connections{}, false, "", "", `{"open":0,"ended":0,"cut":0}`},
		{Connections{Connections: enforce.Connections{Open: 1}}, false, "1 connection stays open; --cut ends it\n", "", `{"open":1,"ended":0,"cut":0}`},
		{Connections{Connections: enforce.Connections{Open: 2}}, false, "2 connections stay open; --cut ends them\n", "", `{"open":2,"ended":0,"cut":0}`},
		{Connections{Error: "x"}, false, "", "connections: x", `{"open":0,"ended":0,"cut":0,"error":"x"}`},
		{Connections{Connections: enforce.Connections{Ended: 2}}, true, "ended 2 connections\n", "", `{"open":0,"ended":2,"cut":0}`},
		{Connections{Connections: enforce.Connections{Cut: 1}, Rejected: true}, true,
			"cut 1 connection, forwarded or by UDP: what it still sends is rejected\n", "", `{"open":0,"ended":0,"cut":1,"rejected":true}`},
		{Connections{Connections: enforce.Connections{Cut: 2}, Rejected: true}, true,
			"cut 2 connections, forwarded or by UDP: what they still send is rejected\n", "", `{"open":0,"ended":0,"cut":2,"rejected":true}`},
		{Connections{Connections: enforce.Connections{Ended: 1, Cut: 1, Open: 1}, Error: "x"}, true,
			"ended 1 connection\ncut 1 connection, forwarded or by UDP: over unless the firewall lets the server send to the client first\n",
			"could not end 1 connection: x", `{"open":1,"ended":1,"cut":1,"error":"x"}`},
	} {
		err := ""
		if e := tt.c.err(); e != nil {
			err = e.Error()
		}
		if got := string(tt.c.text(tt.cut)); got != tt.text || err != tt.err {
			t.Errorf("%+v: %s%s", tt.c, got, err)
		}
		if got, want := string(tt.c.addJSON([]byte(`{"v":1,"grants":[]}`+"\n"))), `{"v":1,"grants":[],"connections":`+tt.json+"}\n"; got != want {
			t.Errorf("%s", got)
		}
	}
}

// TestAddCut: that what was cut is rejected is said if it is so of all that was cut.
func TestAddCut(t *testing.T) {
	none, cut := enforce.Connections{}, enforce.Connections{Cut: 1}
	broken := errors.New("broken")
	for _, c := range []struct {
		name           string
		later          enforce.Connections
		rejected       bool // what was cut later
		before         enforce.Connections
		rejecter       enforce.Rejecter
		err            error
		want           int
		wantedRejected bool
	}{
		{"nothing", none, false, none, new(firewall.Firewall), nil, 0, false},
		{"later", cut, true, none, new(firewall.Firewall), nil, 1, true},
		{"later, another failed before", cut, true, none, new(firewall.Firewall), broken, 1, true},
		{"later, not rejected", cut, false, none, nil, nil, 1, false},
		{"before", none, false, cut, new(firewall.Firewall), nil, 1, true},
		{"before, not rejected", none, false, cut, new(firewall.Firewall), broken, 1, false},
		{"before, without a rejecter", none, false, cut, nil, nil, 1, false},
		{"both", cut, true, cut, new(firewall.Firewall), nil, 2, true},
		{"both, not rejected before", cut, true, cut, new(firewall.Firewall), broken, 2, false},
		{"both, not rejected later", cut, false, cut, new(firewall.Firewall), nil, 2, false},
	} {
		got := Connections{Connections: c.later, Rejected: c.rejected}
		if got.addCut(c.before, c.rejecter, c.err); got.Cut != c.want || got.Rejected != c.wantedRejected {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }
