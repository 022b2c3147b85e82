package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/policy/conf"
	"fwknopd/policy/knock"
	"fwknopd/policy/replay"
	"fwknopd/policy/totp"
)

// Wrong one-time codes with a secret: so many, then one each wrongCodeEvery. Above that no
// code is looked at. A guess fits with a chance of 3 in a million.
const (
	wrongCodes     = 10
	wrongCodeEvery = time.Minute
)

// nearMiss is how many steps away Explain looks for the one that a wrong code fits.
const nearMiss = 20

// A codeSecret is a TOTP_SECRET. Stanzas with the same one share what was used; shadow stanzas
// have a record of their own, so that they change no decision of others.
type codeSecret struct {
	secret string
	shadow bool
}

// purpose is what a used code is recorded as.
func (c codeSecret) purpose() string {
	if c.shadow {
		return "used in shadow"
	}
	return "used"
}

// A codeCheck is what was found of the code in a message. Several stanzas may have the secret.
type codeCheck struct {
	codeSecret
	step  int64 // whose code it is, iff ref is nil
	ref   *refusal
	wrong bool // it was compared and does not fit
}

// A codeGuesses limits wrong codes. Its times are those of packets, so that a replay decides the
// same.
type codeGuesses struct {
	left map[codeSecret]*rate.Limiter // nil: none were wrong
	last time.Time
}

// limiter returns the limiter of a secret, which has one from then on.
func (g *codeGuesses) limiter(c codeSecret) *rate.Limiter {
	if l := g.left[c]; l != nil {
		return l
	}
	l := rate.NewLimiter(rate.Every(wrongCodeEvery), wrongCodes)
	g.set(c, l)
	return l
}

func (g *codeGuesses) set(c codeSecret, l *rate.Limiter) {
	if g.left == nil {
		g.left = make(map[codeSecret]*rate.Limiter)
	}
	g.left[c] = l
}

// takeOver takes over the limiter of a secret, if it has one.
func (g *codeGuesses) takeOver(old *codeGuesses, c codeSecret) {
	if l := old.left[c]; l != nil {
		g.set(c, l)
	}
}

// clock returns the time that counts for a packet: records of several inputs are out of order
// by less than setBack, which must not earn anything.
func (g *codeGuesses) clock(at time.Time) time.Time {
	if at.Before(g.last) && g.last.Sub(at) <= setBack {
		return g.last
	}
	return at
}

// exhausted reports whether no code may be looked at.
func (g *codeGuesses) exhausted(c codeSecret, at time.Time) bool {
	l := g.left[c]
	return l != nil && l.TokensAt(g.clock(at)) < 1
}

// wrong counts a wrong code at a secret.
func (g *codeGuesses) wrong(c codeSecret, at time.Time) {
	g.last = g.clock(at)
	g.limiter(c).AllowN(g.last, 1)
}

// guesses are those that a message counts among: what another gateway announces leaves the limits for
// what comes here alone.
func (e *Engine) guesses(r *request) *codeGuesses {
	if r.announced != nil {
		return &e.announcedCodes
	}
	return &e.codes
}

// inheritCodes takes over the limits of secrets that are still configured.
func (e *Engine) inheritCodes(old *Engine) {
	e.codes.last, e.announcedCodes.last = old.codes.last, old.announcedCodes.last
	for i := range e.spa {
		if st := &e.spa[i]; st.totp != nil {
			e.codes.takeOver(&old.codes, st.codeSecret())
			e.announcedCodes.takeOver(&old.announcedCodes, st.codeSecret())
		}
	}
}

func (st *stanza) codeSecret() codeSecret {
	return codeSecret{string(st.TOTPSecret.Bytes()), st.Shadow}
}

// checkCode checks the one-time code in a message, once for all stanzas with the secret, and
// uses it up.
func (e *Engine) checkCode(r *request, st *stanza) *refusal {
	method, code, ok := strings.Cut(r.msg.ServerAuth, ",")
	switch {
	case !ok || method != conf.AuthTOTP:
		return refuse(SPAAuthMethod, textNoCode)
	case r.judged.IsZero():
		return refuse(SPAAuthMethod, knock.NoTime)
	}
	c := codeCheck{codeSecret: st.codeSecret()}
	if had := r.codeCheck(c.codeSecret); had != nil {
		return had.ref
	}
	e.useCode(r, st.totp, code, &c)
	r.codes = append(r.codes, c)
	return c.ref
}

