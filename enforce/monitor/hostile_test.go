package monitor

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/wait"
)

// frame is a message as a hostile worker may write it.
func frame(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// wire connects to a monitor without a [Client].
func wire(t testing.TB, r *rig) (conn *net.UnixConn, served <-chan error) {
	t.Helper()
	server, conn, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	ch := make(chan error, 1)
	go func() { ch <- r.Serve(ctx, server) }()
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(wait.Timeout))
	return conn, ch
}

// canary has a stanza that runs touch; a file appears if anything runs.
func canary(t testing.TB) (Policy, string) {
	file := filepath.Join(t.TempDir(), "ran")
	o := testPolicy
	o.Limits.Stanzas = append([]enforce.Allowance{{
		Stanza: 20, Source: anywhere,
		Commands: &enforce.CommandLimit{Regexp: regexp.MustCompile(`^touch [a-z/]+never$`)},
	}}, o.Limits.Stanzas...)
	o.Files = map[string]func() (*os.File, error){"log": func() (*os.File, error) { return os.Open("/dev/null") }}
	o.Passwords = map[string]PasswordFile{"/etc/shadow": {Check: func(u, p string) (bool, error) { return p == "right", nil }}}
	return o, file
}

// TestViolations: what no honest worker sends ends the connection, and does
// nothing.
func TestViolations(t *testing.T) {
	body := func(op, body string) []byte { return frame(fmt.Sprintf(`{"id":1,"op":%q,"body":%s}`, op, body)) }
	grant := `{"Src":"10.1.0.1","Ports":[{"Proto":6,"Number":22}],"Expires":"2999-01-01T00:00:00Z","Stanza":9}`
	for _, c := range []struct {
		name  string
		bytes []byte
	}{
		{"empty frame", []byte{0, 0, 0, 0}},
		{"oversize", append([]byte{0, 0, 0x10, 1}, make([]byte, 4097)...)},
		{"length of 4 GiB", []byte{255, 255, 255, 255, '{'}},
		{"not JSON", frame("hello")},
		{"waits for too much", body("waiting", `["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]`)},
		{"waits for no text", body("waiting", `[1]`)},
		{"not an object", frame("[1,2]")},
		{"two values", frame(`{"id":1,"op":"ready"} {"id":2,"op":"waiting"}`)},
		{"unknown field", frame(`{"id":1,"op":"ready","as":"root"}`)},
		{"no number", frame(`{"op":"ready"}`)},
		{"negative number", frame(`{"id":-1,"op":"ready"}`)},
		{"unknown field in a grant", body("apply", strings.Replace(grant, `"Src"`, `"Chain":"INPUT","Src"`, 1))},
		{"unknown field in NAT", body("apply", strings.Replace(grant, `"Src"`, `"NAT":{"Table":"nat"},"Src"`, 1))},
		{"port out of range", body("apply", strings.Replace(grant, `22`, `65558`, 1))},
		{"no body", frame(`{"id":1,"op":"apply"}`)},
		{"body of another kind", body("apply", `"x"`)},
		{"body where none belongs", body("ready", `1`)},
		{"command with a user", body("command", `{"stanza":20,"text":"aWQ=","run_as":"root"}`)},
		{"command with arguments", body("command", `{"stanza":20,"argv":["id"]}`)},
		{"open with a path and flags", body("open", `{"name":"log","flags":2}`)},
		{"after no commit", body("applyAfter", `{"commit":1,"grant":`+grant+`}`)},
		{"after nothing", body("applyAfter", `{"grant":`+grant+`}`)},
		{"twice ready", append(frame(`{"id":1,"op":"ready"}`), frame(`{"id":2,"op":"ready"}`)...)},
	} {
		policy, file := canary(t)
		r := newRig(t, func(c *Config) { c.Policy = policy })
		conn, served := wire(t, r)
		if _, err := conn.Write(c.bytes); err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, conn) // until the monitor hangs up
		conn.Close()
		if err := <-served; !errors.Is(err, errProtocol) {
			t.Errorf("%s: %v, want %v", c.name, err, errProtocol)
		}
		r.events.drain()
		if len(r.fw.Log())+len(r.ext.Log()) != 0 || exists(file) || r.count(Violation) != 1 {
			t.Errorf("%s: firewall %q, external %q, ran %v, events %+v", c.name, r.fw.Log(), r.ext.Log(), exists(file), r.all)
		}
	}
}

