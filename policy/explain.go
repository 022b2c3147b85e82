package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/knock"
	"fwknopd/policy/spa"
)

// A Trace has the checks of one packet, in every stage and stanza, for explain. It never
// has a secret.
type Trace struct {
	Packet   []Check       // before any stanza
	Stanzas  []StanzaTrace // in file order
	Decision Decision
}

// A StanzaTrace has the checks of one stanza.
type StanzaTrace struct {
	Stanza int    // line of the SOURCE keyword
	Name   string // its NAME
	Title  string // what it is called, see [conf.StanzaTitle]
	Shadow bool
	Checks []Check
}

// A Check is one requirement and whether it was met.
type Check struct {
	Name   string
	OK     bool
	Reason Reason // of a refusal; "" otherwise
	Detail Detail
}

// Explain decides like [Engine.Decide] and returns the checks. The message is not added
// to the Store. Knock sequences do advance, since a knock is evaluated with those before
// it.
func (e *Engine) Explain(now time.Time, ev *parse.Event) Trace {
	var knock Decision
	if e.trackKnock(now, ev) {
		knock = e.decideKnock(now, ev, true)
	}
	return e.trace(now, ev, knock)
}

// DecideExplained decides like [Engine.Decide]. Where wanted is true of the decision that
// [Engine.Explain] would return, it returns that trace too, else nil; wanted is not asked of
// an Ignore. It costs a second evaluation of the messages, not a trace of each.
func (e *Engine) DecideExplained(now time.Time, ev *parse.Event, wanted func(*Decision) bool) (Decision, *Trace) {
	var knock, message Decision
	if e.trackKnock(now, ev) {
		knock = e.decideKnock(now, ev, false)
		knock.Others = slices.Clip(knock.Others)
	}
	if e.admit(now, ev, nil, true) {
		e.decideSPA(&message)
	}
	var t *Trace
	if d := combine(message, knock); d.Verdict != Ignore && wanted(&d) {
		trace := e.trace(now, ev, knock)
		t = &trace
	}
	message = Decision{}
	e.decideMessage(now, ev, &message)
	d := combine(message, knock)
	e.syncFor(&d)
	return d, t
}

// trace returns the checks of a packet that was decided as a knock already, and not yet as
// a message, which is not recorded.
func (e *Engine) trace(now time.Time, ev *parse.Event, knock Decision) Trace {
	var t Trace
	if e.admit(now, ev, &t, true) {
		e.decideSPA(&t.Decision)
	}
	t.Decision = combine(t.Decision, knock)
	e.traceKnock(now, ev, &t)
	for i := range e.opts.Access.Stanzas {
		if st := &e.opts.Access.Stanzas[i]; !e.takesPart(st) {
			t.sequence(st, Check{Name: "mode", Detail: Detail{Text: e.server.Unfed(st.Mode)}})
		}
	}
	for i := range e.opts.Access.Off {
		t.sequence(&e.opts.Access.Off[i], Check{Name: "enabled", Detail: Detail{Text: "the stanza is off (ENABLED N)"}})
	}
	return t
}

// traceKnock adds the checks of the sequences of the packet's source.
func (e *Engine) traceKnock(now time.Time, ev *parse.Event, t *Trace) {
	if e.tracker == nil {
		return
	}
	for i := range e.results {
		r := &e.results[i]
		st := &e.opts.Access.Stanzas[r.Stanza]
		e.traceTimes(st, r, now, t)
		c := Check{Name: stageOf(r.Reason), OK: r.Granted, Reason: Reason(r.Reason), Detail: knockDetail(r)}
		if r.Granted && st.CloseConnections && c.Detail.Text == "" {
			c.Detail.Text = noteConnections
		}
		t.sequence(st, c)
	}
	for _, p := range e.tracker.Progress(ev.Src.Addr()) {
		text := fmt.Sprintf("%d of %d knocks fitted so far", p.Done, p.Steps)
		t.sequence(&e.opts.Access.Stanzas[p.Stanza], Check{Name: "sequence", OK: true, Detail: Detail{Text: text}})
	}
}

// stageOf returns the name of the check that a result of a sequence is of.
func stageOf(reason string) string {
	switch reason {
	case knock.Window:
		return "window"
	case knock.Uses:
		return "uses"
	}
	return "knock"
}

// traceTimes adds what a sequence that grants has met of ACCESS_WINDOW and ACCESS_USES.
func (e *Engine) traceTimes(st *conf.Stanza, r *knock.Result, now time.Time, t *Trace) {
	if !r.Granted {
		return
	}
	if len(st.Windows) > 0 {
		t.sequence(st, Check{Name: "window", OK: true, Detail: Detail{Text: windowText(st.Windows, now, r.Timeout)}})
	}
	if !st.Uses.IsZero() {
		t.sequence(st, Check{Name: "uses", OK: true, Detail: Detail{Text: "ACCESS_USES: " + st.Uses.Words()}})
	}
}

