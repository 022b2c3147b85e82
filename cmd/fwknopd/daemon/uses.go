package daemon

import (
	"context"
	"fmt"
	"os"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/state"
	"fwknopd/enforce/schedule"
	"fwknopd/policy/conf"
)

// loadUses reads how often stanzas have granted, see [state.LoadUses].
func (d *daemon) loadUses() schedule.Counts {
	if d.o.Test {
		return schedule.Counts{}
	}
	return state.LoadUses(d.conf().Server.StateDir)
}

// saveUses writes the counts, and returns when they are on disk.
func (d *daemon) saveUses(counts *schedule.Counts) error {
	if d.o.Test {
		return nil
	}
	return state.SaveUses(d.conf().Server.StateDir, counts)
}

// openUses returns the counts as the worker reads them.
func (d *daemon) openUses() (*os.File, error) {
	counts := d.mon.Uses()
	text, err := counts.Format()
	if err != nil {
		return nil, err
	}
	return sealedFile(text)
}

// warnUses reports that stanzas refuse as it is not known how often they granted.
func (d *daemon) warnUses() {
	doubt := d.mon.Uses().Doubt
	if doubt == "" {
		return
	}
	for _, u := range d.uses() {
		if u.Unknown != "" {
			d.alertf(warning, "%s; fwknopd grants uses --reset %s counts anew", report.UsesUnknownText(u.Name, privsep.Sanitize(doubt)), u.Name)
		}
	}
}

// uses returns the uses of the stanzas that have a number of them and open something.
func (d *daemon) uses() []report.Uses {
	counts, now := d.mon.Uses(), time.Now()
	list := []report.Uses{}
	access := d.conf().Access
	for i := range access.Stanzas {
		st := &access.Stanzas[i]
		if st.Uses.IsZero() || st.Shadow {
			continue
		}
		u := report.Uses{Name: st.Name, Max: st.Uses.Max, Limit: st.Uses.String()}
		used, err := counts.Used(st.Name, st.Uses, now)
		if err != nil {
			u.Unknown = privsep.Sanitize(err.Error())
		} else {
			u.Used, u.Left = used, max(st.Uses.Max-used, 0)
		}
		list = append(list, u)
	}
	return list
}

// usesOnRequest returns the uses of the stanzas, after a reset of that with the NAME reset if
// it is not "". The worker knows of the reset when it returns, if it answers in time.
func (d *daemon) usesOnRequest(ctx context.Context, reset string) ([]report.Uses, error) {
	if reset == "" {
		return d.uses(), nil
	}
	st, err := d.conf().countedStanza(reset)
	if err != nil {
		return nil, err
	}
	if err := d.mon.ResetUses(st.Name); err != nil {
		return nil, err
	}
	d.logf(info, "uses of stanza %s are counted from zero", st.Name)
	d.mon.Notify(privsep.NoticeUses)
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	d.reported.awaitCount(ctx, func() { d.mon.Notify(privsep.NoticeCount) }) // the worker reads one notice after the other
	return d.uses(), nil
}

// countedStanza returns the stanza with a NAME, which must have ACCESS_USES. It may be off.
func (s *setup) countedStanza(name string) (*conf.Stanza, error) {
	var unfit error
	for st := range s.Access.All() {
		switch {
		case !isNamed(st, name):
		case st.Uses.IsZero():
			unfit = fmt.Errorf("stanza %s has no ACCESS_USES", name)
		case st.Shadow:
			unfit = fmt.Errorf("stanza %s has SHADOW Y: it opens nothing, and its uses are not kept but counted from zero by each worker", name)
		default:
			return st, nil
		}
	}
	if unfit != nil {
		return nil, unfit
	}
	_, err := s.stanzasNamed(name)
	return nil, err
}
