package policy

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce/schedule"
	"fwknopd/policy/conf"
	"fwknopd/policy/knock"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
	"fwknopd/policy/totp"
)

var (
	codeKey   = totp.New([]byte("a secret of 20 bytes"))
	otherCode = totp.New([]byte("a secret of others.."))
)

// withCode makes the first stanza of a situation one that wants codes, and has the message
// bring the one of now.
func withCode() *situation {
	s := plain()
	wantCode(s.one())
	s.code(0)
	return s
}

func wantCode(st *conf.Stanza) {
	st.AuthMethod, st.TOTPSecret = conf.AuthTOTP, conf.NewSecret([]byte("a secret of 20 bytes"))
}

// code has the message bring the code of a step, counted from now.
func (s *situation) code(away int64) {
	s.msg.ServerAuth = "totp," + codeKey.Code(totp.Step(s.now)+away)
}

// wrongCode has the message bring a code that no step near now has.
func (s *situation) wrongCode() {
	for i := 0; ; i++ {
		code := fmt.Sprintf("%06d", i)
		if codeKey.Fits(code, totp.Step(s.now), 2*nearMiss) == nil {
			s.msg.ServerAuth = "totp," + code
			return
		}
	}
}

// answer decides a fresh message, and returns the reason and, if it is refused, the text.
func (s *situation) answer(t *testing.T, e *Engine) string {
	t.Helper()
	d := e.Decide(s.now, s.event(s.wire(t)))
	return strings.TrimSpace(string(d.Reason) + " " + d.Detail.Text)
}

const (
	noCode    = "spa.auth_method " + textNoCode
	wrongCode = "spa.auth_method " + textCode
	usedCode  = "spa.auth_method " + textCodeUsed
)

func TestCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*situation)
		want string
	}{
		{"of now", func(s *situation) {}, "spa.granted"},
		{"the one before", func(s *situation) { s.code(-1) }, "spa.granted"},
		{"the one after", func(s *situation) { s.code(1) }, "spa.granted"},
		{"two before", func(s *situation) { s.code(-2) }, wrongCode},
		{"two after", func(s *situation) { s.code(2) }, wrongCode},
		{"at the first moment", func(s *situation) { s.code(0); s.now = totp.Earliest(totp.Step(s.now)) }, "spa.granted"},
		{"before that", func(s *situation) { s.code(0); s.now = totp.Earliest(totp.Step(s.now)).Add(-1) }, wrongCode},
		{"at the last moment", func(s *situation) { s.code(0); s.now = totp.Earliest(totp.Step(s.now) + 3).Add(-1) }, "spa.granted"},
		{"after that", func(s *situation) { s.code(0); s.now = totp.Earliest(totp.Step(s.now) + 3) }, wrongCode},
		{"of another secret", func(s *situation) { s.msg.ServerAuth = "totp," + otherCode.Code(totp.Step(s.now)) }, wrongCode},
		{"none", func(s *situation) { s.msg.ServerAuth = "" }, noCode},
		{"a password", func(s *situation) { s.msg.ServerAuth = "crypt,secret" }, noCode},
		{"no method", func(s *situation) { s.msg.ServerAuth = strings.TrimPrefix(s.msg.ServerAuth, "totp,") }, noCode},
		{"in capitals", func(s *situation) { s.msg.ServerAuth = strings.ToUpper(s.msg.ServerAuth) }, noCode},
		{"empty", func(s *situation) { s.msg.ServerAuth = "totp," }, wrongCode},
		{"with a blank", func(s *situation) { s.msg.ServerAuth += " " }, wrongCode},
		{"two", func(s *situation) { s.msg.ServerAuth += "," + s.msg.ServerAuth }, wrongCode},
		{"not asked for", func(s *situation) { s.one().AuthMethod = ""; s.wrongCode() }, "spa.granted"},
		{"without a time", func(s *situation) { s.server.Aging = false; s.now = time.Time{} }, "spa.stale " + knock.NoTime + ", so that the grant would have no end"},
		{"without a time, for ever", func(s *situation) { s.server.Aging = false; s.now = time.Time{}; s.one().AccessTimeout = 0 },
			"spa.auth_method " + knock.NoTime},
		{"user first", func(s *situation) { s.one().Usernames = []string{"bob"}; s.wrongCode() }, "spa.user"},
		{"address first", func(s *situation) { s.server.Blacklist = nets("192.0.2.7/32"); s.src = server; s.wrongCode() },
			"spa.source " + TextBlacklist},
		{"ports first", func(s *situation) { s.one().OpenPorts = nil; s.wrongCode() }, "spa.port not in OPEN_PORTS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := withCode()
			c.set(s)
			if got := s.answer(t, s.engine(t)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestCodeIsUsedUp: a code that fitted once is refused, with who used it.
func TestCodeIsUsedUp(t *testing.T) {
	s := withCode()
	e := s.engine(t)
	if got := s.answer(t, e); got != "spa.granted" {
		t.Fatal(got)
	}
	s.src = server
	d := e.Decide(s.now, s.event(s.wire(t)))
	if d.Reason != SPAAuthMethod || d.Detail.Text != textCodeUsed || d.Detail.FirstSrc != client.String() || !d.Detail.FirstSeen.Equal(s.now) {
		t.Errorf("%s %+v", d.Reason, d.Detail)
	}
	s.code(1)
	if got := s.answer(t, e); got != "spa.granted" {
		t.Errorf("the next one: %s", got)
	}
	s.code(-1)
	if got := s.answer(t, e); got != "spa.granted" {
		t.Errorf("the one before: %s", got)
	}
}

// TestRefusalKeepsCode: what is refused for something else uses no code up, tells nothing of it
// and is no guess: the answer to a wrong code is the same.
func TestRefusalKeepsCode(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*situation)
		want string
	}{
		{"a port", func(s *situation) { s.msg.Text = "192.0.2.7,tcp/23" }, "spa.port not in OPEN_PORTS"},
		{"a timeout", func(s *situation) { s.one().PermitClientTimeout = false; s.timeout(60) }, "spa.timeout PERMIT_CLIENT_TIMEOUT is off"},
		{"a command", func(s *situation) { s.command("192.0.2.7,id") }, "spa.cmd_disabled " + TextCmdOff},
		{"a translation", func(s *situation) { s.msg.Type, s.msg.NAT = spa.NATAccess, "10.0.0.5,22" }, "spa.nat " + TextForwardingOff},
		{"the age", func(s *situation) { s.msg.Time -= 1000 }, "spa.stale"},
		{"the uses", func(s *situation) { s.opts.Uses.Doubt = "uses.state: damaged" }, "spa.uses the uses of the stanza are not known: uses.state: damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			right := withCode()
			right.opts.Store = replay.NewMemory(replay.Options{})
			uses, err := schedule.ParseUses("5")
			if err != nil {
				t.Fatal(err)
			}
			right.one().Uses, right.one().Name = uses, "visitor"
			wrong := *right
			right.code(0)
			c.set(right)
			e := right.engine(t)
			if got := right.answer(t, e); got != c.want {
				t.Errorf("with the right code: %s, want %s", got, c.want)
			}
			wrong.stanzas, wrong.opts = right.stanzas, right.opts
			wrong.wrongCode()
			c.set(&wrong)
			for range wrongCodes + 1 {
				if got := wrong.answer(t, e); got != c.want {
					t.Fatalf("with a wrong code: %s, want %s", got, c.want)
				}
			}
			if trace := e.Explain(wrong.now, wrong.event(wrong.wire(t))); slices.ContainsFunc(trace.Stanzas[0].Checks, func(c Check) bool { return c.Name == "code" }) {
				t.Error("explain says of a wrong code what the decision does not")
			}
			again := withCode()
			again.opts = right.opts
			again.opts.Uses = schedule.Counts{}
			f := again.engine(t)
			f.Inherit(e)
			if got := again.answer(t, f); got != "spa.granted" {
				t.Errorf("after it: %s", got)
			}
		})
	}
}

