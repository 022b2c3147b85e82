package policy

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"fwknopd/fixtures/draws"
	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// Fingerprints of keys in fixtures.
const (
	gpgServer = "EC9A51595FA942380DEF9B45145A5482EF3434A2"
	gpgClient = "B180B6CEEC56EFA75DFFE375D95C07134F8731AC"
)

// A pair are two engines of one configuration, of which one ignores tags.
type pair struct {
	with, without *Engine
	gpg           [2]int // packets for which public-key work was asked for
	limits        bool   // not all of it is allowed
	ahead         Opened // by an Opener of the engine with tags
	isAhead       bool
}

// A workCounter counts the packets that ask for public-key work; with limits, every fourth may
// not do any.
type workCounter struct {
	asked *int
	pair  *pair
}

func (w workCounter) Allow(netip.Addr, time.Time) bool {
	*w.asked++
	return !w.pair.limits || *w.asked%4 != 0
}

func (w workCounter) Left(netip.Addr, time.Time) int { return math.MaxInt }

func newPair(s *situation) (*pair, error) {
	p := new(pair)
	for i, e := range []**Engine{&p.with, &p.without} {
		opts := s.opts
		opts.Server, opts.Access, opts.Store = &s.server, &conf.Access{Stanzas: s.stanzas}, replay.NewMemory(replay.Options{})
		opts.GPGLimit = workCounter{&p.gpg[i], p}
		if i == 0 {
			opts.Ahead = p.openedAhead
		}
		var err error
		if *e, err = NewEngine(opts); err != nil {
			return nil, err
		}
	}
	p.with.minTagged, p.without.minTagged = 2, math.MaxInt
	return p, nil
}

func (p *pair) openedAhead() *Opened {
	if !p.isAhead {
		return nil
	}
	return &p.ahead
}

// outcomes is all that an engine says of a packet.
func outcomes(e *Engine, d Decision) []any {
	user := ""
	if m := e.Message(); m != nil {
		user = m.User + m.Text + m.Signer
	}
	openedBy := none
	if e.request.opened {
		openedBy = e.request.openedBy
	}
	return []any{d, e.Refusals(), user, openedBy, e.request.ended, e.Examined(), e.RateLimited()}
}

var sameOutcome = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}), cmpopts.EquateEmpty()}

// decide has both decide a packet, and returns how they differ.
func (p *pair) decide(now time.Time, ev *parse.Event) (d Decision, differs string) {
	d = p.with.Decide(now, ev)
	with := outcomes(p.with, d)
	without := outcomes(p.without, p.without.Decide(now, ev))
	if differs = cmp.Diff(without, with, sameOutcome); differs == "" && p.gpg[0] != p.gpg[1] {
		differs = fmt.Sprintf("public-key work for %v packets", p.gpg)
	}
	return d, differs
}

// tagged is the packet of the situation with a tag.
func (s *situation) tagged(t testing.TB) []byte {
	t.Helper()
	w, err := spa.Encode(&s.msg, s.key, spa.EncodeOptions{Rand: rand.Reader, Tag: true})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Few passphrases and HMAC keys, so that stanzas share both, one or none.
var (
	tagPassphrases = []string{"an encryption key of 30 bytes!", "a second one", "a second one0000", "a third encryption key"}
	tagMACs        = []string{"", "an hmac key", "an hmac key\x00", "a second hmac key", strings.Repeat("a long hmac key ", 7)}
	tagTypes       = []string{"", "", "sha256", "md5", "sha512", "sha3_256"}
	tagModes       = []string{"", "", "", "cbc", "legacy", "ctr", "ecb"}
)

// drawStanza draws a stanza of any kind.
func drawStanza(t *rapid.T, line int, gpg bool) conf.Stanza {
	st := stanzaAt(line)
	st.Number = line
	chance := func(name string, of int) bool { return rapid.IntRange(1, of).Draw(t, name) == 1 }
	st.Key = conf.NewSecret([]byte(rapid.SampledFrom(tagPassphrases).Draw(t, "passphrase")))
	if chance("own key", 2) { // most keys are of one stanza
		st.Key = conf.NewSecret(userKey(line))
	}
	st.HMACKey = conf.NewSecret([]byte(rapid.SampledFrom(tagMACs).Draw(t, "hmac key")))
	st.HMACType = rapid.SampledFrom(tagTypes).Draw(t, "hmac type")
	st.EncryptionMode = rapid.SampledFrom(tagModes).Draw(t, "mode")
	st.Shadow = chance("shadow", 8)
	if chance("1.9", 5) {
		st.Dialect = conf.Perl19
	}
	if chance("source", 8) {
		st.Source = nets(rapid.SampledFrom([]string{"192.0.2.0/24", "192.0.2.7/32", "10.0.0.0/8", "198.51.100.0/24"}).Draw(t, "net"))
	}
	if chance("destination", 8) {
		st.Destination = nets(rapid.SampledFrom([]string{"198.51.100.1/32", "198.51.100.2/32"}).Draw(t, "net"))
	}
	if chance("port", 2) {
		st.OpenPorts = []conf.Port{{Proto: 6, Number: uint16(rapid.SampledFrom([]int{22, 80}).Draw(t, "number"))}}
	}
	if chance("user", 4) {
		st.Usernames = []string{rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, "name")}
	}
	if gpg && chance("gpg", 6) {
		st.GPG = &conf.GPG{Prefix: spa.DefaultGPGPrefix, RemoteIDs: []string{gpgClient}}
		if chance("gpg alone", 2) {
			st.Key = conf.Secret{}
		}
	}
	return st
}