// TestWiderGrants: a worker that is taken over gets no prefix that the stanza does not have,
// and no second client.
func TestWiderGrants(t *testing.T) {
	policy := testPolicy
	policy.Limits.Stanzas = slices.Clone(policy.Limits.Stanzas)
	policy.Limits.Stanzas[1].Bits4, policy.Limits.Stanzas[1].Bits6 = 24, 64
	r := newRig(t, func(c *Config) { c.Policy = policy })
	conn, _ := wire(t, r)
	const form = `{"Src":%q,"Bits":%d,"Also":%q,"Ports":[{"Proto":6,"Number":22}],"Expires":"2999-01-01T00:00:00Z","Stanza":%d}`
	for i, c := range []struct {
		grant string
		ok    bool
	}{
		{fmt.Sprintf(form, "10.1.2.3", 24, "", 9), true},
		{fmt.Sprintf(form, "10.1.2.3", 28, "", 9), true},
		{fmt.Sprintf(form, "2001:db8::7", 64, "", 9), true},
		{fmt.Sprintf(form, "10.1.2.3", 24, "", 3), false},
		{fmt.Sprintf(form, "10.1.2.3", 23, "", 9), false},
		{fmt.Sprintf(form, "10.1.2.3", 1, "", 9), false},
		{fmt.Sprintf(form, "10.1.2.3", 33, "", 9), false},
		{fmt.Sprintf(form, "10.1.2.3", 255, "", 9), false},
		{fmt.Sprintf(form, "2001:db8::7", 24, "", 9), false},
		{fmt.Sprintf(form, "::ffff:10.1.2.3", 120, "", 9), false},
		{fmt.Sprintf(form, "224.0.0.1", 24, "", 9), false},
		{fmt.Sprintf(form, "0.0.0.1", 24, "", 9), false},
		{fmt.Sprintf(form, "10.1.2.3", 0, "10.1.2.4/32", 9), false},
		{fmt.Sprintf(form, "10.1.2.3", 24, "0.0.0.0/0", 9), false},
	} {
		r.fw.Flush(ctx)
		body := fmt.Sprintf(`{"id":%d,"op":"apply","body":%s}`, i+1, c.grant)
		if _, err := conn.Write(frame(body)); err != nil {
			t.Fatal(err)
		}
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, answer); err != nil {
			t.Fatal(err)
		}
		open, err := r.fw.List(ctx)
		if err != nil || (len(open) == 1) != c.ok || strings.Contains(string(answer), `"refused":true`) == c.ok {
			t.Errorf("%s: %s, open %v, %v", c.grant, answer, open, err)
		}
	}
}

