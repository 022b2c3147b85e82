package policy

import (
	"errors"
	"strings"
	"time"

	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// A step is the first check of a stanza that failed, in their order.
type step uint8

const (
	atNothing step = iota
	atRate         // not opened: too much public-key work
	atHMAC
	atDecrypt
	atDigest
	atSigner
	atMalformed
	atStore // opened from here on
	atPolicy
)

// open tries the keys of the stanza. Without a refusal r.msg is the message. The step is
// atNothing if the packet is not for these keys.
func (e *Engine) open(r *request, i int) (*refusal, step) {
	st := &e.spa[i]
	var ref *refusal
	var at step
	if st.symmetric != nil {
		ref, at = e.classify(r, "rijndael", e.openSymmetric(r, i))
	}
	if st.gpg == nil || at == atStore || len(r.text) < e.server.MinGPGLen {
		return ref, at
	}
	if gref, gat := e.openGPG(r, st); gat > at {
		return gref, gat
	}
	return ref, at
}

// openGPG does public-key work only for packets that passed the cheap checks, and only
// at the allowed rate.
func (e *Engine) openGPG(r *request, st *stanza) (*refusal, step) {
	err := st.gpg.Gate(r.text)
	if r.trace != nil {
		if to := st.gpg.Recipients(r.text); len(to) > 0 {
			r.trace.stage("recipient", err == nil, "encrypted to key "+strings.Join(to, ", "))
		}
	}
	if err != nil {
		return e.classify(r, "gpg", err)
	}
	if !e.mayWork(r) {
		ref := refuse(SPARateLimited, "")
		r.trace.check("rate", ref)
		return ref, atRate
	}
	return e.classify(r, "gpg", st.gpg.Open(r.text, r.now, &r.msg))
}

// mayWork reports whether the packet may cause public-key work once more, and takes its share
// unless nothing is to be recorded.
func (e *Engine) mayWork(r *request) bool {
	switch limit := e.opts.GPGLimit; {
	case limit == nil || r.announced != nil:
		return true
	case !r.dry:
		return limit.Allow(r.src(), r.recorded())
	default:
		r.worked++
		return r.worked <= limit.Left(r.src(), r.recorded())
	}
}

// A failure is an error of an opener and what it means.
type failure struct {
	err error
	ref *refusal
	at  step
}

// classify converts the result of an opener. Most keys fail with the error of the key
// before them, for which nothing is computed.
func (e *Engine) classify(r *request, name string, err error) (*refusal, step) {
	if err == nil {
		r.trace.message(name, &r.msg)
		return nil, atStore
	}
	if r.trace != nil {
		r.trace.stage(name, false, err.Error())
	}
	if err != e.failure.err {
		e.failure = e.failureOf(err)
	}
	return e.failure.ref, e.failure.at
}

// failureOf returns what err means. The errors of package spa are constants, but those
// that name a signer.
func (e *Engine) failureOf(err error) failure {
	if f, known := e.failures[err]; known {
		return f
	}
	f := failure{err: err}
	for _, k := range openErrors {
		if errors.Is(err, k.err) {
			f.ref, f.at = refuse(k.reason, ruleOf(err)), k.at
			break
		}
	}
	var signer *spa.SignerError
	if errors.As(err, &signer) {
		if f.ref != nil {
			f.ref.detail.Signer = signer.ID
		}
		return f
	}
	e.failures[err] = f
	return f
}

// openErrors maps the errors of openers. Any other means that the packet is not for
// these keys.
var openErrors = []struct {
	err    error
	reason Reason
	at     step
}{
	{spa.ErrHMAC, SPAHMACMismatch, atHMAC},
	{spa.ErrDecrypt, SPADecryptFailed, atDecrypt},
	{spa.ErrDigest, SPADigestMismatch, atDigest},
	{spa.ErrSigner, SPAGPGSigner, atSigner},
	{spa.ErrMalformed, SPAMalformed, atMalformed},
}

// ruleOf returns the rule in an error of package spa: no packet data.
func ruleOf(err error) string {
	if f, ok := err.(interface{ Rule() string }); ok {
		return f.Rule()
	}
	return ""
}

// recordMessage adds the message, which the stanza has opened, to the store, once per packet:
// before any rule is checked. A replay ends the evaluation.
func (e *Engine) recordMessage(r *request, stanza int) *refusal {
	if r.opened {
		return nil
	}
	r.opened, r.openedBy = true, stanza
	r.setSeen(&r.msg)
	ref, err := e.record(&r.seen, r.dry)
	switch {
	case errors.Is(err, replay.ErrForgotten):
		if ref = e.checkAge(r, nil); ref == nil {
			ref = refuse(SPAReplay, err.Error())
		}
	case err != nil:
		ref = refuse(SPAStore, err.Error())
	}
	r.ended = ref != nil
	r.trace.check("replay", ref)
	return ref
}

// setSeen sets what the store is asked of a message.
func (r *request) setSeen(m *spa.Message) {
	r.seen = replay.Packet{Plaintext: m.Plaintext, Wire: r.text, Time: r.now, Sent: time.Unix(m.Time, 0),
		Src: r.ev.Src, Dst: r.ev.Dst, Proto: uint8(r.ev.Proto)}
}

// record adds p to the store, or only looks it up in a dry run, and returns the refusal
// if it was there. The answer of the store is passed on in registers.
func (e *Engine) record(p *replay.Packet, dryRun bool) (*refusal, error) {
	if dryRun {
		first, seen, err := e.opts.Store.Seen(p)
		return refuseSeen(first, !seen, err)
	}
	ref, err := refuseSeen(e.opts.Store.Add(p))
	e.unsynced = e.unsynced || ref == nil && err == nil
	return ref, err
}

func refuseSeen(first replay.First, fresh bool, err error) (*refusal, error) {
	if fresh || err != nil {
		return nil, err
	}
	ref := refuse(SPAReplay, "")
	if at := first.Time; !at.IsZero() {
		ref.detail.FirstSeen = &at
	}
	if first.Src.IsValid() {
		ref.detail.FirstSrc = first.Src.String()
	}
	return ref, nil
}
