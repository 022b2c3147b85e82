package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/keyring"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/schedule"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// load fetches and applies the monitor's current configuration. On an error nothing has
// changed, but [privsep.ErrRestart] is returned with the new configuration in force.
func (w *worker) load(ctx context.Context) error {
	w.client.Loading()
	defer w.client.Alive()
	c := new(privsep.Config)
	if err := w.fetch(ctx, c); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	w.fetched = c.Generation
	l, problems := c.Load()
	if problems.Failed() {
		return problems
	}
	if err := w.enterSandbox(l); err != nil {
		return err
	}
	store, err := w.openStore(ctx, l)
	if err != nil {
		return err
	}
	uses, err := w.fetchUses(ctx)
	if err != nil {
		return err
	}
	e, err := w.newEngine(ctx, c, l, store, uses)
	if err != nil {
		return err
	}
	at := resume(c.Positions, time.Now())
	if w.src != nil {
		at = w.src.positions(time.Now())
	}
	w.wait = c.Wait
	src, err := w.sources(ctx, l, at)
	if err != nil {
		return err
	}
	if w.engine != nil {
		e.Inherit(w.engine)
	}
	w.conf, w.loaded, w.engine, w.src = c, l, e, src
	w.store, w.storePath = store, engine.DigestFile(l.Server)
	w.setGroup()
	w.waits.setSpecs(src.specs)
	w.sendWaits(ctx)
	if w.outgrown(src.specs) {
		return privsep.ErrRestart
	}
	w.out.put(privsep.RecordTaken, report.Taken{Generation: c.Generation})
	return nil
}

// fetch requests the configuration from the monitor and decodes it into c.
func (w *worker) fetch(ctx context.Context, c *privsep.Config) error {
	text, err := w.read(ctx, privsep.FileConfig)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, c)
}

// fetchUses requests from the monitor how often stanzas have granted.
func (w *worker) fetchUses(ctx context.Context) (schedule.Counts, error) {
	text, err := w.read(ctx, privsep.FileUses)
	if err != nil {
		return schedule.Counts{}, err
	}
	return schedule.ParseCounts(text)
}

// recount takes over the counts of the monitor if something was not opened that the engine has
// counted: what the monitor refuses is no use.
func (w *worker) recount(ctx context.Context) {
	if w.unopened.Load() && w.unopened.Swap(false) && w.engine.CountsUses() {
		w.takeUses(ctx)
	}
}

// takeUses takes over the counts of the monitor.
func (w *worker) takeUses(ctx context.Context) {
	uses, err := w.fetchUses(ctx)
	if err != nil {
		w.out.warnf("uses of stanzas: %v", err)
		return
	}
	w.engine.TakeUses(uses)
}

// read requests a file from the monitor and reads it.
func (w *worker) read(ctx context.Context, name string) ([]byte, error) {
	f, err := w.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, privsep.MaxConfig))
}

func (w *worker) newEngine(ctx context.Context, c *privsep.Config, l *config.Loaded, store replay.Store, uses schedule.Counts) (*policy.Engine, error) {
	var claim func(policy.Claim) policy.ClaimAnswer
	if c.Fleet {
		claim = w.claims.claim
	}
	return engine.New(engine.Options{
		Claim:  claim,
		Loaded: l, Store: store, DeferSync: true, Uses: uses,
		Delivery: func() []byte { return w.src.delivery() },
		Keyring:  keyrings(c, l, func(err error) { w.out.warnf("OpenPGP: %v", err) }),
		Password: func(src netip.Addr, file, user, password string) (bool, error) {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			return w.client.CheckPassword(ctx, src, file, user, password)
		},
		Resolve: func(host string) ([]netip.Addr, error) {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			return w.client.Resolve(ctx, host)
		},
		ReadFile: func(string) ([]byte, error) { return c.Signatures, nil },
	})
}

// keyrings returns a function that finds the keyring of a stanza among the keys that
// the monitor passed to the worker.
func keyrings(c *privsep.Config, l *config.Loaded, note func(error)) func(*conf.GPG) (*spa.Keyring, error) {
	keys := make(map[*conf.GPG]*keyring.Keys)
	n := 0
	for i := range l.Access.Stanzas {
		if g := l.Access.Stanzas[i].GPG; g != nil && n < len(c.Keys) {
			keys[g] = c.Keys[n]
			n++
		}
	}
	return func(g *conf.GPG) (*spa.Keyring, error) {
		k := keys[g]
		if k == nil {
			return nil, errors.New("the monitor handed no keys over")
		}
		ring, err := k.Keyring(g)
		if ring != nil && err != nil {
			note(err)
		}
		return ring, err
	}
}
