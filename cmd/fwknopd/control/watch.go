package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

// watchInterval is how often list --watch looks. It polls: the list is that of the kernel, which
// ends grants by itself and which other programs change too.
const watchInterval = time.Second

// watch implements `fwknopd grants list --watch`, until an interrupt from the terminal.
func (c *command) watch(s Selection) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	return c.watchAt(ctx, s, tick.C)
}

// watchAt looks at once and at each tick. On a terminal it paints the list again each time,
// else it writes what has changed.
func (c *command) watchAt(ctx context.Context, s Selection, tick <-chan time.Time) int {
	paint := !c.JSON() && cli.Terminal(c.stdout)
	var before map[string]enforce.Grant // nil: this is the first look
	known := make(report.Titles)        // also of what is closed
	confirmed := true
	for {
		grants, titles, err := c.look(ctx, s)
		unconfirmed := errors.Is(err, enforce.ErrUnconfirmed)
		switch {
		case ctx.Err() != nil:
			return exitOK
		case err != nil && !unconfirmed:
			return c.fail(err)
		}
		maps.Copy(known, titles)
		var text []byte
		switch now := time.Now(); {
		case paint:
			text = append([]byte("\x1b[H\x1b[2J"), listText(grants, titles, err, now)...)
		case !unconfirmed:
			text, before = c.changes(before, grants, known, now)
		case confirmed: // what has changed is told when the firewall answers
			inputs.PrintError(c.stderr, "fwknopd", err)
		}
		confirmed = !unconfirmed
		if len(text) > 0 {
			if code := c.write(text); code != exitOK {
				return code
			}
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return exitOK
		}
	}
}

// look returns what is open, and what their stanzas are called. It does not outlast ctx, whatever the daemon does.
func (c *command) look(ctx context.Context, s Selection) ([]enforce.Grant, report.Titles, error) {
	type seen struct {
		grants []enforce.Grant
		titles report.Titles
		err    error
	}
	ch := make(chan seen, 1)
	go func() {
		o := newGrantClient(c)
		defer o.close()
		grants, err := o.list(ctx, s)
		ch <- seen{grants, o.titlesOf(grants), err}
	}()
	select {
	case l := <-ch:
		return l.grants, l.titles, l.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// What a line of list --watch says of a grant.
const (
	changeOpen     = "open" // at the first look
	changeOpened   = "opened"
	changeExtended = "extended"
	changeClosed   = "closed"
)

// extensionMin is by how much an end has to be later to be reported: firewalls differ in how
// exactly they give it back.
const extensionMin = time.Second

// changes returns a line for each grant that has changed since before, and what is open now
// by key. before is nil at the first look.
func (c *command) changes(before map[string]enforce.Grant, grants []enforce.Grant, titles report.Titles, now time.Time) (text []byte, after map[string]enforce.Grant) {
	after = enforce.ByKey(grants)
	var gone []enforce.Grant
	for key, g := range before {
		if _, still := after[key]; !still {
			gone = append(gone, g)
		}
	}
	enforce.SortGrants(gone)
	for i := range gone {
		text = append(text, c.change(changeClosed, &gone[i], titles, now)...)
	}
	for i := range grants {
		g := &grants[i]
		old, known := before[g.Key()]
		switch {
		case before == nil:
			text = append(text, c.change(changeOpen, g, titles, now)...)
		case !known:
			text = append(text, c.change(changeOpened, g, titles, now)...)
		case !old.Expires.IsZero() && enforce.Outlives(g.Expires, old.Expires.Add(extensionMin)):
			text = append(text, c.change(changeExtended, g, titles, now)...)
		default:
			after[g.Key()] = old // so that small steps add up
		}
	}
	if before == nil && len(grants) == 0 && !c.JSON() {
		text = []byte(nothingOpen)
	}
	return text, after
}

// change returns the line for a change.
func (c *command) change(what string, g *enforce.Grant, titles report.Titles, now time.Time) []byte {
	switch {
	case c.JSON():
		return report.ChangeJSON(what, g, titles, now)
	case what == changeClosed:
		return fmt.Appendf(nil, "closed %s\n", report.ClosedText(g))
	}
	return fmt.Appendf(nil, "%s %s\n", what, report.OpenText(g, now))
}
