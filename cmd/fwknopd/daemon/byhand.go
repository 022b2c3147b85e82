package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// openByHand opens what the administrator asks for, within what a stanza offers, as
// [control.Host] describes.
func (d *daemon) openByHand(ctx context.Context, a control.Addition) (open []enforce.Grant, blocked []string, err error) {
	g, err := d.conf().grantByHand(a, time.Now())
	if err != nil {
		return nil, nil, err
	}
	if err := d.mon.Apply(ctx, g); err != nil {
		return nil, nil, err
	}
	listed, err := d.mon.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	parts := enforce.ByKey(g.Split())
	for _, l := range listed {
		if _, asked := parts[l.Key()]; asked {
			open = append(open, l)
		}
	}
	if len(open) < len(parts) {
		return nil, nil, errors.New("the firewall took it, and does not list it now")
	}
	if g.External != nil {
		return open, nil, nil
	}
	if blocked, err = d.blocked(ctx, g); err != nil {
		return nil, nil, fmt.Errorf("it is in the firewall; whether another chain drops it is not known: %w", err)
	}
	return open, blocked, nil
}

// grantByHand returns the grant that the stanza named in a offers, else the only stanza
// that offers it.
func (s *setup) grantByHand(a control.Addition, now time.Time) (enforce.Grant, error) {
	asked, err := s.stanzasNamed(a.Stanza)
	if err != nil {
		return enforce.Grant{}, err
	}
	h := policy.ByHand{Src: a.Src, Dst: a.Dst, Ports: a.Ports, Lifetime: a.For}
	var offers []enforce.Grant
	var names, refusals []string
	for _, st := range asked {
		g, ref := h.Grant(s.Server, st, now)
		if ref != nil {
			err = errors.New(report.Describe(ref.Reason, &ref.Detail))
		} else {
			err = s.policy.Limits.Check(g, now)
		}
		if err != nil {
			refusals = append(refusals, fmt.Sprintf("stanza %s: %v", nameOf(st), err))
			continue
		}
		offers, names = append(offers, g), append(names, nameOf(st))
	}
	switch {
	case len(offers) == 1, len(offers) > 1 && a.Stanza != "":
		return offers[0], nil
	case len(offers) > 1:
		return enforce.Grant{}, fmt.Errorf("%d stanzas offer it, say which by --stanza: %s", len(offers), some(names, ", "))
	case len(refusals) == 1:
		return enforce.Grant{}, errors.New(refusals[0])
	}
	return enforce.Grant{}, fmt.Errorf("no stanza offers it: %s", some(refusals, "; "))
}

// stanzasNamed returns the stanzas with a NAME or a line, which those of several files may
// have; with "" all.
func (s *setup) stanzasNamed(text string) (named []*conf.Stanza, err error) {
	all := s.Access.Stanzas
	if text != "" {
		if _, err := s.Access.Line(text); err != nil {
			return nil, err
		}
	}
	for i := range all {
		if st := &all[i]; text == "" || isNamed(st, text) {
			named = append(named, st)
		}
	}
	if text != "" && len(named) == 0 {
		for i := range s.Access.Off {
			if isNamed(&s.Access.Off[i], text) {
				return nil, fmt.Errorf("stanza %s is off (ENABLED N)", text)
			}
		}
		return nil, fmt.Errorf("no stanza begins in line %s", text)
	}
	return named, nil
}

// isNamed reports whether a text is the NAME or the line of a stanza.
func isNamed(st *conf.Stanza, text string) bool {
	return text == st.Name || text == strconv.Itoa(st.Pos.Line)
}

// nameOf returns what --stanza calls a stanza: its NAME, or its line.
func nameOf(st *conf.Stanza) string { return cmp.Or(st.Name, strconv.Itoa(st.Pos.Line)) }

// maxNamed bounds a list in an answer.
const maxNamed = 8

// some joins the first of a list.
func some(list []string, separator string) string {
	text := strings.Join(list[:min(len(list), maxNamed)], separator)
	if more := len(list) - maxNamed; more > 0 {
		text += fmt.Sprintf("%sand %d more", separator, more)
	}
	return text
}
