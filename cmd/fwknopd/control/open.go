package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/enforce/external"
)

// openings are what is open, and the way to close it: through the daemon where one
// runs, which would open again what was closed behind its back.
type openings struct {
	*config.Loaded
	socket string
	fw     *firewall.Firewall // nil: FIREWALL_TYPE external_cmd
}

func openOpenings(ctx context.Context, l *config.Loaded) (*openings, error) {
	fw, err := firewall.Open(ctx, l)
	if err != nil {
		return nil, err
	}
	return &openings{l, SocketPath(l.Server.PIDFile), fw}, nil
}

func (o *openings) close() {
	if o.fw != nil {
		o.fw.Close()
	}
}

// list is what the kernel has of s; the daemon adds whom it is for.
func (o *openings) list(ctx context.Context, s Selection) ([]enforce.Grant, error) {
	return o.ask(request{"list", s}, func(k Keeper) ([]enforce.Grant, error) { return selected(ctx, k, s) })
}

// revoke closes what is open of s, and returns it.
func (o *openings) revoke(ctx context.Context, s Selection) ([]enforce.Grant, error) {
	return o.ask(request{"revoke", s}, func(k Keeper) ([]enforce.Grant, error) { return revoke(ctx, k, s) })
}

// flush closes everything.
func (o *openings) flush(ctx context.Context) error {
	_, err := o.ask(request{Do: "flush"}, func(k Keeper) ([]enforce.Grant, error) { return nil, k.Flush(ctx) })
	return err
}

// ask has the daemon do it, or does it if none runs.
func (o *openings) ask(req request, alone func(Keeper) ([]enforce.Grant, error)) ([]enforce.Grant, error) {
	a, err := ask(o.socket, req)
	if err == nil {
		return a.Grants, nil
	}
	away := errors.Is(err, errNoDaemon)
	if !away && !errors.Is(err, errNoAnswer) {
		return nil, fmt.Errorf("daemon: %w", err)
	}
	if !away || req.Do != "list" { // looking does no harm
		if pid := o.stays(); pid != 0 && away {
			return nil, fmt.Errorf("the daemon (pid %d) does not listen at %s, and would open again what is closed behind its back", pid, o.socket)
		} else if pid != 0 {
			return nil, fmt.Errorf("daemon: %w", err)
		}
	}
	k, done, err := o.keeper()
	if err != nil || k == nil {
		return nil, err
	}
	defer done()
	return alone(k)
}

// endingTime is how long a daemon that no longer answers may take to be gone.
const endingTime = time.Second

// stays returns the process number of a daemon that runs and is not just ending, 0 if
// there is none.
func (o *openings) stays() (pid int) {
	d, err := find(o.Server.PIDFile)
	if err != nil || d.pid == 0 {
		return 0
	}
	p, err := d.hold()
	if err != nil {
		return d.pid
	}
	if p == nil {
		return 0
	}
	defer p.close()
	if p.ends(endingTime) {
		return 0
	}
	return d.pid
}

// pendingCloses is the journal of external commands, see [config.Loaded.StateDir].
const pendingCloses = "external.pending"

// keeper is the firewall, or what is pending of external commands; nil if there
// was never any.
func (o *openings) keeper() (k Keeper, done func(), err error) {
	if o.fw != nil {
		return o.fw, func() {}, nil
	}
	journal := filepath.Join(o.Server.StateDir, pendingCloses)
	if _, err := os.Stat(journal); errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	e, err := external.New(external.Config{Journal: journal})
	if err != nil {
		return nil, nil, err
	}
	return commands{e}, func() { e.Close() }, nil
}

// commands are a Keeper of external commands.
type commands struct{ *external.Enforcer }

// Flush runs every closing command that is pending.
func (c commands) Flush(ctx context.Context) error {
	pending, err := c.List(ctx)
	for _, g := range pending {
		err = errors.Join(err, c.Revoke(ctx, g))
	}
	return err
}
