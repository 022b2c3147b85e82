package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
	"fwknopd/policy/crypt"
	"fwknopd/policy/knock"
	"fwknopd/policy/spa"
)

// errNoShadow: there is no function to look passwords up.
var errNoShadow = errors.New("no shadow file")

// check is one requirement of a stanza; check returns nil if it is met. note, if not nil,
// returns a text for Explain then.
type check struct {
	name  string
	check func(*Engine, *request, *stanza) *refusal
	note  func(*Engine, *request, *stanza) string
	// asked reports whether the stanza has the requirement; nil: always. Explain leaves out
	// what is not asked for.
	asked func(*stanza) bool
}

// commonChecks are the checks of every message, in their order.
var commonChecks = []check{
	{name: "age", check: (*Engine).checkAge, note: noteAge},
	{name: "expiry", check: (*Engine).checkExpiry, note: noteExpiry},
	{name: "window", check: (*Engine).checkWindow, note: noteWindow, asked: hasWindows},
	{name: "user", check: (*Engine).checkUser, note: noteUser},
	{name: "address", check: (*Engine).checkAddress, note: noteAddress},
	{name: "auth", check: (*Engine).checkPassword, asked: func(st *stanza) bool { return st.totp == nil }},
}

// oneTimeCheck comes after all others and what a grant needs: a code is used up by it, and what is
// refused otherwise reveals nothing about the code.
var oneTimeCheck = check{name: "auth", check: (*Engine).checkCode, note: noteAuth}

// commandChecks and accessChecks are the checks of message type 0 and of all others.
var (
	commandChecks = []check{
		{name: "command", check: (*Engine).checkCommand},
		usesCheck,
	}
	accessChecks = []check{
		{name: "access", check: (*Engine).checkAccess},
		{name: "timeout", check: (*Engine).checkTimeout, note: noteTimeout},
		{name: "ports", check: (*Engine).checkPorts, note: notePorts},
		usesCheck,
	}
)

// checkRules applies the rules of a stanza to the message in r, and sets d if they allow
// it. Nothing is granted in part.
func (e *Engine) checkRules(r *request, st *stanza, d *Decision) (*refusal, step) {
	if r.announced != nil {
		if ref := r.announced.checkStanza(r, st); ref != nil {
			return ref, atPolicy
		}
	}
	ref, at := e.checkAll(r, st)
	if ref != nil {
		return ref, at
	}
	if ref = e.offer(r, st, d); ref == nil {
		var further step
		if ref, further = e.useUp(r, st, d); ref != nil {
			return ref, at + further
		}
	}
	if r.msg.Type != spa.Command {
		r.trace.granted(st, ref)
	}
	if ref == nil {
		e.countUse(st.Stanza, r.now, r.dry)
	}
	return ref, at
}

// checkAll makes the checks of the message's type; at is how far it came.
func (e *Engine) checkAll(r *request, st *stanza) (ref *refusal, at step) {
	checks := accessChecks
	if r.msg.Type == spa.Command {
		checks = commandChecks
	}
	at = atPolicy
	for _, list := range [...][]check{commonChecks, checks} {
		for _, c := range list {
			if c.asked == nil || c.asked(st) {
				ref := c.check(e, r, st)
				r.trace.checkWithNote(e, r, st, c, ref)
				if ref != nil {
					return ref, at
				}
			}
			at++
		}
	}
	return nil, at
}

// useUp makes the checks that leave something behind for other messages, when all else allows this one:
// its code, and its claim in the fleet.
func (e *Engine) useUp(r *request, st *stanza, d *Decision) (ref *refusal, further step) {
	if st.totp != nil {
		ref = oneTimeCheck.check(e, r, st)
		r.trace.checkWithNote(e, r, st, oneTimeCheck, ref)
		if ref != nil {
			return ref, 1
		}
	}
	if e.opts.Claim != nil && r.announced == nil {
		return e.claim(r, st, d), 2
	}
	return nil, 0
}

// offer sets d to what the message is granted if all checks allow it.
func (e *Engine) offer(r *request, st *stanza, d *Decision) *refusal {
	*d = Decision{Verdict: Allow, Reason: SPAGranted, Mode: ModeSPA, Src: r.src(), Stanza: st.Pos.Line, Number: st.Number, User: r.msg.User}
	if r.msg.Type == spa.Command {
		d.Reason, d.Command = SPACommand, e.commandFor(r, st)
		return nil
	}
	ref := e.grant(r, st, r.lifetime(st), &d.Grant)
	if ref == nil && r.announced != nil {
		ref = r.announced.shorten(&d.Grant, r.now, r.lifetime(st))
	}
	return ref
}

