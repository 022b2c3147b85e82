package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
	"fwknopd/policy/spa"
	"fwknopd/policy/totp"
)

// asks sends a message of a user and waits for the decision on it, which it returns as an
// object of the event log.
func (r *recording) asks(user string) (event string) {
	r.t.Helper()
	r.send(r.Client.V4, r.message(packetKey(), func(m *spa.Message) { m.User = user }))
	wait.For(r.t, "the decision on "+user, func() bool {
		for line := range strings.Lines(r.events()) {
			if strings.Contains(line, `"event_type":"decision"`) && strings.Contains(line, fmt.Sprintf(`"user":%q`, user)) {
				event = line
				return true
			}
		}
		return false
	})
	return event
}

// want asks as a user and compares the reason.
func (r *recording) want(user, reason string) (event string) {
	r.t.Helper()
	event = r.asks(user)
	if !strings.Contains(event, fmt.Sprintf(`"reason":%q`, reason)) {
		r.t.Errorf("%s: %s, want %s", user, event, reason)
	}
	return event
}

// TestE2EUses: a stanza grants as often as ACCESS_USES says, live as in a replay, after the
// worker or the daemon ended, with another number, and from zero after a reset. When it is
// not known how often it granted, it refuses.
func TestE2EUses(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "tcpdump")
	each(t, func(t *testing.T, s *site) {
		r := &recording{site: s}
		uses := func(n string) string {
			return stanza("NAME visitor\nACCESS_USES "+n) +
				fmt.Sprintf("SOURCE ANY\nNAME knocker\nSHARED_SEQUENCE tcp/7000, tcp/8000, tcp/9000\nOPEN_PORTS tcp/%d\nKNOCK_INTERVAL 10\nFW_ACCESS_TIMEOUT 30\nACCESS_USES 1/day UTC\n", e2ePort)
		}
		const server = "INGEST PCAP,KNOCK;\n"
		r.part(server, uses("2"))
		r.want("a1", "spa.granted")
		if !s.open() {
			t.Error("not open")
		}
		r.want("a2", "spa.granted")
		if event := r.want("a3", "spa.uses"); !strings.Contains(event, `"limit":2`) {
			t.Error(event)
		}
		for i, want := range []string{`"knock.granted"`, `"knock.uses"`} {
			src := fmt.Sprintf("10.77.2.%d", i+1)
			r.sequence(src, time.Second, "", 7000, 8000, 9000)
			wait.For(t, "a sequence", func() bool { return strings.Contains(s.events(), fmt.Sprintf(`"src_ip":%q`, src)) })
			wait.For(t, want, func() bool { return strings.Contains(s.events(), want) })
		}
		r.end(true)
		r.compare(r.parts[0])

		s.grants(0, `(?m)^knocker: 1 of 1/day UTC used, 0 left\nvisitor: 2 of 2 used, 0 left$|^visitor: 2 of 2 used, 0 left\nknocker: 1 of 1/day UTC used, 0 left$`, "uses")
		worker := s.worker()
		syscall.Kill(worker, syscall.SIGKILL)
		wait.For(t, "another worker", func() bool {
			w := s.worker()
			return w != 0 && w != worker && s.said("Starting fwknopd main event loop.") > 1
		})
		r.want("b1", "spa.uses")
		s.stop()
		s.start()
		r.want("b2", "spa.uses")

		s.configure(server+fmt.Sprintf("DIGEST_FILE %[1]s/digests;\nIPT_SYSLOG_FILE %[1]s/kern.log;\n", s.dir), uses("3"))
		s.reload()
		r.want("c1", "spa.granted")
		r.want("c2", "spa.uses")
		s.grants(0, `visitor: +0 of 3 used, 3 left`, "uses", "--reset", "visitor")
		r.want("c3", "spa.granted")
		s.grants(1, `did you mean visitor\?`, "uses", "--reset", "visiter")
		out, _ := s.command(append([]string{"status", "--json"}, s.args()[:2]...)...)
		if !strings.Contains(out, `{"stanza_name":"visitor","limit":"3","max":3,"used":1,"left":2}`) {
			t.Errorf("status: %s", out)
		}

		state := filepath.Join(s.dir, "lib", "uses.state")
		for name, spoil := range map[string]func() error{
			"damaged": func() error { return os.Truncate(state, 20) },
			"missing": func() error { return os.Remove(state) },
		} {
			s.stop()
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			s.start()
			s.waitFor("stanza visitor refuses, as its ACCESS_USES are not known")
			if event := r.want(name, "spa.uses"); !strings.Contains(event, "not known") {
				t.Errorf("%s: %s", name, event)
			}
			s.grants(0, `visitor: +0 of 3 used, 3 left`, "uses", "--reset", "visitor")
			r.want(name+"reset", "spa.granted")
		}
	})
}