// TestNoLookupWithoutCode: a name is looked up only for a message whose code is right.
func TestNoLookupWithoutCode(t *testing.T) {
	s := withCode()
	s.server.Forwarding, s.server.NATDNS = true, true
	s.msg.Type, s.msg.NAT = spa.NATAccess, "inside.example,22"
	asked := 0
	s.opts.Resolve = func(string) ([]netip.Addr, error) {
		asked++
		return []netip.Addr{netip.MustParseAddr("10.0.0.5")}, nil
	}
	right := s.msg.ServerAuth
	s.wrongCode()
	e := s.engine(t)
	if got := s.answer(t, e); got != wrongCode || asked != 0 {
		t.Errorf("%s, %d names looked up", got, asked)
	}
	s.msg.ServerAuth = right
	if got := s.answer(t, e); got != "spa.granted" || asked != 1 {
		t.Errorf("%s, %d names looked up", got, asked)
	}
}

// oneKeyTwoSecrets is a situation with two stanzas of one key and different secrets, after a
// number of others with other keys.
func oneKeyTwoSecrets(others int) *situation {
	s := plain()
	s.stanzas = nil
	for i := range others {
		st := stanzaAt(10 * (i + 1))
		st.Key = conf.NewSecret(fmt.Appendf(nil, "the key of client %d", i))
		s.stanzas = append(s.stanzas, st)
	}
	first, second := stanzaAt(10000), stanzaAt(20000)
	wantCode(&first)
	wantCode(&second)
	second.TOTPSecret = conf.NewSecret([]byte("a secret of others.."))
	s.stanzas = append(s.stanzas, first, second)
	return s
}

// TestCodeOfTheSecondStanza: the code of a stanza is no wrong guess at another with the same key,
// however many stanzas there are.
func TestCodeOfTheSecondStanza(t *testing.T) {
	for _, others := range []int{0, 200} {
		s := oneKeyTwoSecrets(others)
		e := s.engine(t)
		for i := range 3 * wrongCodes { // in 30 seconds half a guess is earned
			s.msg.ServerAuth = "totp," + otherCode.Code(totp.Step(s.now))
			ev := s.event(s.tagged(t))
			trace := e.Explain(s.now, ev)
			d := e.Decide(s.now, ev)
			if d.Reason != SPAGranted || d.Stanza != 20000 || show(trace.Decision) != show(d) {
				t.Fatalf("%d others, %d: %s at %d, explained as %s", others, i, d.Reason, d.Stanza, show(trace.Decision))
			}
			if slices.ContainsFunc(e.Refusals(), func(r Refusal) bool { return r.Detail.Text == textCodes }) {
				t.Fatalf("%d others: after %d codes of the second the first looks at none", others, i)
			}
			s.now = s.now.Add(totp.Period * time.Second)
			s.msg.Time = s.now.Unix()
		}
		s.code(0)
		if got := s.answer(t, e); got != "spa.granted" {
			t.Errorf("%d others, the first after all: %s", others, got)
		}
	}
}

// TestGuessAtSeveralSecrets: a wrong code is one guess at each secret that it was compared with,
// so that a second stanza gives no guesses more; a code that was used before is one at the others.
func TestGuessAtSeveralSecrets(t *testing.T) {
	s := oneKeyTwoSecrets(0)
	e := s.engine(t)
	s.bothWrong()
	for i := range wrongCodes {
		if got := s.answer(t, e); got != wrongCode {
			t.Fatalf("guess %d: %s", i, got)
		}
	}
	for _, right := range []*totp.Key{codeKey, otherCode} {
		s.msg.ServerAuth = "totp," + right.Code(totp.Step(s.now))
		if got := s.answer(t, e); got != "spa.auth_method "+textCodes {
			t.Errorf("after %d guesses: %s", wrongCodes, got)
		}
	}

	e = s.engine(t)
	s.msg.ServerAuth = "totp," + otherCode.Code(totp.Step(s.now))
	for i := range wrongCodes + 1 {
		if got := s.answer(t, e); (got == "spa.granted") != (i == 0) {
			t.Fatalf("the code of the second, %d: %s", i, got)
		}
	}
	s.code(0)
	if d := e.Decide(s.now, s.event(s.wire(t))); d.Verdict == Allow {
		t.Error("a code that was overheard is tried on the first stanza without limit")
	}
}