// checkAge compares the client's time stamp with now, in both directions and in whole
// seconds like the stamp. The limit is inclusive.
func (e *Engine) checkAge(r *request, _ *stanza) *refusal {
	if !e.server.Aging {
		return nil
	}
	now := r.judged
	if now.IsZero() {
		return refuse(SPAStale, knock.NoTime)
	}
	age, limit := now.Unix()-r.msg.Time, int64(e.server.MaxAge/time.Second)
	if age <= limit && -age <= limit {
		return nil
	}
	ref := refuse(SPAStale, "")
	if age < 0 {
		ref.reason = SPAFuture
	}
	ref.detail.AgeS, ref.detail.MaxAgeS = new(age), new(limit) // the addresses of age and limit would cost each message an allocation
	return ref
}

func (e *Engine) checkExpiry(r *request, st *stanza) *refusal {
	switch {
	case st.Expires.IsZero():
		return nil
	case r.now.IsZero():
		return refuse(SPAExpiredStanza, knock.NoTime)
	case r.now.Before(st.Expires):
		return nil
	}
	return refuse(SPAExpiredStanza, "since "+st.Expires.UTC().Format(time.RFC3339))
}

func (e *Engine) checkUser(r *request, st *stanza) *refusal {
	if len(st.Usernames) == 0 || slices.Contains(st.Usernames, r.msg.User) {
		return nil
	}
	return &refusal{SPAUser, Detail{Want: strings.Join(st.Usernames, ","), Got: r.msg.User}}
}

// checkPassword checks the password of the user in a message, for REQUIRE_AUTH_METHOD crypt.
func (e *Engine) checkPassword(r *request, st *stanza) *refusal {
	if st.AuthMethod == "" {
		return nil
	}
	method, password, ok := strings.Cut(r.msg.ServerAuth, ",")
	if !ok || method != conf.AuthCrypt {
		return refuse(SPAAuthMethod, TextNoPassword)
	}
	match, err := e.password(r.src(), st.ShadowFile, r.msg.User, password)
	switch {
	case err != nil:
		return refuse(SPAAuthMethod, err.Error())
	case !match:
		return refuse(SPAAuthMethod, TextPassword)
	}
	return nil
}

// password reports whether the shadow file has this password for the user.
func (e *Engine) password(src netip.Addr, file, user, password string) (bool, error) {
	switch {
	case e.opts.Password != nil:
		return e.opts.Password(src, file, user, password)
	case e.opts.ShadowHash == nil:
		return false, errNoShadow
	}
	hash, err := e.opts.ShadowHash(file, user)
	if err != nil {
		return false, err
	}
	return crypt.Verify(hash, password)
}

// checkAccess checks that the stanza grants access of the requested kind.
func (e *Engine) checkAccess(r *request, st *stanza) *refusal {
	switch {
	case st.DisableAccess:
		return refuse(SPAPort, TextNoAccess)
	case st.ForwardAccess && st.Dialect == conf.Perl19 && !r.msg.Type.HasNAT():
		return refuse(SPANAT, TextForwardOnly)
	case st.external != nil && r.msg.Type.HasNAT():
		return refuse(SPANAT, "the stanza opens by commands, which translate nothing")
	}
	return nil
}

func (e *Engine) checkTimeout(r *request, st *stanza) *refusal {
	if r.msg.HasTimeout && !st.PermitClientTimeout {
		return refuse(SPATimeout, "PERMIT_CLIENT_TIMEOUT is off")
	}
	return nil
}

// checkPorts requires that every requested port is offered, also by a stanza with
// commands of its own.
func (e *Engine) checkPorts(r *request, st *stanza) *refusal {
	for _, p := range r.msg.Ports {
		if slices.Contains(st.RestrictPorts, p) {
			return &refusal{SPAPort, Detail{Port: p.String(), Text: "in RESTRICT_PORTS"}}
		}
		if !st.OpenPortsAny && !st.PermitClientPorts && !slices.Contains(st.OpenPorts, p) {
			return &refusal{SPAPort, Detail{Port: p.String(), Text: "not in OPEN_PORTS"}}
		}
	}
	return nil
}