// keyOf is the key of a client for a stanza.
func keyOf(st *conf.Stanza) spa.Key {
	return spa.Key{Passphrase: st.Key.Bytes(), LegacyPad: st.Dialect == conf.Perl19, Mode: st.EncryptionMode, HMACKey: st.HMACKey.Bytes(), HMACType: st.HMACType}
}

// drawPacket draws a packet: of a stanza, with or without a tag, damaged, of no stanza.
func drawPacket(t *rapid.T, s *situation) []byte {
	st := &s.stanzas[rapid.IntRange(0, len(s.stanzas)-1).Draw(t, "of")]
	s.key = keyOf(st)
	if len(s.key.Passphrase) == 0 || rapid.IntRange(0, 9).Draw(t, "stranger") == 0 {
		s.key.Passphrase = []byte("of no stanza")
	}
	if rapid.IntRange(0, 9).Draw(t, "other mac") == 0 {
		s.key.HMACKey = []byte(rapid.SampledFrom(tagMACs).Draw(t, "hmac key"))
	}
	s.msg.User = rapid.SampledFrom([]string{"alice", "bob", strings.Repeat("alice", 6)}).Draw(t, "user")
	s.msg.Text = "192.0.2.7,tcp/" + rapid.SampledFrom([]string{"22", "80", "22,tcp/80", "22,tcp/22,tcp/22,tcp/22"}).Draw(t, "ports")
	s.msg.Time = s.now.Unix() - int64(rapid.SampledFrom([]int{0, 0, 0, 1000}).Draw(t, "age"))
	random := mathrand.NewChaCha8([32]byte{rapid.Byte().Draw(t, "random"), byte(s.now.Unix())}) // the same for the same input
	opt := spa.EncodeOptions{Rand: random, Tag: rapid.IntRange(0, 4).Draw(t, "tag") > 0,
		KeepPrefix: rapid.IntRange(0, 9).Draw(t, "prefix") == 0, KeepEquals: rapid.IntRange(0, 9).Draw(t, "equals") == 0}
	text, err := spa.Encode(&s.msg, s.key, opt)
	if err != nil {
		t.Fatal(err)
	}
	switch rapid.IntRange(0, 9).Draw(t, "damage") {
	case 0:
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		text[at] = "ABab/="[rapid.IntRange(0, 5).Draw(t, "character")]
	case 1:
		text = text[:rapid.IntRange(minPayload19, len(text)).Draw(t, "length")]
	}
	return text
}

// An openPGP is a keyring and messages that it opens.
type openPGP struct {
	ring     *spa.Keyring
	messages [][]byte
}

