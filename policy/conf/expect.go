package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"fwknopd/enforce/quote"
)

// An Expectation is one EXPECT line: a packet, and the decision that is wanted.
//
//	EXPECT verdict [reason] word value [word value]…
//
// verdict is granted, refused, command or ignored; reason a code such as
// spa.stale. What is shown to the engine is one of
//
//	ask PORTS         an SPA message made with the keys of the stanza
//	run "COMMAND"     the same with a command
//	knock PORTS       these knocks, in this order, from the address
//	payload BASE64    an SPA packet as it was on the wire
//	file PATH         a log or a capture; record N picks one record
//
// and the other words are
//
//	from ADDRESS      where it comes from, needed but for file
//	to ADDRESS        where it goes
//	user NAME         the user name in the message
//	allow ADDRESS     the address inside the message; without it that of from
//	timeout SECONDS   the time the message asks for
//	nat ADDRESS/PORT  the translation the message asks for
//	age SECONDS       how old the message is; negative is the future
//	gap SECONDS       time between two knocks, 1 without it
//	at TIME           the clock, RFC 3339 or seconds since 1970
//	opens PORTS       the ports that the grant must have
//	for SECONDS       how long the grant must last
//
// A value with blanks stands in double quotes.
type Expectation struct {
	Pos    Pos
	Stanza int // number of the stanza the line stands in; 0 for a file of its own

	Verdict string // granted, refused, command, ignored
	Reason  string // "" for any

	Ask     []Port
	Run     string
	Knock   []Port
	Payload []byte
	File    string // relative to the folder of Pos.File
	Record  int    // from 1; 0 for the last decision of the file

	From, To netip.Addr // invalid: not said
	User     string
	Allow    netip.Addr
	Timeout  time.Duration
	NAT      netip.AddrPort
	Age      time.Duration
	Gap      time.Duration
	At       time.Time

	Opens []Port
	For   time.Duration
}

// setters are the words of an expectation.
var setters = map[string]func(*Expectation, string) error{
	"ask":     func(e *Expectation, v string) (err error) { e.Ask, err = parsePorts(v, true); return },
	"run":     func(e *Expectation, v string) error { e.Run = v; return nil },
	"knock":   func(e *Expectation, v string) (err error) { e.Knock, err = parsePorts(v, true); return },
	"payload": func(e *Expectation, v string) (err error) { e.Payload, err = payload(v); return },
	"file":    func(e *Expectation, v string) error { e.File = v; return nil },
	"record":  func(e *Expectation, v string) error { return setInt(&e.Record, v, 1) },
	"from":    func(e *Expectation, v string) (err error) { e.From, err = parseAddr(v); return },
	"to":      func(e *Expectation, v string) (err error) { e.To, err = parseAddr(v); return },
	"user":    func(e *Expectation, v string) error { e.User = v; return nil },
	"allow":   func(e *Expectation, v string) (err error) { e.Allow, err = parseAddr(v); return },
	"timeout": func(e *Expectation, v string) error { return setSeconds(&e.Timeout, v, 0) },
	"nat": func(e *Expectation, v string) (err error) {
		e.NAT, err = parseTarget(strings.Replace(v, "/", " ", 1))
		return
	},
	"age":   func(e *Expectation, v string) error { return setSeconds(&e.Age, v, -maxInt) },
	"gap":   func(e *Expectation, v string) error { return setSeconds(&e.Gap, v, 0) },
	"at":    func(e *Expectation, v string) (err error) { e.At, err = parseTime(v); return },
	"opens": func(e *Expectation, v string) (err error) { e.Opens, err = parsePorts(v, true); return },
	"for":   func(e *Expectation, v string) error { return setSeconds(&e.For, v, 0) },
}

// ParseExpectation reads the text behind EXPECT.
func ParseExpectation(text string) (Expectation, error) {
	e := Expectation{Gap: time.Second}
	words, err := quote.Expect.Split(text)
	if err != nil {
		return e, err
	}
	if len(words) == 0 {
		return e, errors.New("nothing is expected")
	}
	switch words[0] {
	case "granted", "refused", "command", "ignored":
		e.Verdict, words = words[0], words[1:]
	default:
		return e, unknownWord{words[0], []string{"granted", "refused", "command", "ignored"}}
	}
	if len(words) > 0 && setters[words[0]] == nil && strings.ContainsAny(words[0], "._") {
		e.Reason, words = words[0], words[1:]
	}
	seen := make(map[string]bool)
	for ; len(words) > 0; words = words[2:] {
		set := setters[words[0]]
		switch {
		case set == nil:
			return e, unknownWord{words[0], expectWords()}
		case seen[words[0]]:
			return e, fmt.Errorf("%s is said twice", words[0])
		case len(words) == 1:
			return e, fmt.Errorf("%s without a value", words[0])
		}
		seen[words[0]] = true
		if err := set(&e, words[1]); err != nil {
			return e, fmt.Errorf("%s: %w", words[0], err)
		}
	}
	return e, e.check(seen)
}

// check reports what is missing or does not go together.
func (e *Expectation) check(seen map[string]bool) error {
	shown := 0
	for _, w := range []string{"ask", "run", "knock", "payload", "file"} {
		if seen[w] {
			shown++
		}
	}
	switch {
	case shown != 1:
		return errors.New("one of ask, run, knock, payload and file is needed")
	case !e.From.IsValid() && !seen["file"]:
		return errors.New("from is needed")
	case seen["record"] && !seen["file"]:
		return errors.New("record without file")
	case (seen["opens"] || seen["for"]) && e.Verdict != "granted":
		return errors.New("opens and for go with granted")
	}
	return nil
}

func expectWords() []string {
	return []string{"ask", "run", "knock", "payload", "file", "record", "from", "to", "user", "allow",
		"timeout", "nat", "age", "gap", "at", "opens", "for"}
}

// payload takes the text of an SPA packet. It is base64 without its first
// characters, so only the alphabet can be checked.
func payload(text string) ([]byte, error) {
	for _, c := range []byte(strings.TrimRight(text, "=")) {
		if c != '+' && c != '/' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return nil, errors.New("not base64")
		}
	}
	return []byte(text), nil
}

func setInt(to *int, text string, low int64) error {
	n, err := parseInt(text, low, maxInt)
	*to = int(n)
	return err
}

func setSeconds(to *time.Duration, text string, low int64) error {
	n, err := parseInt(text, low, maxInt)
	*to = time.Duration(n) * time.Second
	return err
}

func parseTime(text string) (time.Time, error) {
	if n, err := parseInt(text, 0, 253402300799); err == nil {
		return time.Unix(n, 0).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither RFC 3339 nor seconds since 1970", clip(text))
	}
	return t.UTC(), nil
}