// TestOthersGrants: a worker that is taken over can neither see nor close what is open
// for others. There is no request for it, also not one of the monitor's own methods: it
// is not answered, ends the connection, and what follows it is not read.
func TestOthersGrants(t *testing.T) {
	known := slices.Sorted(maps.Keys(requests))
	if want := []string{"alive", "apply", "applyAfter", "command", "crypt", "digests", "journal", "open", "ready", "resolve", "waiting"}; !slices.Equal(known, want) {
		t.Errorf("a worker may %q, want %q", known, want)
	}
	r := newRig(t)
	end := time.Now().Add(time.Minute)
	r.mustApply(t, ssh(1, end))
	r.mustApply(t, extern(2, end))
	others, err := r.List(ctx)
	if err != nil || len(others) != 2 {
		t.Fatalf("List = %+v, %v", others, err)
	}
	asked := slices.Concat(r.fw.Log(), r.ext.Log())
	bodies := []string{"", `,"body":null`, `,"body":{}`, `,"body":[]`, `,"body":{"Select":{}}`}
	for _, g := range others {
		text, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, `,"body":`+string(text))
	}
	honest, err := appendFrame(nil, map[string]any{"id": 2, "op": "apply", "body": ssh(3, end)})
	if err != nil {
		t.Fatal(err)
	}
	violations := 0
	for _, op := range []string{"revoke", "list", "flush", "Alive", "close", "reload", "exec", "", "Apply", "apply ", "List", "apply\u0000", "list,apply"} {
		for _, body := range bodies {
			text := `{"id":1,"op":"` + op + `"` + body + `}`
			conn, served := wire(t, r)
			if _, err := conn.Write(append(frame(text), honest...)); err != nil {
				t.Fatal(err)
			}
			conn.CloseWrite()
			answer, _ := io.ReadAll(conn) // until the monitor hangs up
			conn.Close()
			if err := <-served; !errors.Is(err, errProtocol) || len(answer) > 0 {
				t.Errorf("%s: %v, answer %q", text, err, answer)
			}
			violations++
		}
	}
	r.events.drain()
	if now := slices.Concat(r.fw.Log(), r.ext.Log()); !slices.Equal(now, asked) {
		t.Errorf("asked of the firewall: %q, before %q", now, asked)
	}
	if left, err := r.List(ctx); err != nil || len(left) != 2 || r.Len() != 2 || r.count(Revoked) != 0 || r.count(Violation) != violations {
		t.Errorf("left %+v, %v, %d kept, %d revoked, %d violations of %d", left, err, r.Len(), r.count(Revoked), r.count(Violation), violations)
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// TestTakenOver: a compromised worker that follows the protocol gets nothing that
// access.conf does not allow.
func TestTakenOver(t *testing.T) {
	policy, file := canary(t)
	r := newRig(t, func(c *Config) { c.Policy = policy })
	c := pair(t, r)
	soon := time.Now().Add(time.Minute)
	evil := func(change func(*enforce.Grant)) enforce.Grant {
		g := ssh(1, soon)
		change(&g)
		return g
	}
	for name, g := range map[string]enforce.Grant{
		"another port":   evil(func(g *enforce.Grant) { g.Ports = []enforce.Port{{Proto: 6, Number: 3306}} }),
		"one port more":  evil(func(g *enforce.Grant) { g.Ports = append(g.Ports, enforce.Port{Proto: 6, Number: 23}) }),
		"every port":     evil(func(g *enforce.Grant) { g.Ports, g.All = nil, true }),
		"too long":       evil(func(g *enforce.Grant) { g.Expires = soon.Add(time.Hour) }),
		"without end":    evil(func(g *enforce.Grant) { g.Expires = time.Time{} }),
		"in the past":    evil(func(g *enforce.Grant) { g.Expires = time.Now().Add(-time.Second) }),
		"no stanza":      evil(func(g *enforce.Grant) { g.Stanza = 0 }),
		"another stanza": evil(func(g *enforce.Grant) { g.Stanza = 4 }),
		"excluded":       evil(func(g *enforce.Grant) { g.Src = prefixes("192.0.2.66/32")[0].Addr() }),
		"NAT":            evil(func(g *enforce.Grant) { g.NAT = &enforce.NAT{Masquerade: true} }),
		"output":         evil(func(g *enforce.Grant) { g.Output = true }),
		"a command": evil(func(g *enforce.Grant) {
			g.External = &enforce.External{Open: []string{"/usr/bin/touch", file}, Timeout: time.Second}
		}),
		"a command of the stanza with a path": evil(func(g *enforce.Grant) {
			*g = extern(1, soon)
			g.External.Open[1] = "$(touch " + file + ")"
		}),
	} {
		if err := apply(c, g); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want %v", name, err, ErrRefused)
		}
	}
	for name, cmd := range map[string]Command{
		"no stanza":            {Stanza: 0, Text: "touch " + file},
		"without commands":     {Stanza: 3, Text: "touch " + file},
		"not matching":         {Stanza: 20, Text: "touch " + file},
		"a second line":        {Stanza: 20, Text: "touch " + file + "\ntouch /never"},
		"longer than text":     {Stanza: 20, Text: "touch " + strings.Repeat("a", enforce.MaxCommand) + "never"},
		"address that is none": {Stanza: 20, From: "touch /never;", Text: "touch /never"},
		"bytes of all kind":    {Stanza: 20, Text: "touch \xff\x00never"},
	} {
		if err := c.Command(ctx, cmd); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want %v", name, err, ErrRefused)
		}
	}
	for _, name := range []string{"", "/etc/shadow", "../log", "log\x00", "LOG"} {
		if f, err := c.Open(ctx, name); !errors.Is(err, ErrRefused) || !errors.Is(err, os.ErrNotExist) || f != nil {
			t.Errorf("Open(%q) = %v, %v", name, f, err)
		}
	}
	if ok, err := c.CheckPassword(ctx, ssh(1, time.Time{}).Src, "/etc/passwd", "root", "right"); ok || !errors.Is(err, ErrRefused) {
		t.Errorf("CheckPassword = %v, %v", ok, err)
	}
	if f, err := c.Journal(ctx, Journal{Follow: true}); f != nil || !errors.Is(err, ErrRefused) {
		t.Errorf("Journal = %v, %v", f, err)
	}
	if found, err := c.Resolve(ctx, "localhost"); found != nil || !errors.Is(err, ErrRefused) {
		t.Errorf("Resolve = %v, %v", found, err)
	}
	r.events.drain()
	if len(r.fw.Log())+len(r.ext.Log()) != 0 || exists(file) || r.Len() != 0 || r.count(CommandRan) != 0 {
		t.Errorf("firewall %q, external %q, ran %v", r.fw.Log(), r.ext.Log(), exists(file))
	}
	if n := r.count(Refused); n != 20 {
		t.Errorf("%d refusals reported, want 20", n)
	}
	if err := apply(c, ssh(1, soon)); err != nil {
		t.Errorf("an honest request afterwards: %v", err)
	}
}