// bothWrong has the message bring a code that neither secret has near now.
func (s *situation) bothWrong() {
	for s.wrongCode(); ; s.now = s.now.Add(time.Hour) {
		if s.msg.Time = s.now.Unix(); otherCode.Fits(strings.TrimPrefix(s.msg.ServerAuth, "totp,"), totp.Step(s.now), 2*nearMiss) == nil {
			return
		}
		s.wrongCode()
	}
}

// TestGuessesAtShadows: what a shadow stanza accepts takes back no guess at another, and what
// another accepts is no guess at a shadow stanza.
func TestGuessesAtShadows(t *testing.T) {
	for _, c := range []struct {
		first, second bool
		want          bool // whether the first goes on
	}{{false, true, false}, {true, false, true}, {true, true, true}} {
		s := oneKeyTwoSecrets(0)
		s.stanzas[0].Shadow, s.stanzas[1].Shadow = c.first, c.second
		e := s.engine(t)
		exhausted := false
		for range 3 * wrongCodes {
			s.msg.ServerAuth = "totp," + otherCode.Code(totp.Step(s.now))
			e.Decide(s.now, s.event(s.wire(t)))
			exhausted = exhausted || e.codes.exhausted(e.spa[0].codeSecret(), s.now)
			s.now = s.now.Add(totp.Period * time.Second)
			s.msg.Time = s.now.Unix()
		}
		if exhausted == c.want {
			t.Errorf("%+v: exhausted %v", c, exhausted)
		}
	}
}

// TestCodeOfSeveralStanzas: a message that the first stanza refuses for its ports is granted by
// the second with the same code, and a secret that stanzas share is used up in all.
func TestCodeOfSeveralStanzas(t *testing.T) {
	s := withCode()
	s.stanzas = append(s.stanzas, stanzaAt(2), stanzaAt(3))
	wantCode(&s.stanzas[1])
	wantCode(&s.stanzas[2])
	s.one().OpenPorts = nil
	s.stanzas[2].Key = conf.NewSecret([]byte("another key"))
	e := s.engine(t)
	if d := e.Decide(s.now, s.event(s.wire(t))); d.Reason != SPAGranted || d.Stanza != 2 {
		t.Fatalf("%s at %d", d.Reason, d.Stanza)
	}
	s.key.Passphrase = []byte("another key")
	if d := e.Decide(s.now, s.event(s.wire(t))); d.Detail.Text != textCodeUsed || d.Stanza != 3 {
		t.Errorf("%s %s at %d", d.Reason, d.Detail.Text, d.Stanza)
	}
	s.stanzas[2].TOTPSecret = conf.NewSecret([]byte("a secret of others.."))
	s.msg.ServerAuth = "totp," + otherCode.Code(totp.Step(s.now))
	if got := s.answer(t, s.engine(t)); got != "spa.granted" {
		t.Errorf("another secret: %s", got)
	}
}

