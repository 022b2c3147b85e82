package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"fwknopd/policy/spa"
)

// injected tries to begin a line, to end a string of JSON, to control a terminal and to
// turn text around.
const injected = "eve\n[+] opened 192.0.2.1 tcp/22\r\"}\x1b]0;owned\a\x1b[2J\u202e\u0085\x9b31m"

// TestE2EAttackInjection: texts in a message of a client that has the keys reach neither
// the log, nor the event log, nor what a terminal shows, as they are.
func TestE2EAttackInjection(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure("EVENT_LOG "+s.dir+"/log/events.jsonl;\n", stanza("ENABLE_CMD_EXEC Y\nCMD_EXEC_USER root\nCMD_EXEC_GROUP root"))
	s.start()
	for i, m := range []spa.Message{
		{User: injected, Type: spa.Access, Text: fmt.Sprintf("%s,tcp/%d", s.Client.V4, e2ePort)},
		{User: "alice", Type: spa.Access, Text: s.Client.V4.String() + "," + injected},
		{User: "alice", Type: spa.Command, Text: s.Client.V4.String() + ",echo '" + injected + "'"},
		{User: "alice", Type: spa.Access, Text: s.Client.V4.String() + ",tcp/9", ServerAuth: injected},
	} {
		m.Time, m.Version = time.Now().Unix(), "3.0.0"
		plain, err := spa.Plaintext(&m, fmt.Sprintf("%016d", i))
		if err != nil {
			t.Fatal(err)
		}
		p, err := spa.Seal(plain, packetKey(), spa.EncodeOptions{Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		post(t, s, p)
	}
	s.knock(append(ask(), "-U", "last")...)
	if !s.open() {
		t.Error("an honest packet afterwards opens nothing")
	}
	list, _ := s.command(s.args("grants", "list")...)
	s.stop()
	out := s.out.String()
	if !strings.Contains(out, "eve") {
		t.Error("the log has nothing of the messages")
	}
	for name, text := range map[string]string{"log": out, "event log": s.events(), "list": list} {
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if strings.ContainsFunc(line, func(c rune) bool { return c != '\t' && !unicode.IsPrint(c) }) {
				t.Errorf("%s: %q", name, line)
			}
			if strings.HasPrefix(line, "[+] opened 192.0.2.1") {
				t.Errorf("%s has a line of the message: %q", name, line)
			}
			if name == "event log" && !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %q", line)
			}
		}
	}
}
