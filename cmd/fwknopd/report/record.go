package report

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// A Record is a decision with all that is logged about it: what the worker hands to the
// monitor, which writes the logs.
type Record struct {
	Packet   Packet
	Decision policy.Decision  // without Others
	Refusals []policy.Refusal // by stanzas other than that of the decision, in file order
	Message  *spa.Message     // to print, see [DumpOf]; nil: none
	Fields   bool             // print it as 2.6 does, with -v -v
	Dump     bool             // print it as 1.9 does, with --debug
}

// A ReasonCount is a number of refusals for one reason.
type ReasonCount struct {
	Reason policy.Reason
	Count  int
}

// A Suppressed are refusals that are not logged one by one.
type Suppressed struct {
	Time    time.Time
	Reasons []ReasonCount // sorted by reason
	Sources int           // up to MaxSources
	Src     netip.Addr    // if there is one source
}

// MaxSources is the highest number of sources that is counted.
const MaxSources = 4096

func (s *Suppressed) count() (n int) {
	for _, r := range s.Reasons {
		n += r.Count
	}
	return n
}

// Text returns the message.
func (s *Suppressed) Text() string {
	b := fmt.Appendf(nil, "%s not told one by one:", conf.Count(s.count(), "refusal"))
	for i, r := range s.Reasons {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, " %d %s", r.Count, r.Reason)
	}
	switch {
	case s.Sources == 1:
		return string(fmt.Appendf(b, " from %s", s.Src))
	case s.Sources < MaxSources:
		return string(fmt.Appendf(b, " from %d sources", s.Sources))
	}
	return string(fmt.Appendf(b, " from %d sources or more", s.Sources))
}

// JSON returns the object for the event log.
func (s *Suppressed) JSON() []byte {
	b := fmt.Appendf(nil, `{"v":1,"timestamp":%q,"event_type":"suppressed","verdict":"refused","count":%d,"reasons":{`, s.Time.UTC().Format(time.RFC3339Nano), s.count())
	for i, r := range s.Reasons {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `"%s":%d`, r.Reason, r.Count)
	}
	b = appendNumber(append(b, '}'), "sources", s.Sources)
	if s.Sources == 1 {
		b = appendText(b, "src_ip", s.Src.String())
	}
	return append(b, '}')
}

// Check returns an error if no honest worker reports this.
func (s *Suppressed) Check() error {
	if len(s.Reasons) == 0 || s.Sources < 1 || s.Sources > MaxSources || s.Src.IsValid() != (s.Sources == 1) {
		return errors.New("an impossible number")
	}
	if err := checkReasons(s.Reasons); err != nil {
		return err
	}
	return checkZone(s.Src)
}

// checkReasons returns an error unless the reasons are known, sorted and counted.
func checkReasons(list []ReasonCount) error {
	for i, r := range list {
		if r.Count < 1 || int64(r.Count) > 1<<40 || !decisionReasons[r.Reason] || i > 0 && list[i-1].Reason >= r.Reason {
			return errors.New("reasons that cannot be")
		}
	}
	return nil
}

// SortReasons returns counts as a list, sorted by reason.
func SortReasons(counts map[policy.Reason]int) (list []ReasonCount) {
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, ReasonCount{Reason: reason, Count: counts[reason]})
	}
	return list
}

// Limits of a record.
const (
	maxRecordText   = 16 << 10 // bytes of a string
	maxZone         = 15       // bytes of the zone of an address, the name of an interface
	maxRecordStanza = 1 << 30
	// MaxRefusals is how many refusals by other stanzas are logged.
	MaxRefusals = 100
)

// DumpOf returns the part of a message that Fields and Dump19 print, without secrets.
func DumpOf(m *spa.Message) *spa.Message {
	if m == nil {
		return nil
	}
	return &spa.Message{Rand: m.Rand, User: m.User, Time: m.Time, Version: m.Version, Type: m.Type, Text: m.Text, NAT: m.NAT,
		ServerAuth: redactedAuth(m), Timeout: m.Timeout, DigestType: m.DigestType, Signer: m.Signer}
}

// Check returns an error if no honest worker makes such a record: it is not a decision
// to log, or contains more than one.
func (r *Record) Check() error {
	if err := checkDecision(&r.Decision); err != nil {
		return err
	}
	switch {
	case len(r.Refusals) > MaxRefusals:
		return errors.New("too many refusals")
	case !r.Packet.Src.Addr().IsValid():
		return errors.New("no source")
	case r.Message != nil && (len(r.Message.Plaintext) > 0 || r.Message.ServerAuth != redactedAuth(r.Message)):
		return errors.New("a message with secrets")
	}
	for i := range r.Refusals {
		if reason := r.Refusals[i].Reason; reason != "" && !decisionReasons[reason] {
			return errUnknownReason
		}
	}
	return checkTexts(reflect.ValueOf(*r))
}