// sequence adds a check of a stanza outside the evaluation of SPA packets.
func (t *Trace) sequence(st *conf.Stanza, c Check) {
	title := st.Title()
	i := slices.IndexFunc(t.Stanzas, func(s StanzaTrace) bool { return s.Title == title })
	if i < 0 {
		i = len(t.Stanzas)
		t.Stanzas = append(t.Stanzas, StanzaTrace{Stanza: st.Pos.Line, Name: st.Name, Title: title, Shadow: st.Shadow})
	}
	t.Stanzas[i].Checks = append(t.Stanzas[i].Checks, c)
}

// traceSources records for each stanza why it does not match the packet.
func (e *Engine) traceSources(r *request) {
	if r.trace == nil {
		return
	}
	for i := range e.spa {
		r.trace.begin(&e.spa[i])
		r.trace.stage("source", false, e.spa[i].matches(r.ev))
	}
}

// carrierText describes the payload; "" without a trace.
func carrierText(r *request, ok bool) string {
	switch {
	case r.trace == nil:
		return ""
	case !ok:
		return "no SPA text in " + strconv.Itoa(len(r.ev.Payload)) + " bytes of payload"
	}
	text := strconv.Itoa(len(r.text)) + " characters of SPA text"
	if r.info.HTTP {
		text += " in an HTTP request"
	}
	if from := r.info.Forwarded(); from.IsValid() {
		text += ", for " + from.String()
	}
	return text
}

// begin starts the checks of one stanza. Like the other methods it does nothing on a nil
// Trace, which Decide uses.
func (t *Trace) begin(st *stanza) {
	if t != nil {
		t.Stanzas = append(t.Stanzas, StanzaTrace{Stanza: st.Pos.Line, Name: st.Name, Title: st.Title(), Shadow: st.Shadow})
	}
}

// message records that a key of the stanza opened the packet.
func (t *Trace) message(name string, m *spa.Message) {
	if t == nil {
		return
	}
	text := "authentic, " + typeName(m.Type) + ", user " + m.User
	if m.Signer != "" {
		text += ", signed by " + m.Signer
	}
	t.stage(name, true, text)
}

// typeName returns the name of a message type in the manual.
func typeName(t spa.Type) string {
	return [...]string{"command", "access", "nat access", "access with timeout", "nat access with timeout",
		"local nat access", "local nat access with timeout"}[t]
}

// checkWithNote records a check of the tables and, if it passed, its note.
func (t *Trace) checkWithNote(e *Engine, r *request, st *stanza, c check, ref *refusal) {
	if t == nil {
		return
	}
	t.check(c.name, ref)
	if ref == nil && c.note != nil {
		checks := t.Stanzas[len(t.Stanzas)-1].Checks
		checks[len(checks)-1].Detail.Text = c.note(e, r, st)
	}
}

// granted records whether the grant of a stanza is made, and what else happens at its end.
func (t *Trace) granted(st *stanza, ref *refusal) {
	t.check("grant", ref)
	if t != nil && ref == nil && st.CloseConnections {
		checks := t.Stanzas[len(t.Stanzas)-1].Checks
		checks[len(checks)-1].Detail.Text = noteConnections
	}
}

// noteConnections is the note on grants of stanzas with CLOSE_CONNECTIONS.
const noteConnections = "connections through it end with it"

// check records a check of a message.
func (t *Trace) check(name string, ref *refusal) {
	switch {
	case t == nil:
	case ref == nil:
		t.add(Check{Name: name, OK: true})
	default:
		t.add(Check{Name: name, Reason: ref.reason, Detail: ref.detail})
	}
}

// stage records a check and returns ok.
func (t *Trace) stage(name string, ok bool, text string) bool {
	if t != nil {
		t.add(Check{Name: name, OK: ok, Detail: Detail{Text: text}})
	}
	return ok
}

func (t *Trace) add(c Check) {
	if n := len(t.Stanzas); n > 0 {
		t.Stanzas[n-1].Checks = append(t.Stanzas[n-1].Checks, c)
		return
	}
	t.Packet = append(t.Packet, c)
}

// The notes of the checks in rules.go.

func noteAge(e *Engine, r *request, _ *stanza) string {
	if r.now.IsZero() {
		return knock.NoTime + ", no limit"
	}
	age := r.now.Unix() - r.msg.Time
	if !e.server.Aging {
		return fmt.Sprintf("%d s old, no limit", age)
	}
	return fmt.Sprintf("%d s old, limit %d s", age, int64(e.server.MaxAge/time.Second))
}

func noteExpiry(_ *Engine, _ *request, st *stanza) string {
	if st.Expires.IsZero() {
		return ""
	}
	return "the stanza ends at " + st.Expires.UTC().Format(time.RFC3339)
}

func noteUser(_ *Engine, r *request, st *stanza) string {
	if len(st.Usernames) == 0 {
		return "any"
	}
	return r.msg.User
}

func noteTimeout(_ *Engine, r *request, st *stanza) string {
	life := "no end"
	if d := r.lifetime(st); d > 0 {
		life = d.String()
	}
	if r.msg.HasTimeout {
		return fmt.Sprintf("%d s asked for, %s given", r.msg.Timeout, life)
	}
	return life
}

func notePorts(_ *Engine, r *request, _ *stanza) string {
	var words []string
	for _, p := range portsOf(r.msg.Ports) {
		words = append(words, p.String())
	}
	return strings.Join(words, ", ")
}