func newOpenPGP(t testing.TB) *openPGP {
	t.Helper()
	var exports [][]byte
	for _, name := range []string{"server.sec.asc", "client.sec.asc", "server.pub.asc", "client.pub.asc"} {
		data, err := os.ReadFile(filepath.Join("..", "fixtures", "spa", "keys", name))
		if err != nil {
			t.Fatal(err)
		}
		exports = append(exports, data)
	}
	o := new(openPGP)
	var err error
	if o.ring, err = spa.NewKeyring(exports, nil, nil); err != nil {
		t.Fatal(err)
	}
	sender, err := spa.NewGPGSender(exports, gpgServer, gpgClient, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, mac := range []string{"", "", "an hmac key"} {
		m := spa.Message{User: []string{"alice", "bob", "alice"}[i], Time: t0.Unix(), Version: "3.0.0", Type: spa.Access, Text: "192.0.2.7,tcp/22"}
		text, err := sender.Encode(&m, []byte(mac), "", t0, spa.EncodeOptions{Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		o.messages = append(o.messages, text)
	}
	return o
}

// sameDecisions is the property of tags: they change nothing but the work, for any stanzas
// and packets, one after the other.
func sameDecisions(t *rapid.T, gpg *openPGP, seen map[Reason]int) {
	s := plain()
	s.opts.All = true
	s.opts.Keyring = func(*conf.GPG) (*spa.Keyring, error) { return gpg.ring, nil }
	s.server.MinGPGLen = rapid.SampledFrom([]int{minPayload, 400}).Draw(t, "MIN_GNUPG_MSG_SIZE")
	s.stanzas = make([]conf.Stanza, rapid.SampledFrom([]int{2, 3, 8, 3 * maxRefused / 2, 2 * maxRefused}).Draw(t, "stanzas"))
	withGPG := rapid.IntRange(0, 2).Draw(t, "gpg") == 0
	for i := range s.stanzas {
		s.stanzas[i] = drawStanza(t, i+1, withGPG)
	}
	p, err := newPair(s)
	if err != nil {
		t.Fatal(err)
	}
	p.limits = rapid.IntRange(0, 3).Draw(t, "limits") == 0
	var last []byte
	for range rapid.IntRange(1, 6).Draw(t, "packets") {
		s.src = rapid.SampledFrom([]netip.Addr{client, client, netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("203.0.113.9")}).Draw(t, "source")
		switch text := drawPacket(t, s); {
		case last != nil && rapid.IntRange(0, 3).Draw(t, "again") == 0:
		case withGPG && rapid.IntRange(0, 5).Draw(t, "message") == 0:
			last = gpg.messages[rapid.IntRange(0, len(gpg.messages)-1).Draw(t, "signed")]
		default:
			last = text
		}
		s.now = s.now.Add(2 * time.Second)
		ev := s.event(bytes.Clone(last))
		p.isAhead = rapid.Bool().Draw(t, "ahead") && p.with.NewOpener().Open(ev, &p.ahead)
		trace := p.with.Explain(s.now, ev)
		d, differs := p.decide(s.now, ev)
		if differs != "" {
			t.Fatalf("tags change the decision (-without +with):\n%s", differs)
		}
		if !p.limits && show(trace.Decision) != show(d) { // explain takes nothing from limits
			t.Fatalf("explained %s, decided %s", show(trace.Decision), show(d))
		}
		seen[d.Reason]++
		if p.with.request.opener != none {
			seen["opened by its tag"]++
			if len(p.with.refused) >= maxRefused {
				seen["stanzas passed over"]++
			}
		}
		if m := p.with.Message(); m != nil && m.Signer != "" {
			seen["signed"]++
		}
	}
}

func TestTagsChangeNoDecision(t *testing.T) {
	seen, gpg := make(map[Reason]int), newOpenPGP(t)
	wanted := []Reason{SPAGranted, SPAReplay, SPAPort, SPAStale, SPAHMACMismatch, SPADecryptFailed, "opened by its tag", "stanzas passed over", "signed"}
	draws.Until(t, missing(seen, wanted...), func(t *rapid.T) { sameDecisions(t, gpg, seen) })
	t.Log(seen)
}

// missing returns what of the wanted reasons has no count yet.
func missing(seen map[Reason]int, wanted ...Reason) func() string {
	return func() string {
		left := slices.DeleteFunc(slices.Clone(wanted), func(r Reason) bool { return seen[r] > 0 })
		if len(left) == 0 {
			return ""
		}
		return fmt.Sprintf("%q of %v", left, seen)
	}
}

// FuzzTags is TestTagsChangeNoDecision with draws from the input, and then from a random
// stream: long inputs would be minimised most of the time.
func FuzzTags(f *testing.F) {
	gpg := newOpenPGP(f)
	for i := range uint64(16) {
		f.Add([]byte(nil), i)
	}
	property := rapid.MakeFuzz(func(t *rapid.T) { sameDecisions(t, gpg, make(map[Reason]int)) })
	f.Fuzz(func(t *testing.T, draws []byte, seed uint64) {
		rest := make([]byte, 64<<10)
		mathrand.NewChaCha8([32]byte(binary.LittleEndian.AppendUint64(make([]byte, 24), seed))).Read(rest)
		property(t, append(draws, rest...))
	})
}

// mustDecide has two engines decide a packet, one of which ignores tags.
func mustDecide(t *testing.T, s *situation, text []byte) (Decision, *pair) {
	t.Helper()
	p, err := newPair(s)
	if err != nil {
		t.Fatal(err)
	}
	d, differs := p.decide(s.now, s.event(text))
	if differs != "" {
		t.Fatal(differs)
	}
	return d, p
}

// TestTagOfAShadowStanza: it ends no search, so that the others are asked as ever. The last one
// comes further, as it has the HMAC key of the packet.
func TestTagOfAShadowStanza(t *testing.T) {
	s := users(maxRefused + 10)
	s.stanzas[0].Shadow = true
	s.is(0)
	last := &s.stanzas[len(s.stanzas)-1]
	last.HMACKey = conf.NewSecret(userMAC(0))
	d, p := mustDecide(t, s, s.tagged(t))
	if d.Reason != SPADecryptFailed || d.Stanza != last.Pos.Line || len(d.Others) != 1 || d.Others[0].Reason != SPAGranted || p.with.request.opener != none {
		t.Errorf("%s, others %v", show(d), d.Others)
	}
}

// TestTagTriesFewKeys: of 1,000 stanzas the one is tried whose tag the packet has.
func TestTagTriesFewKeys(t *testing.T) {
	s := users(1000)
	s.is(700)
	d, p := mustDecide(t, s, s.tagged(t))
	if d.Verdict != Allow || d.Stanza != 701 || p.with.request.opener != 700 || len(p.with.Refusals()) != maxRefused {
		t.Errorf("%s, opener %d", show(d), p.with.request.opener)
	}
	if d, p := mustDecide(t, s, s.wire(t)); d.Stanza != 701 || p.with.request.opener != none {
		t.Errorf("without a tag: %s", show(d))
	}
}

// TestTagWithoutMessage: a salt that was recorded and used again opens nothing.
func TestTagWithoutMessage(t *testing.T) {
	s := users(100)
	s.is(50)
	recorded := s.tagged(t)
	s.key.HMACKey = []byte("of no stanza")
	forged := s.wire(t)
	copy(forged, recorded[:14])
	if d, p := mustDecide(t, s, forged); d.Reason != SPAHMACMismatch || p.with.request.opener != none {
		t.Errorf("%s, opener %d", show(d), p.with.request.opener)
	}
}

// TestExplainTellsTag: explain says of which stanza the tag is, with any number of them.
func TestExplainTellsTag(t *testing.T) {
	for _, n := range []int{1, 2, 100} {
		s := users(n)
		tr := s.engine(t).Explain(s.now, s.event(s.tagged(t)))
		for i, st := range tr.Stanzas {
			tag := false
			for _, c := range st.Checks {
				tag = tag || c.Name == "tag" && c.OK && c.Detail.Text == textTagFits
			}
			if tag != (i == n-1) {
				t.Errorf("stanza %d of %d: %v", i+1, n, st.Checks)
			}
		}
	}
}

// TestTagsAllocateAsWithout: looking for a tag allocates nothing.
func TestTagsAllocateAsWithout(t *testing.T) {
	s := users(1000)
	e, junk := s.engine(t), s.event(s.ofNoStanza(t))
	e.Decide(s.now, junk)
	if n := testing.AllocsPerRun(100, func() { e.Decide(s.now, junk) }); n != 0 {
		t.Errorf("junk: %v allocations", n)
	}
	allocs := func(packet func(testing.TB) []byte) float64 {
		events := make([]*parse.Event, 102)
		for i := range events {
			events[i] = s.event(packet(t))
		}
		e, i := s.engine(t), 0
		return testing.AllocsPerRun(100, func() {
			if d := e.Decide(s.now, events[i]); d.Verdict != Allow {
				t.Fatal(show(d))
			}
			i++
		})
	}
	if with, without := allocs(s.tagged), allocs(s.wire); with > without {
		t.Errorf("%v allocations with a tag, %v without", with, without)
	}
}

// BenchmarkTagged: what a packet of the user in the middle costs, and of the last one, with and
// without a tag, by the number of stanzas.
func BenchmarkTagged(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000, 10000} {
		for _, kind := range []string{"tag", "no-tag"} {
			b.Run(fmt.Sprintf("%s/stanzas=%d", kind, n), func(b *testing.B) {
				s := users(n)
				events := make([]*parse.Event, 2000)
				for i := range events {
					s.is([]int{n / 2, n - 1}[i%2])
					text := s.wire(b)
					if kind == "tag" {
						text = s.tagged(b)
					}
					events[i] = s.event(text)
				}
				e, i := s.engine(b), 0
				b.ReportAllocs()
				for b.Loop() {
					if i%len(events) == 0 {
						e.opts.Store = replay.NewMemory(replay.Options{})
					}
					if d := e.Decide(s.now, events[i%len(events)]); d.Verdict != Allow {
						b.Fatal(show(d))
					}
					i++
				}
			})
		}
	}
}
