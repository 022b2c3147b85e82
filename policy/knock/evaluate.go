package knock

import (
	"time"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// evaluate takes a packet through every stanza it concerns. src is nil if nothing
// is remembered of its source.
func (t *Tracker) evaluate(k *knock, src *source, out []Result) []Result {
	if src != nil {
		out = t.rewind(src, k, out)
		l := src.seen(k)
		if l == copied {
			src.last = k.at
			t.counts.Repeats++
			return out
		}
		k.alike = l == alike
	}
	if src = t.begin(k, src); src == nil {
		return out
	}
	t.packets++
	first, concerned := len(out), false
	for i := range src.attempts {
		a := &src.attempts[i]
		if s := &t.stanzas[a.stanza]; s.concerns(k) {
			concerned = true
			out = t.advance(a, s, k, out)
		}
	}
	t.settle(src)
	if concerned {
		src.record(k)
		t.sources.touch(k.addr)
	}
	t.trim()
	out = out[:first+reportOnce(out[first:])]
	t.count(out[first:])
	return out
}

// rewind ends the attempts of a source whose stamps run backwards: no gap can be
// trusted any more.
func (t *Tracker) rewind(src *source, k *knock, out []Result) []Result {
	if k.untimed() || !k.at.Before(src.last) {
		return out
	}
	for i := range src.attempts {
		a := &src.attempts[i]
		out = append(out, t.stanzas[a.stanza].ended(a, k, Result{
			Reason: Timeout, Gap: k.at.Sub(src.last), Text: "time stamps run backwards"}))
	}
	t.attempts -= len(src.attempts)
	t.counts.Refused += uint64(len(src.attempts))
	src.clear()
	src.last = k.at
	return out
}

// begin makes an attempt, still at rest, for each stanza whose sequence may start
// with k, and a place for the source if it has none.
func (t *Tracker) begin(k *knock, src *source) *source {
	if !t.armed.start.has(k.port) {
		return src
	}
	for _, i := range t.armed.stanza[k.port] {
		s := &t.stanzas[i]
		if !s.startsWith(k.port) || !t.matches(s, k) || s.expired(k.now) {
			continue
		}
		if src == nil {
			src = t.admit(k)
		}
		if _, made := src.attempt(i); made {
			t.attempts++
		}
	}
	return src
}

// admit makes a place for the source of k.
func (t *Tracker) admit(k *knock) *source {
	if t.sources.len() >= t.opt.MaxSources {
		t.evict()
	}
	src := t.sources.add(k.addr)
	src.clear()
	src.last = k.at
	return src
}

// trim forgets sources, the oldest first, until the attempts are few enough. One
// source may have more than that: as many as there are stanzas.
func (t *Tracker) trim() {
	for t.attempts > t.opt.MaxSources && t.sources.len() > 1 {
		t.evict()
	}
}

func (t *Tracker) evict() {
	t.attempts -= len(t.sources.oldest().attempts)
	t.sources.evict()
}

// settle drops the attempts at rest.
func (t *Tracker) settle(src *source) {
	busy := src.attempts[:0]
	for i := range src.attempts {
		if src.attempts[i].done > 0 {
			busy = append(busy, src.attempts[i])
		}
	}
	t.attempts -= len(src.attempts) - len(busy)
	src.attempts = busy
}

// advance tries k as the next packet of the attempt.
func (t *Tracker) advance(a *attempt, s *stanza, k *knock, out []Result) []Result {
	a.untimed = a.untimed || k.untimed()
	if gap := k.at.Sub(a.first); a.done > 0 && !a.untimed && s.KnockInterval > 0 && gap > s.KnockInterval {
		out = append(out, s.ended(a, k, Result{Reason: Timeout, Gap: gap, Bound: s.KnockInterval}))
	}
	if s.Mode == conf.ModeShared {
		return t.shared(a, s, k, out)
	}
	return t.encrypted(a, s, k, out)
}

// ended puts the attempt to rest and completes r, which says why.
func (s *stanza) ended(a *attempt, k *knock, r Result) Result {
	r.Stanza = int(a.stanza)
	r.Port = enforce.Port(k.port)
	r.Step, r.Steps = a.done+1, len(s.Sequence)
	if s.Mode == conf.ModeEncrypted {
		r.Steps = max(r.Step, minText)
	}
	a.reset()
	return r
}

// concerns reports whether k can advance or end an attempt at the stanza that its
// source has begun.
func (s *stanza) concerns(k *knock) bool {
	return s.atUs(k) && !s.expired(k.now) && (s.Mode == conf.ModeShared || s.inWindow(k.port))
}

// startsWith reports whether p can be the first knock.
func (s *stanza) startsWith(p conf.Port) bool {
	if s.Mode == conf.ModeShared {
		return s.Sequence[0] == p
	}
	return s.inWindow(p)
}

func (s *stanza) expired(now time.Time) bool {
	return !s.Expires.IsZero() && !now.Before(s.Expires)
}

func (t *Tracker) count(rs []Result) {
	for i := range rs {
		if rs[i].Granted {
			t.counts.Granted++
		} else {
			t.counts.Refused++
		}
	}
}

// reportOnce keeps one complaint of a cipher text that no stanza's key opens, and
// none if one does. It returns how many results are left, in place.
func reportOnce(rs []Result) int {
	opened := false
	for i := range rs {
		opened = opened || rs[i].Cipher != nil
	}
	n := 0
	for i := range rs {
		if unopened := rs[i].Reason == DecryptFailed || rs[i].Reason == Checksum; unopened {
			if opened {
				continue
			}
			opened = true
		}
		rs[n] = rs[i]
		n++
	}
	return n
}

// needsTime reports that a rule of the stanza cannot be judged without the times of
// the packets.
func (s *stanza) needsTime() bool {
	gaps := s.Mode == conf.ModeShared && (s.MinTimeDiff >= 0 || s.MaxTimeDiff >= 0)
	return gaps || s.KnockInterval > 0 || s.AccessTimeout > 0 || !s.Expires.IsZero() || s.WantsSystem()
}

// timed checks that a whole sequence has what needsTime asks for.
func (s *stanza) timed(a *attempt) (Result, bool) {
	if a.untimed && s.needsTime() {
		return Result{Reason: Timeout, Text: NoTime}, false
	}
	return Result{}, true
}

// honour judges what both kinds of sequence have in common: the number of uses.
// It reports false if the limit is reached, else counts one.
func (t *Tracker) honour(a *attempt, s *stanza, k *knock) bool {
	if s.KnockLimit < 0 {
		return true
	}
	key := use{k.addr, a.stanza}
	n := t.limits.find(key)
	if n == nil {
		if s.KnockLimit == 0 {
			return false
		}
		n = t.limits.add(key)
		*n = 0
	}
	if *n >= s.KnockLimit {
		return false
	}
	*n++
	t.limits.touch(key)
	return true
}