// TestE2EState: a replay that begins with the state of a daemon decides as that one did after a
// restart, of uses counted, messages seen and codes used before; without it, it does not.
func TestE2EState(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "tcpdump")
	r := &recording{site: newSite(t, "nftables")}
	key := spa.Key{Passphrase: []byte("a_third_passphrase"), HMACKey: []byte("a_fourth_passphrase"), HMACType: "sha256"}
	access := stanza("NAME visitor\nACCESS_USES 3\n") + fmt.Sprintf("SOURCE ANY\nNAME coder\nOPEN_PORTS tcp/%d\nKEY %s\nHMAC_KEY %s\n"+
		"REQUIRE_AUTH_METHOD totp\nTOTP_SECRET %s\n", e2ePort, key.Passphrase, key.HMACKey, totp.Encode([]byte("a secret of 20 bytes")))
	code := codeKey.Code(totp.Step(time.Now()) + 1) // good for a minute at least
	withCode := func() []byte {
		return r.message(key, func(m *spa.Message) { m.User, m.ServerAuth = "coder", "totp,"+code })
	}
	const server = "PCAP_FILTER udp port 62201;\n"
	r.part(server, access)
	first := r.message(packetKey(), func(m *spa.Message) { m.User = "first" })
	r.send(r.Client.V4, first, withCode())
	r.end(false) // a second use
	r.compare(r.parts[0])
	r.stop()

	saved := filepath.Join(r.dir, "saved")
	if err := os.CopyFS(saved, os.DirFS(filepath.Join(r.dir, "lib"))); err != nil {
		t.Fatal(err)
	}
	digests, err := os.ReadFile(filepath.Join(r.dir, "digests"))
	if err != nil {
		t.Fatal(err)
	}
	r.write("saved/digests", string(digests))
	r.start()
	r.part(server, access)
	r.send(r.Client.V4, first, withCode())
	r.want("third", "spa.granted")
	r.want("fourth", "spa.uses")
	r.end(false)
	r.stop()

	p := r.parts[1]
	if err := os.Remove(p.file("digests")); err != nil { // which the replay would begin with
		t.Fatal(err)
	}
	beside := filepath.Join(r.dir, "beside.conf")
	r.write("beside.conf", "FWKNOP_LIB_DIR "+r.dir+";\n") // where DIGEST_FILE is
	r.compare(p, "-O", beside, "--state", saved)
	live := strings.Join(p.decisions, "\n")
	for _, reason := range []string{"spa.replay", "spa.auth_method", "spa.granted", "spa.uses"} {
		if !strings.Contains(live, reason) {
			t.Errorf("no %s: %s", reason, live)
		}
	}
	if n := strings.Count(strings.Join(r.replay(p), "\n"), "spa.granted"); n <= strings.Count(live, "spa.granted") {
		t.Errorf("without the state no more than %d are granted: the comparison shows nothing", n)
	}
	after, err := os.ReadFile(filepath.Join(saved, "digests"))
	if err != nil || string(after) != string(digests) {
		t.Errorf("the replay has changed the digests (%v)", err)
	}
}

func init() { plans["uses"] = (*hostile).takeUses }