// TestCodeInShadow: a shadow stanza decides as if it were none, and changes no decision of
// others.
func TestCodeInShadow(t *testing.T) {
	s := withCode()
	s.stanzas = append(s.stanzas, stanzaAt(2), stanzaAt(3))
	wantCode(&s.stanzas[1])
	wantCode(&s.stanzas[2])
	s.stanzas[0].Shadow, s.stanzas[2].Shadow = true, true
	s.stanzas[2].Key = conf.NewSecret([]byte("another key"))
	e := s.engine(t)
	only := func() { s.key.Passphrase = []byte("another key") }
	both := func() { s.key.Passphrase = []byte(passphrase) }
	decide := func(what, want string) {
		t.Helper()
		d := e.Decide(s.now, s.event(s.wire(t)))
		var got []string
		for _, o := range append([]Decision{d}, d.Others...) {
			if o.Reason != SPADecryptFailed { // of the stanzas with another key
				got = append(got, show(o))
			}
		}
		if joined := strings.Join(got, ", "); joined != want {
			t.Errorf("%s: %s, want %s", what, joined, want)
		}
	}
	only()
	decide("a code to the shadow alone", granted+" shadow @3")
	decide("again", "spa.auth_method shadow @3")
	both()
	decide("then to both", granted+" @2, spa.auth_method shadow")
	decide("again to both", "spa.auth_method @2, spa.auth_method shadow")
	s.code(1)
	decide("a new code", granted+" @2, "+granted+" shadow")
	only()
	decide("that was used outside", "spa.auth_method shadow @3")
}

// TestCodeOverReload: what is used stays so in the engine of the same store, as do the limits.
func TestCodeOverReload(t *testing.T) {
	s := withCode()
	s.opts.Store = replay.NewMemory(replay.Options{Aging: true, MaxAge: s.server.MaxAge})
	old := s.engine(t)
	if got := s.answer(t, old); got != "spa.granted" {
		t.Fatal(got)
	}
	exhaust(t, s, old)
	e := s.engine(t)
	e.Inherit(old)
	s.code(1)
	if got := s.answer(t, e); got != "spa.auth_method "+textCodes {
		t.Errorf("limit: %s", got)
	}
	s.now = s.now.Add(wrongCodeEvery)
	s.msg.Time = s.now.Unix()
	s.code(-2)
	if got := s.answer(t, e); got != wrongCode {
		t.Errorf("a wrong one: %s", got)
	}
	e = s.engine(t)
	s.now = t0.Add(time.Second)
	s.code(0)
	if got := s.answer(t, e); got != usedCode {
		t.Errorf("used: %s", got)
	}
}

// exhaust sends wrong codes until no more is looked at.
func exhaust(t *testing.T, s *situation, e *Engine) {
	t.Helper()
	s.wrongCode()
	for range wrongCodes {
		if got := s.answer(t, e); got != wrongCode {
			t.Fatal(got)
		}
	}
	if got := s.answer(t, e); got != "spa.auth_method "+textCodes {
		t.Fatal(got)
	}
}

// TestWrongCodesAreLimited: for each secret; codes that were used do not count.
func TestWrongCodesAreLimited(t *testing.T) {
	s := withCode()
	s.stanzas = append(s.stanzas, stanzaAt(2))
	wantCode(&s.stanzas[1])
	s.stanzas[1].TOTPSecret = conf.NewSecret([]byte("a secret of others.."))
	s.stanzas[1].Key = conf.NewSecret([]byte("another key"))
	e := s.engine(t)
	for range 2 * wrongCodes {
		s.answer(t, e) // granted, then used before
	}
	exhaust(t, s, e)
	s.code(1)
	if got := s.answer(t, e); got != "spa.auth_method "+textCodes {
		t.Errorf("a right one: %s", got)
	}
	s.now = s.now.Add(-setBack) // times out of order earn nothing
	if got := s.answer(t, e); got != "spa.auth_method "+textCodes {
		t.Errorf("set back: %s", got)
	}
	s.now = s.now.Add(setBack + wrongCodeEvery)
	s.msg.Time = s.now.Unix()
	s.code(0)
	if got := s.answer(t, e); got != "spa.granted" {
		t.Errorf("after a minute: %s", got)
	}
	s.key.Passphrase = []byte("another key")
	s.msg.ServerAuth = "totp," + otherCode.Code(totp.Step(s.now))
	if got := s.answer(t, e); got != "spa.granted" {
		t.Errorf("another secret: %s", got)
	}
}