// TestRefusalsAreBounded: a worker that keeps sending refused requests does not fill the
// log.
func TestRefusalsAreBounded(t *testing.T) {
	r := newRig(t)
	c := pair(t, r)
	const many = 5000
	var wg sync.WaitGroup
	wg.Add(many)
	for range many {
		wait.For(t, "room for a request", func() bool { return submit(c, ssh(1, time.Time{}), func(error) { wg.Done() }) })
	}
	wg.Wait()
	r.events.drain()
	if n := r.count(Refused); n < refusalBurst || n > refusalBurst+20 {
		t.Errorf("%d reports", n)
	}
}

// TestGarbage: random bytes open and run nothing, and the monitor goes on.
func TestGarbage(t *testing.T) {
	policy, file := canary(t)
	r := newRig(t, func(c *Config) { c.Policy = policy })
	rnd := rand.NewChaCha8([32]byte{})
	for n := range 200 {
		conn, served := wire(t, r)
		junk := make([]byte, 1+n*7)
		rnd.Read(junk)
		if n%2 == 0 {
			junk = frame(string(junk))
		}
		conn.Write(junk)
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
		<-served
	}
	if len(r.fw.Log()) != 0 || exists(file) {
		t.Errorf("firewall %q, ran %v", r.fw.Log(), exists(file))
	}
	if err := apply(pair(t, r), ssh(1, time.Now().Add(time.Minute))); err != nil {
		t.Error(err)
	}
}

// TestDeafWorker: a worker that sends requests and reads no replies is disconnected or
// blocks; memory is bounded and other workers are served.
func TestDeafWorker(t *testing.T) {
	r := newRig(t)
	conn, served := wire(t, r)
	ask := bytes.Repeat(frame(`{"id":1,"op":"waiting","body":[]}`), 1000)
	for range 1000 {
		if _, err := conn.Write(ask); err != nil {
			break
		}
	}
	<-served
	if err := apply(pair(t, r), ssh(1, time.Now().Add(time.Minute))); err != nil {
		t.Error(err)
	}
}

// TestFilesForADeafWorker: for a worker that requests files and reads no replies only a
// few are open in the monitor.
func TestFilesForADeafWorker(t *testing.T) {
	policy, _ := canary(t)
	r := newRig(t, func(c *Config) { c.Policy = policy })
	before := descriptors(t)
	conn, _ := wire(t, r)
	conn.SetDeadline(time.Now().Add(time.Second))
	// A request that is not read for a second ends the loop; by then the monitor has opened what it opens.
	for n := 1; n <= 4000; n++ {
		if _, err := conn.Write(frame(fmt.Sprintf(`{"id":%d,"op":"open","body":"log"}`, n))); err != nil {
			break // cut off
		}
	}
	if n := descriptors(t) - before; n > 2*maxAsync {
		t.Errorf("%d descriptors are open", n)
	}
}

// TestDescriptorsFromTheWorker are not taken.
func TestDescriptorsFromTheWorker(t *testing.T) {
	r := newRig(t)
	conn, served := wire(t, r)
	name := filepath.Join(t.TempDir(), "passed")
	for id := range 100 {
		raw, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.WriteMsgUnix(frame(fmt.Sprintf(`{"id":%d,"op":"waiting","body":[]}`, id+1)), rights(raw), nil); err != nil {
			t.Fatal(err)
		}
		raw.Close()
	}
	var buf [maxFrame]byte
	for range 100 {
		if _, err := readFrame(conn, &buf); err != nil {
			t.Fatal(err)
		}
	}
	conn.Close()
	<-served
	if n := descriptorsOf(name); n != 0 {
		t.Errorf("%d descriptors were kept", n)
	}
}

// descriptorsOf counts the open descriptors of one file.
func descriptorsOf(name string) (n int) {
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && target == name {
			n++
		}
	}
	return n
}

// FuzzRequest: whatever comes, only grants inside the limits are opened.
func FuzzRequest(f *testing.F) {
	for op := range requests {
		f.Add([]byte(`{"id":1,"op":"` + op + `","body":{}}`))
		f.Add([]byte(`{"id":1,"op":"` + op + `"}`))
	}
	for _, g := range []enforce.Grant{ssh(1, time.Now().Add(time.Minute)), extern(1, time.Now().Add(time.Minute))} {
		body, err := json.Marshal(g)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(`{"id":1,"op":"apply","body":` + string(body) + `}`))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) == 0 {
			return
		}
		r := newRig(t)
		conn, served := wire(t, r)
		conn.Write(frame(string(text)))
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
		err := <-served
		if len(text) > maxFrame && !errors.Is(err, errProtocol) {
			t.Fatalf("oversize: %v", err)
		}
		open, _ := r.List(ctx)
		for _, g := range open {
			if err := testPolicy.Limits.Check(g, time.Now()); err != nil {
				t.Fatalf("opened %s: %v", g.Key(), err)
			}
		}
	})
}