// takeUses asks for more than ACCESS_USES, and for what the window does not offer.
func (h *hostile) takeUses() error {
	allowed, results := 0, make(chan error, 20)
	for n := range cap(results) {
		h.client.Submit(hostileGrant(n), func(err error) { results <- err })
	}
	for range cap(results) {
		if <-results == nil {
			allowed++
		}
	}
	late := hostileGrant(99)
	late.Stanza = 8 // its window is closed
	h.client.Submit(late, func(err error) { results <- err })
	fmt.Fprintf(h.result, "allowed=%d closed=%v\n", allowed, <-results == nil)
	return h.ready()
}

// TestE2EHostileUses: a worker that is taken over cannot raise ACCESS_USES, nor can the next
// one use what it has used, and it opens nothing outside of a window.
func TestE2EHostileUses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		later := time.Now().UTC()
		closed := "ACCESS_WINDOW daily " + later.Add(2*time.Hour).Format("15:04") + "-" + later.Add(3*time.Hour).Format("15:04") + " UTC"
		s.configure("", stanza("NAME visitor\nACCESS_USES 3")+stanza("NAME closed\n"+closed))
		s.hostile("uses")
		s.launch()
		s.waitForResult("allowed=3 closed=false")
		if err := os.Remove(filepath.Join(s.dir, planFile)); err != nil { // the next one is honest
			t.Fatal(err)
		}
		s.grants(0, `visitor: 3 of 3 used, 0 left`, "uses")
		before := s.said("Starting fwknopd main event loop.")
		syscall.Kill(s.worker(), syscall.SIGKILL)
		wait.For(t, "an honest worker", func() bool { return s.said("Starting fwknopd main event loop.") > before })
		s.knock(ask()...)
		wait.For(t, "the refusal", func() bool { return strings.Contains(s.events(), `"reason":"spa.uses"`) })
		if !s.shut() {
			t.Error("open")
		}
	})
}

// TestE2EWindow: outside of ACCESS_WINDOW nothing opens, and what is open ends with it; a
// stanza that is off decides nothing.
func TestE2EWindow(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "tcpdump")
	each(t, func(t *testing.T, s *site) {
		now := time.Now().UTC()
		hours := func(from, to time.Duration) string {
			return "ACCESS_WINDOW daily " + now.Add(from).Format("15:04") + "-" + now.Add(to).Format("15:04") + " UTC\nFW_ACCESS_TIMEOUT 3600\n"
		}
		access := func(first, second string) string {
			return strings.Replace(stanza(first), "FW_ACCESS_TIMEOUT 60\n", "", 1) + strings.Replace(stanza(second), "FW_ACCESS_TIMEOUT 60\n", "", 1)
		}
		r := &recording{site: s}
		r.part("", access("NAME closed\n"+hours(2*time.Hour, 3*time.Hour), "NAME off\nENABLED N"))
		if event := r.want("a1", "spa.window"); !strings.Contains(event, `"stanza_name":"closed"`) {
			t.Error(event)
		}
		r.end(false)
		r.compare(r.parts[0])
		if !s.shut() {
			t.Error("open outside of the window")
		}
		end := now.Add(10 * time.Minute).Truncate(time.Minute)
		r.part("", access("NAME off\nENABLED N", "NAME ten\n"+hours(-time.Hour, 10*time.Minute)))
		if event := r.want("b1", "spa.granted"); !strings.Contains(event, `"stanza_name":"ten"`) || !strings.Contains(event, end.Format(`"2006-01-02T15:04:05`)) {
			t.Errorf("%s, want an end at %s", event, end)
		}
		r.end(false)
		r.compare(r.parts[1])
		if !s.open() {
			t.Error("not open")
		}
		s.grants(0, "stanza ten ", "list")
		s.grants(0, "^closed ", "revoke", "ten")
		s.grants(0, `^open until `, "add", "--src", s.Client.V4.String(), "--port", fmt.Sprintf("tcp/%d", e2ePort), "--stanza", "ten")
	})
}
