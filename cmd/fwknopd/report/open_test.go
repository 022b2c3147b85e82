package report

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/parse"
)

var openNow = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

func openGrant(src string, port uint16, left time.Duration) enforce.Grant {
	g := enforce.Grant{Src: netip.MustParseAddr(src), Ports: []enforce.Port{{Proto: parse.TCP, Number: port}}, Stanza: 3}
	if left != 0 {
		g.Expires = openNow.Add(left)
	}
	return g
}

func TestGateways(t *testing.T) {
	titles := Titles{3: {Title: "alice (access.conf:3)", Name: "alice"}}
	list := []Gateway{
		{Name: "gw1", Self: true, Heard: true, Said: openNow.Add(-time.Minute), Age: time.Minute, Open: Open{Titles: titles, Grants: []enforce.Grant{
			openGrant("192.0.2.9", 443, 0), openGrant("192.0.2.7", 22, time.Minute), openGrant("192.0.2.8", 22, 30*time.Second)}}},
		{Name: "gw2", Said: openNow.Add(-3 * time.Minute), Age: 3 * time.Minute, Open: Open{Titles: titles, More: 7, Grants: []enforce.Grant{
			openGrant("192.0.2.7", 22, -time.Second), openGrant("192.0.2.8", 22, time.Second)}}},
		{Name: "gw3", Heard: true, Said: openNow.Add(-time.Second), Age: time.Second},
		{Name: "gw4"},
		{Name: "gw5", Heard: true, Said: openNow, Damaged: true},
		{Name: "gw6", Heard: true, Said: openNow, Open: Open{Unconfirmed: true, Grants: []enforce.Grant{openGrant("192.0.2.7", 22, time.Minute)}}},
	}
	want := `gw1 (this gateway): 3 grants
  num  target      prot    opt source               destination
  1    ACCEPT      tcp     --  192.0.2.8            0.0.0.0/0            dpt:22 /* _exp_1796029230 */ alice (access.conf:3), ends Mon Nov 30 09:00:30 2026, 30s left
  2    ACCEPT      tcp     --  192.0.2.7            0.0.0.0/0            dpt:22 /* _exp_1796029260 */ alice (access.conf:3), ends Mon Nov 30 09:01:00 2026, 1m0s left
  3    ACCEPT      tcp     --  192.0.2.9            0.0.0.0/0            dpt:443 /* no end */ alice (access.conf:3), does not end
gw2, not heard of now, last heard 3m0s ago: 1 grant, and 7 more that are not listed
  num  target      prot    opt source               destination
  1    ACCEPT      tcp     --  192.0.2.8            0.0.0.0/0            dpt:22 /* _exp_1796029201 */ alice (access.conf:3), ends Mon Nov 30 09:00:01 2026, 1s left
gw3, said 1s ago: nothing is open
gw4: has not said what is open
gw5, said 0s ago: what it said cannot be read
gw6, said 0s ago: 1 grant, by its daemon: its firewall did not answer
  num  target      prot    opt source               destination
  1    ACCEPT      tcp     --  192.0.2.7            0.0.0.0/0            dpt:22 /* _exp_1796029260 */ stanza at line 3, ends Mon Nov 30 09:01:00 2026, 1m0s left
`
	if got := string(GatewaysText(list, openNow)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var all struct {
		Gateways []struct {
			Gateway string            `json:"gateway"`
			Heard   bool              `json:"heard"`
			Self    bool              `json:"self"`
			Age     float64           `json:"age_s"`
			More    int               `json:"more"`
			Grants  []json.RawMessage `json:"grants"`
		} `json:"gateways"`
	}
	text := GatewaysJSON(list, openNow)
	if err := json.Unmarshal(text, &all); err != nil || len(all.Gateways) != len(list) {
		t.Fatalf("%v: %s", err, text)
	}
	if g := all.Gateways[1]; g.Gateway != "gw2" || g.Heard || g.Age != 180 || g.More != 7 || len(g.Grants) != 1 || !all.Gateways[0].Self {
		t.Errorf("%s", text)
	}
}

// What is published has a bound, and what there is no room for is counted.
func TestOpenJSON(t *testing.T) {
	var o Open
	for i := range 5000 {
		g := openGrant("192.0.2.7", uint16(i+1), time.Duration(5000-i)*time.Second)
		g.External = &enforce.External{Open: []string{"/bin/open"}, Close: []string{"/bin/close", "secret"}}
		o.Grants = append(o.Grants, g)
	}
	text, err := o.JSON(1 << 18)
	if err != nil || len(text) > 1<<18 || len(text) < 1<<17 || strings.Contains(string(text), "secret") {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	got, err := ParseOpen(text)
	if err != nil || len(got.Grants)+got.More != 5000 || got.More < 100 || !got.Grants[0].Expires.Equal(openNow.Add(time.Second)) {
		t.Errorf("%d grants, %d more, %v", len(got.Grants), got.More, err)
	}
	if o.Grants[0].External.Close == nil {
		t.Error("the grants of the daemon were changed")
	}
}

// hostileObjects are what a gateway that was taken over may publish.
var hostileObjects = []string{
	"", "{", "null", "7", `"x"`, "[]", `{"v":1}`, "\x1b]0;owned\a", strings.Repeat("[", 60_000), "\x9b31m",
	`{"v":1,"event_type":"grant","verdict":"granted","gateway":"gw1","src_ip":"\u001b[31m192.0.2.7\u202e","stanza_name":"\u009b"}`,
	`{"v":1,"event_type":"grant","verdict":"granted","user":"` + "\x9b\u202e\x7f" + `"}`,
	`{"v":1,"timestamp":"\n\n2026","event_type":"\r\n","verdict":"\u0000"}`, "{\"v\":1,\t\"event_type\":\r\"a\",\"verdict\":\"b\"}",
	`{"v":1,"event_type":"grant","verdict":"granted","grant":{"src":"::","ports":["` + strings.Repeat("x", 1000) + `"]}}`,
}

// Whatever a gateway says stays in one line, which its name begins, and controls no terminal.
func TestHostileEvents(t *testing.T) {
	for _, object := range hostileObjects {
		for _, text := range []string{FleetEventText("gw2", openNow, []byte(object)), string(FleetEventJSON("gw2", openNow, []byte(object)))} {
			if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x9b || r == 0x202e || r == 0xfffd }) {
				t.Errorf("%.100q is shown as %.200q", object, text)
			}
		}
		if text := FleetEventText("gw2", openNow, []byte(object)); !strings.HasPrefix(text, "gw2 ") {
			t.Errorf("%.100q is shown as %.100q", object, text)
		}
		var out struct {
			Gateway string          `json:"gateway"`
			Event   json.RawMessage `json:"event"`
			Text    *string         `json:"text"`
		}
		text := FleetEventJSON("gw2", openNow, []byte(object))
		if err := json.Unmarshal(text, &out); err != nil || out.Gateway != "gw2" || (out.Event == nil) == (out.Text == nil) {
			t.Errorf("%.100q is %.200s, %v", object, text, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	text, _ := Open{Grants: []enforce.Grant{openGrant("192.0.2.7", 22, time.Minute)}, Titles: Titles{3: {Title: "\x1b"}}}.JSON(1 << 20)
	f.Add(text)
	f.Add([]byte(`{"v":1,"grants":[{"Src":"fe80::1%\u001b[31m","Bits":255,"Also":"::/0","Ports":[],"NAT":{},"External":{}}],"titles":{"0":{"title":"\n"}},"more":-1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := ParseOpen(text)
		if err != nil {
			return
		}
		list := []Gateway{{Name: "gw1", Said: openNow, Open: o}}
		shown := string(GatewaysText(list, openNow))
		if strings.ContainsFunc(shown, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x9b || r == 0x202e }) {
			t.Errorf("%q", shown)
		}
		for line := range strings.Lines(shown) {
			if !strings.HasPrefix(line, "gw1, ") && !strings.HasPrefix(line, "  ") {
				t.Errorf("a line of its own: %q", line)
			}
		}
		if shown := GatewaysJSON(list, openNow); !json.Valid(shown) {
			t.Errorf("%s", shown)
		}
	})
}

func ExampleFleetEventText() {
	object := `{"v":1,"timestamp":"2026-11-30T09:00:00Z","event_type":"grant","verdict":"granted","src_ip":"192.0.2.7","grant":{"src":"192.0.2.7","ports":["tcp/22"]}}`
	fmt.Println(FleetEventText("gw2", openNow, []byte(object)))
	fmt.Println(string(FleetEventJSON("gw2", openNow, []byte(`{"v":1,"event_type":"monitor","verdict":"lost","count":3}`))))
	// Output:
	// gw2 2026-11-30T09:00:00Z grant granted from 192.0.2.7: 192.0.2.7 tcp/22, no end
	// {"v":1,"gateway":"gw2","stored":"2026-11-30T09:00:00.000000Z","event":{"v":1,"event_type":"monitor","verdict":"lost","count":3}}
}
