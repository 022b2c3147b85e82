package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/schedule"
	"fwknopd/policy/conf"
)

// The files of ACCESS_USES in the state directory. usesBegun is empty and made with the first
// usesFile: without it a missing usesFile is that of a first start.
const (
	usesFile  = "uses.state"
	usesBegun = "uses.begun"
)

func (d *daemon) statePath(name string) string { return filepath.Join(d.conf().Server.StateDir, name) }

// loadUses reads how often stanzas have granted. If that is not known, the counts say why:
// stanzas with ACCESS_USES then refuse until their counts are reset.
func (d *daemon) loadUses() schedule.Counts {
	if d.o.Test {
		return schedule.Counts{}
	}
	path := d.statePath(usesFile)
	text, err := readOwn(path)
	if err == nil {
		var counts schedule.Counts
		if counts, err = schedule.ParseCounts(text); err == nil {
			return counts
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, begun := os.Lstat(d.statePath(usesBegun)); errors.Is(begun, fs.ErrNotExist) {
			return schedule.Counts{}
		}
		err = errors.New("it is missing, and uses were counted before")
	}
	return schedule.Counts{Doubt: fmt.Sprintf("%s: %v", path, err)}
}

// saveUses writes the counts, and returns when they are on disk.
func (d *daemon) saveUses(counts *schedule.Counts) error {
	if d.o.Test {
		return nil
	}
	text, err := counts.Format()
	if err != nil {
		return err
	}
	if err := replaceOwn(d.statePath(usesFile), text); err != nil {
		return err
	}
	if _, err := os.Lstat(d.statePath(usesBegun)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return replaceOwn(d.statePath(usesBegun), nil)
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
			d.alertf(warning, "stanza %s refuses, as its ACCESS_USES are not known: %s; fwknopd grants uses --reset %[1]s counts anew", u.Name, privsep.Sanitize(doubt))
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
	d.word.awaitCount(ctx, func() { d.mon.Notify(privsep.NoticeCount) }) // the worker reads one notice after the other
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