// TestCodesThatMayBeForgotten: where the journal may lack records, codes are refused that were
// accepted then.
func TestCodesThatMayBeForgotten(t *testing.T) {
	s := withCode()
	s.server.Aging = false
	step := totp.Step(s.now)
	lost := totp.Earliest(step).Add(time.Second) // records from before are lost
	store := replay.NewMemory(replay.Options{})
	if err := store.Load(strings.NewReader("# dropped what was sent before "+lost.UTC().Format("2006-01-02T15:04:05.000000Z")+"\n"), "journal"); err != nil {
		t.Fatal(err)
	}
	s.opts.Store = store
	e := s.engine(t)
	if got := s.answer(t, e); got != "spa.auth_method "+textCodeForgotten {
		t.Errorf("accepted before: %s", got)
	}
	s.code(1)
	if got := s.answer(t, e); got != "spa.granted" {
		t.Errorf("not accepted before: %s", got)
	}
}

// TestCodesOutliveTheDaemon: a code that was used is in the journal, which has neither it nor the
// secret, and a daemon that starts reads it.
func TestCodesOutliveTheDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digest.cache")
	for i, want := range []string{"spa.granted", usedCode} {
		s := withCode()
		journal, err := replay.Open(t.Context(), path, replay.Options{Aging: true, MaxAge: s.server.MaxAge, Now: s.now})
		if err != nil {
			t.Fatal(err)
		}
		store := replay.NewReplica(replay.Options{Aging: true, MaxAge: s.server.MaxAge}, func(list []replay.Record) func() error {
			err := journal.Append(s.now, list)
			return func() error { return err }
		})
		if i > 0 {
			read(t, store, journal)
		}
		s.opts.Store = store
		if got := s.answer(t, s.engine(t)); got != want {
			t.Errorf("start %d: %s, want %s", i, got, want)
		}
		if err := journal.Close(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Contains(text, []byte("secret of")) || strings.Count(string(text), "\n") != 3 {
		t.Errorf("%v, want the header, a message and a code:\n%s", err, text)
	}
}

// TestCodesOfBeforeAStart: where digests are in memory alone and messages have no age, no code is
// taken after a start that could be used before it.
func TestCodesOfBeforeAStart(t *testing.T) {
	s := withCode()
	s.server.Aging = false
	started := s.now
	opts := replay.Options{State: filepath.Join(t.TempDir(), "digest.state"), Now: started}
	journal, err := replay.Open(t.Context(), "", opts)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	store := replay.NewReplica(replay.Options{}, func(list []replay.Record) func() error {
		err := journal.Append(started, list)
		return func() error { return err }
	})
	read(t, store, journal)
	s.opts.Store = store
	e := s.engine(t)
	for away := int64(-totp.Skew); away <= totp.Skew; away++ {
		s.code(away)
		if got := s.answer(t, e); got != "spa.auth_method "+textCodeForgotten {
			t.Errorf("%d steps away: %s", away, got)
		}
	}
	s.code(totp.Skew + 1)
	s.now = totp.Earliest(totp.Step(started) + totp.Skew + 1)
	ev := s.event(s.wire(t))
	if trace := e.Explain(s.now, ev); trace.Decision.Reason != SPAGranted {
		t.Errorf("the first code of after it is explained as %s", trace.Decision.Reason)
	}
	if d := e.Decide(s.now, ev); d.Reason != SPAGranted {
		t.Errorf("the first code of after it: %s %s", d.Reason, d.Detail.Text)
	}
}

// read reads the records of a journal, as a worker does when it starts.
func read(t *testing.T, store *replay.Replica, journal *replay.Journal) {
	t.Helper()
	records, err := journal.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	var b bytes.Buffer
	if _, err := records.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if err := store.Load(&b); err != nil {
		t.Fatal(err)
	}
}

// TestUnrecordedCode: a code that cannot be recorded opens nothing.
func TestUnrecordedCode(t *testing.T) {
	s := withCode()
	s.opts.Store = &fullStore{Memory: replay.NewMemory(replay.Options{}), room: 1}
	if got := s.answer(t, s.engine(t)); got != "spa.store full" {
		t.Error(got)
	}
}

// A fullStore takes no more than some messages.
type fullStore struct {
	*replay.Memory
	room int
}

func (f *fullStore) Add(p *replay.Packet) (replay.First, bool, error) {
	if f.room--; f.room < 0 {
		return replay.First{}, false, errors.New("full")
	}
	return f.Memory.Add(p)
}

// TestExplainCodes: explain says which step a code is of, uses up none, and decides with the
// words of the daemon.
func TestExplainCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*situation)
		want string // the checks about the code
		text string // of the decision
	}{
		{"of now", func(s *situation) {}, "auth: the code of now", ""},
		{"the one before", func(s *situation) { s.code(-1) }, "auth: the code of step 1 before now", ""},
		{"four before", func(s *situation) { s.code(-4) },
			"code: the code of step 4 before now: the clock of the authenticator is about 2m0s off, or the code is old; auth: " + textCode, textCode},
		{"twenty after", func(s *situation) { s.code(20) },
			"code: the code of step 20 after now: the clock of the authenticator is about 10m0s off, or the code is old; auth: " + textCode, textCode},
		{"none near", func(s *situation) { s.wrongCode() },
			"code: it is the code of no step up to 20 from now: another secret, or a mistyped code; auth: " + textCode, textCode},
		{"no code at all", func(s *situation) { s.msg.ServerAuth = "totp,12345" }, "code: it is not of 6 digits; auth: " + textCode, textCode},
		{"none", func(s *situation) { s.msg.ServerAuth = "" }, "auth: " + textNoCode, textNoCode},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := withCode()
			c.set(s)
			e := s.engine(t)
			ev := s.event(s.wire(t))
			for range wrongCodes + 1 {
				trace := e.Explain(s.now, ev)
				var got []string
				for _, check := range trace.Stanzas[0].Checks {
					if check.Name == "code" || check.Name == "auth" {
						got = append(got, check.Name+": "+check.Detail.Text)
					}
				}
				if joined := strings.Join(got, "; "); joined != c.want || trace.Decision.Detail.Text != c.text {
					t.Fatalf("%s, want %s; decided %+v", joined, c.want, trace.Decision)
				}
			}
			if d := e.Decide(s.now, ev); d.Detail.Text != c.text || (d.Verdict == Allow) != (c.text == "") {
				t.Errorf("decided %s %+v", d.Reason, d.Detail)
			}
		})
	}
}