// grant sets g to the grant of the message, which lasts life; 0 is for ever.
func (e *Engine) grant(r *request, st *stanza, life time.Duration, g *enforce.Grant) *refusal {
	first, second := r.addresses(st.Stanza)
	setSources(g, st.Stanza, first, second)
	g.Ports, g.Stanza, g.User = portsOf(r.msg.Ports), st.Pos.Line, r.msg.User
	if ends := life > 0 || st.external != nil && st.external.timer > 0; ends && r.now.IsZero() {
		return refuse(SPAStale, knock.NoTime+", so that the grant would have no end")
	}
	if life > 0 {
		g.Expires = r.now.Add(life)
	}
	g.Expires = st.Windows.Until(r.now, g.Expires)
	if st.external != nil {
		st.external.apply(g, r, st.Windows)
		return nil
	}
	e.setDestination(g, r.ev.Dst.Addr())
	if st.ForcesNAT() || r.msg.Type.HasNAT() {
		if ref := e.translate(g, r, st); ref != nil {
			return ref
		}
	}
	if g.NAT == nil {
		g.Output = e.server.Output && (st.OutputAccess || st.Dialect != conf.Perl19)
	}
	return nil
}

// setDestination restricts a grant to the address of ours that the packet came to, by
// ENABLE_DESTINATION_RULE, unless none of its clients can send there.
func (e *Engine) setDestination(g *enforce.Grant, to netip.Addr) {
	if e.server.DestinationRule && (sameFamily(g.Src, to) || g.Also.IsValid() && sameFamily(g.Also.Addr(), to)) {
		g.Dst = to
	}
}

// lifetime returns the duration of the grant, 0 for ever: that of the stanza, or the
// requested one up to MAX_FW_TIMEOUT. A requested 0 is ignored.
func (r *request) lifetime(st *stanza) time.Duration {
	if !r.msg.HasTimeout || r.msg.Timeout == 0 {
		return st.AccessTimeout
	}
	asked := time.Duration(r.msg.Timeout) * time.Second
	if st.MaxAccessTimeout > 0 {
		asked = min(asked, st.MaxAccessTimeout)
	}
	return asked
}

// portsOf returns the ports sorted and without duplicates.
func portsOf(asked []spa.Port) []enforce.Port {
	ports := make([]enforce.Port, len(asked))
	copy(ports, asked)
	slices.SortFunc(ports, func(a, b enforce.Port) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Number, b.Number))
	})
	return slices.Compact(ports)
}

func sameFamily(a, b netip.Addr) bool { return b.IsValid() && a.Is4() == b.Is4() }

// checkCommand requires a stanza that runs commands, and a text (address, comma, command)
// in which its CMD_REGEX, if it has one, matches. Shell syntax is refused unless a shell
// runs the command. The refusal has the text, for CMD_REGEX that which it is matched with.
func (e *Engine) checkCommand(r *request, st *stanza) *refusal {
	switch {
	case !st.CmdExec:
		return &refusal{SPACmdDisabled, Detail{Got: clipped(r.msg.Cmd), Text: TextCmdOff}}
	case st.CmdRegex != nil && !st.CmdRegex.MatchString(r.msg.Text):
		return &refusal{SPACmdRegex, Detail{Want: st.CmdRegex.String(), Got: clipped(r.msg.Text)}}
	case st.CmdShell:
		return nil
	}
	if syntax := enforce.ShellSyntax(r.msg.Cmd, nil); syntax != "" {
		return &refusal{SPACmdDisabled, Detail{Got: clipped(r.msg.Cmd), Text: fmt.Sprintf("%q is shell syntax, and the stanza has no CMD_SHELL Y", syntax)}}
	}
	return nil
}

// maxShownCommand bounds the text of a refused command in a [Detail], in bytes.
const maxShownCommand = 200

// clipped returns the text of a command for a [Detail], cut at a character if it is long.
func clipped(text string) string {
	if len(text) <= maxShownCommand {
		return text
	}
	n := maxShownCommand
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

func (e *Engine) commandFor(r *request, st *stanza) *Command {
	return &Command{
		Text:      r.msg.Cmd,
		From:      strings.TrimSuffix(strings.TrimSuffix(r.msg.Text, r.msg.Cmd), ","),
		User:      st.CmdUser,
		Group:     st.CmdGroup,
		Sudo:      st.CmdSudo,
		SudoUser:  st.CmdSudoUser,
		SudoGroup: st.CmdSudoGroup,
		Shell:     st.CmdShell,
		Timeout:   e.server.CmdTimeout,
		Src:       r.allow(),
	}
}
