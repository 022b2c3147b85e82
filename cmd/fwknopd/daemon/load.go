package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/fingerprint"
	"fwknopd/policy"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

// load takes the configuration that the monitor offers now. On an error nothing has
// changed.
func (w *worker) load(ctx context.Context) error {
	b := new(bundle)
	if err := w.fetch(ctx, b); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	b.Options.FS, b.Options.Offline = held{b}, true
	l, problems := config.Load(b.Options)
	if problems.Failed() {
		return problems
	}
	store, err := w.openStore(ctx, l)
	if err != nil {
		return err
	}
	before := w.predecessors(store)
	engine, err := w.newEngine(ctx, b, l, joined(store, before))
	if err != nil {
		w.letGo(store)
		return err
	}
	at := resume(b.Positions, time.Now())
	if w.src != nil {
		at = w.src.positions(time.Now())
	}
	w.wait = b.Wait
	src, err := w.sources(ctx, l, at)
	if err != nil {
		w.letGo(store)
		return err
	}
	if w.engine != nil {
		engine.Inherit(w.engine)
	}
	old := w.store
	w.conf, w.loaded, w.engine, w.src = b, l, engine, src
	w.store, w.stored, w.before = store, digestFile(l), before
	w.letGo(old)
	w.teller.stanzas, w.teller.phrases = byLine(l), phrasesOf(l)
	w.waits.use(src.feeds)
	w.tellWaits(ctx)
	return nil
}

func (w *worker) fetch(ctx context.Context, b *bundle) error {
	f, err := w.open(ctx, fileConfig)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBundle))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, b)
}

// open asks the monitor for a file.
func (w *worker) open(ctx context.Context, name string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return w.client.Open(ctx, name)
}

func (w *worker) newEngine(ctx context.Context, b *bundle, l *config.Loaded, store replay.Store) (*policy.Engine, error) {
	opts := policy.Options{
		Server: l.Server, Access: l.Access, Store: store, DeferSync: true,
		Keyring: b.keyrings(l, func(err error) { w.out.putf(recordBad, "OpenPGP: %v", err) }),
		Password: func(file, user, password string) (bool, error) {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			return w.client.CheckPassword(ctx, file, user, password)
		},
		Resolve: resolve,
	}
	total := spa.Rate{PerSecond: float64(l.Values.Int("GPG_RATE"))}
	source := spa.Rate{PerSecond: float64(l.Values.Int("GPG_RATE_SOURCE"))}
	opts.GPGAllowed = spa.NewLimiter(burst(source), burst(total)).Allow
	if wantsSystems(l) {
		set, err := config.SignaturesOf(l.Server.P0fFile, b.Signatures)
		if err != nil {
			return nil, err
		}
		opts.Signatures = fingerprint.NewMatcher(set, l.Server.MaxHops)
	}
	return policy.NewEngine(opts)
}

// burst lets a second's worth through at once.
func burst(r spa.Rate) spa.Rate {
	r.Burst = int(max(r.PerSecond, 1))
	return r
}

func wantsSystems(l *config.Loaded) bool {
	for i := range l.Access.Stanzas {
		if s := &l.Access.Stanzas[i]; s.RequireOS != "" || s.RequireOSRegex != nil {
			return true
		}
	}
	return false
}

func resolve(host string) ([]netip.Addr, error) { return config.Resolve(host, resolveTimeout) }