var errUnknownReason = errors.New("unknown reason")

// checkDecision checks that d is one decision to log.
func checkDecision(d *policy.Decision) error {
	switch {
	case d.Verdict != policy.Allow && d.Verdict != policy.Deny:
		return fmt.Errorf("verdict %d", d.Verdict)
	case !decisionReasons[d.Reason]:
		return errUnknownReason
	case d.Mode != "" && d.Mode != policy.ModeSPA && d.Mode != policy.ModeKnock:
		return errors.New("unknown mode")
	case len(d.Others) > 0:
		return errors.New("decisions within a decision")
	case !isLine(d.Stanza) || !isLine(d.Number):
		return errors.New("line or number of a stanza out of range")
	}
	return cmp.Or(checkFleetMarks(d), checkOutcome(d))
}

// checkFleetMarks checks what a decision says of the fleet.
func checkFleetMarks(d *policy.Decision) error {
	switch {
	case d.Degraded && (d.Verdict != policy.Allow || d.Mode != policy.ModeSPA || d.Shadow):
		return errors.New("degraded, but no grant to a message")
	case d.Announced != "" && (!conf.IsFleetName(d.Announced) || d.Mode != policy.ModeSPA || d.Degraded || d.Command != nil):
		return errors.New("no decision on an announced message")
	}
	return nil
}

// checkOutcome checks that a decision grants what goes with its verdict.
func checkOutcome(d *policy.Decision) error {
	grants := !reflect.ValueOf(d.Grant).IsZero()
	switch {
	case d.Verdict == policy.Deny && (d.Command != nil || grants):
		return errors.New("a refusal that grants")
	case d.Command != nil && grants:
		return errors.New("a command with a grant")
	}
	return checkGrant(&d.Grant)
}

// isLine reports whether n can be the line or the number of a stanza, or that of none.
func isLine(n int) bool { return n >= 0 && n <= maxRecordStanza }

// checkGrant checks what a decision grants.
func checkGrant(g *enforce.Grant) error {
	if g.Foreign != "" {
		return errors.New("another program's rule")
	}
	if g.Bits != 0 && !g.Source().IsValid() {
		return errors.New("a prefix longer than its address")
	}
	for _, p := range g.Ports {
		switch p.Proto {
		case parse.TCP, parse.UDP, parse.ICMP, parse.ICMPv6:
		default:
			return errors.New("a port of an unknown protocol")
		}
	}
	return nil
}

// checkTexts checks the length of all strings in v, and the zones of addresses, which can
// be any text.
func checkTexts(v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		if v.Len() > maxRecordText {
			return errors.New("a text is too long")
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return checkTexts(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := checkTexts(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		switch a := v.Interface().(type) {
		case time.Time:
			return nil
		case netip.Addr:
			return checkZone(a)
		case netip.AddrPort:
			return checkZone(a.Addr())
		case netip.Prefix: // has no zone
			return nil
		}
		for i := range v.NumField() {
			if err := checkTexts(v.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkZone checks the zone of an address, if it has one.
func checkZone(a netip.Addr) error {
	zone := a.Zone()
	if len(zone) > maxZone || strings.ContainsFunc(zone, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"\<>&%`, r) }) {
		return errors.New("an address with a zone that is no interface")
	}
	return nil
}

// decisionReasons has the reasons of decisions.
var decisionReasons = reasonSet(
	policy.SPAGranted, policy.SPACommand, policy.SPAHMACMismatch, policy.SPADecryptFailed, policy.SPADigestMismatch,
	policy.SPAMalformed, policy.SPAStale, policy.SPAFuture, policy.SPAReplay, policy.SPAUser, policy.SPASource,
	policy.SPAPort, policy.SPACmdDisabled, policy.SPACmdRegex, policy.SPAGPGSigner, policy.SPAAuthMethod, policy.SPANAT,
	policy.SPAExpiredStanza, policy.SPARateLimited, policy.SPATimeout, policy.SPACut, policy.SPAStore, policy.SPAWindow, policy.SPAUses, policy.SPAFleet,
	policy.KnockGranted, policy.KnockWrongPort, policy.KnockTimeout, policy.KnockTooFast, policy.KnockTooSlow,
	policy.KnockLimit, policy.KnockDecryptFailed, policy.KnockChecksum, policy.KnockUser, policy.KnockOS,
	policy.KnockSource, policy.KnockPort, policy.KnockReplay, policy.KnockStore, policy.KnockForgedLine,
	policy.KnockWindow, policy.KnockUses, policy.KnockFleet,
	policy.FleetHolder, policy.FleetEnded, policy.FleetAddress, policy.FleetCommand,
	policy.NoStanza,
)

func reasonSet(list ...policy.Reason) map[policy.Reason]bool {
	set := make(map[policy.Reason]bool, len(list))
	for _, r := range list {
		set[r] = true
	}
	return set
}
