package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/state"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
)

// orderedFile in the state directory has when the last order was stored that this gateway has heard: those
// that are stored while it does not run, or is cut off, come when it is back.
const orderedFile = "fleet.ordered"

// lateRetry is how long a late order waits that could not be carried out.
const lateRetry = 5 * time.Second

// heardLate carries an order out that the fleet has stored, and has the next one come. Until ctx ends it is
// tried again.
func (f *fleet) heardLate(ctx context.Context, c *fleetlink.Control, late fleetlink.LateOrder) {
	for !f.carryOutLate(late) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lateRetry):
		}
	}
	f.noteOrdered(late.Stored)
	_ = c.Taken() // without the process, the next one begins behind it
}

// carryOutLate closes what is open for messages from before the order. It reports false if that is to be
// tried again.
func (f *fleet) carryOutLate(late fleetlink.LateOrder) bool {
	cfg := f.wanted()
	if cfg == nil {
		return true
	}
	signer, err := fleetlink.NewSigner(cfg)
	if err != nil {
		return true
	}
	o, err := signer.ReadOrder(late.From, []byte(late.Text))
	if err != nil || !o.IsFor(cfg.Name) {
		return true
	}
	if _, known := f.orders.find(o); known {
		return true
	}
	answer := fleetlink.Done{By: cfg.Name, From: o.From, Serial: o.Serial}
	retry := false
	if age := time.Since(o.At); age < -orderTolerance || age > fleetlink.LateTime+orderTolerance {
		answer.Error = "the order is too old, or of the future"
	} else if f.revoke(&o, true, &answer); answer.Error == "" {
		f.orders.note(&o, answer)
	} else {
		retry = true
	}
	f.logf(info, "fleet: %s has ordered at %s to revoke grants: %s", o.From, o.At.Format(time.RFC3339), revokedLine(answer))
	return !retry
}

// earlier has what a monitor has open for messages up to a time.
type earlier struct {
	*monitor.Monitor
	until time.Time
}

func (e earlier) List(ctx context.Context) ([]enforce.Grant, error) {
	open, err := e.Monitor.List(ctx)
	return slices.DeleteFunc(open, func(g enforce.Grant) bool { return e.AskedSince(g, e.until) }), err
}

func (e earlier) Flush(ctx context.Context) error {
	open, err := e.List(ctx)
	for _, g := range open {
		err = errors.Join(err, e.Revoke(ctx, g))
	}
	return err
}

// revokedLine says what was done about an order.
func revokedLine(d fleetlink.Done) string {
	return strings.TrimSuffix(report.FleetRevokedText([]report.FleetRevoked{revokedOf(d)}), "\n")
}

// ordered is the content of orderedFile.
type ordered struct {
	Ordered time.Time `json:"ordered"`
}

// loadOrdered reads when the last order was stored that was heard. A gateway that has never been in a fleet
// has missed none.
func (f *fleet) loadOrdered() {
	var o ordered
	text, err := state.Read(f.orderedPath())
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err == nil {
		f.ordered = o.Ordered
		return
	}
	if !errors.Is(err, fs.ErrNotExist) {
		f.d.logf(warning, "%s: %v; orders of the fleet to revoke from before this start are not carried out", f.orderedPath(), err)
	}
	f.noteOrdered(f.started.Add(-policy.ClockSkew))
}

func (f *fleet) lastOrdered() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ordered
}

// noteOrdered notes when an order was stored that is dealt with, as the fleet process says.
func (f *fleet) noteOrdered(stored time.Time) {
	if latest := time.Now().Add(orderTolerance); stored.After(latest) {
		stored = latest
	}
	f.mu.Lock()
	older := !stored.After(f.ordered)
	if !older {
		f.ordered = stored
	}
	f.mu.Unlock()
	if older {
		return
	}
	text, err := json.Marshal(ordered{stored.UTC()})
	if err == nil {
		err = state.Replace(f.orderedPath(), text)
	}
	if err != nil {
		f.d.logf(warning, "orders of the fleet to revoke: %v", err)
	}
}

func (f *fleet) orderedPath() string {
	return filepath.Join(f.d.conf().Server.StateDir, orderedFile)
}