// FuzzServerAuth: whatever stands in the field, nothing is granted but to the code of now and
// those beside it, once, and explain agrees and holds nothing of it.
func FuzzServerAuth(f *testing.F) {
	for _, text := range []string{"", "totp,", "totp,123456", "totp,123456,", "crypt,secret", "totp", ",", "totp,١٢٣"} {
		f.Add(text)
	}
	s := withCode()
	now := totp.Step(s.now)
	for away := int64(-3); away <= 3; away++ {
		f.Add("totp," + codeKey.Code(now+away))
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := withCode()
		if s.msg.ServerAuth = text; len(text) > 180 {
			t.Skip("longer than the field")
		}
		fits := false
		for away := int64(-totp.Skew); away <= totp.Skew; away++ {
			fits = fits || text == "totp,"+codeKey.Code(now+away)
		}
		e := s.engine(t)
		ev := s.event(s.wire(t))
		trace := e.Explain(s.now, ev)
		d := e.Decide(s.now, ev)
		if (d.Verdict == Allow) != fits || show(d) != show(trace.Decision) {
			t.Fatalf("%q: %s, explained as %s", text, show(d), show(trace.Decision))
		}
		if _, code, _ := strings.Cut(text, ","); len(code) > 5 && strings.Contains(fmt.Sprintf("%+v %+v", trace, d), code) {
			t.Errorf("%q is in what is said", code)
		}
		if again := e.Decide(s.now, s.event(s.wire(t))); again.Verdict == Allow {
			t.Errorf("%q twice", text)
		}
	})
}