// codeCheck returns what was found before with a secret; nil if nothing was looked for.
func (r *request) codeCheck(c codeSecret) *codeCheck {
	for i := range r.codes {
		if r.codes[i].codeSecret == c {
			return &r.codes[i]
		}
	}
	return nil
}

// useCode sets c to what is found of the code. Of steps that have the same code by chance each
// is used up.
func (e *Engine) useCode(r *request, k *totp.Key, code string, c *codeCheck) {
	if e.guesses(r).exhausted(c.codeSecret, r.recorded()) {
		c.ref = refuse(SPAAuthMethod, textCodes)
		return
	}
	steps := k.Fits(code, totp.Step(r.judged), totp.Skew)
	if len(steps) == 0 {
		c.ref, c.wrong = refuse(SPAAuthMethod, textCode), true
		r.traceNearMiss(k, code)
		return
	}
	c.step = steps[0]
	for _, step := range steps {
		if c.ref = e.recordCode(r, k, step, c.codeSecret); c.ref != nil {
			return
		}
	}
}

// countGuess counts a wrong code, when all stanzas were asked: once at each secret that it was
// compared with, so that more stanzas with a key give no more guesses at any of them. A code that
// another stanza has accepted is none; it was used up by that, and cannot be tried again. What a
// shadow stanza accepts changes nothing for the others.
func (e *Engine) countGuess(r *request) {
	var live, shadow bool
	for i := range r.codes {
		if c := &r.codes[i]; c.ref == nil {
			live, shadow = live || !c.shadow, true
		}
	}
	for i := range r.codes {
		if c := &r.codes[i]; c.wrong && !r.dry && !live && !(c.shadow && shadow) {
			e.guesses(r).wrong(c.codeSecret, r.recorded())
		}
	}
}

// recordCode adds the code of a step to the store, or only looks it up in a dry run, and
// returns the refusal if it was used before.
func (e *Engine) recordCode(r *request, k *totp.Key, step int64, c codeSecret) *refusal {
	if live := (codeSecret{secret: c.secret}); c.shadow {
		if had := r.codeCheck(live); had == nil || had.ref != nil {
			if ref := e.recordUse(r, k, step, live, true); ref != nil {
				return ref
			}
		}
	}
	return e.recordUse(r, k, step, c, r.dry)
}

// recordUse is recordCode for one of the records. Sent is the first time at which the code is
// accepted: where the records before a time may be lost, codes are refused that were accepted
// then.
func (e *Engine) recordUse(r *request, k *totp.Key, step int64, c codeSecret, dryRun bool) *refusal {
	ref, err := e.record(&replay.Packet{Plaintext: k.Digest(c.purpose(), step), Time: r.now, Sent: totp.Earliest(step), ByOurTime: true,
		Src: r.ev.Src, Dst: r.ev.Dst, Proto: uint8(r.ev.Proto)}, dryRun)
	switch {
	case errors.Is(err, replay.ErrForgotten):
		return refuse(SPAAuthMethod, textCodeForgotten)
	case err != nil:
		return refuse(SPAStore, err.Error())
	case ref != nil:
		ref.reason, ref.detail.Text = SPAAuthMethod, textCodeUsed
	}
	return ref
}

// traceNearMiss says in a trace of which step a wrong code is.
func (r *request) traceNearMiss(k *totp.Key, code string) {
	if r.trace == nil {
		return
	}
	text := fmt.Sprintf("it is the code of no step up to %d from now: another secret, or a mistyped code", nearMiss)
	now := totp.Step(r.now)
	if steps := k.Fits(code, now, nearMiss); len(steps) > 0 {
		text = stepText(steps[0] - now)
		if off := time.Duration(steps[0]-now) * totp.Period * time.Second; off.Abs() > totp.Skew*totp.Period*time.Second {
			text += fmt.Sprintf(": the clock of the authenticator is about %s off, or the code is old", off.Abs())
		}
	} else if !totp.IsCode(code) {
		text = fmt.Sprintf("it is not of %d digits", totp.Digits)
	}
	r.trace.stage("code", false, text)
}

// stepText names a step by its distance from now.
func stepText(away int64) string {
	switch {
	case away < 0:
		return fmt.Sprintf("the code of step %d before now", -away)
	case away > 0:
		return fmt.Sprintf("the code of step %d after now", away)
	}
	return "the code of now"
}

// noteAuth says of which step a code is that was accepted.
func noteAuth(_ *Engine, r *request, st *stanza) string {
	if st.totp == nil {
		return ""
	}
	if c := r.codeCheck(st.codeSecret()); c != nil {
		return stepText(c.step - totp.Step(r.now))
	}
	return ""
}
