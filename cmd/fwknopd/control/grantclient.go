package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/external"
	"fwknopd/policy/conf"
)

// A grantClient lists and revokes grants: through the daemon if one runs, which
// would restore grants removed without it, else directly in the firewall.
type grantClient struct {
	*config.Loaded
	options *cli.Options
	socket  string
	opened  bool
	fw      *firewall.Firewall // nil: not opened, or FIREWALL_TYPE external_cmd
	asked   bool               // a daemon answered
	titles  report.Titles      // of its answer
}

func newGrantClient(c *command) *grantClient {
	return &grantClient{Loaded: c.Loaded, options: c.Options, socket: SocketPath(c.Server.PIDFile)}
}

// line returns the line of a stanza by its NAME or line, from the files as they are now.
func (o *grantClient) line(stanza string) (int, error) {
	return o.access().Line(stanza)
}

// access returns the stanzas of the files as they are now, as far as they can be read.
func (o *grantClient) access() *conf.Access {
	opts := config.FromFlags(o.options)
	opts.Offline = true
	l, _ := config.Load(opts)
	return l.Access
}

// titlesOf returns what the stanzas of grants are called: by the daemon that answered, else by
// the files.
func (o *grantClient) titlesOf(grants []enforce.Grant) report.Titles {
	if o.asked || !slices.ContainsFunc(grants, func(g enforce.Grant) bool { return g.Stanza != 0 }) {
		return o.titles
	}
	return report.TitlesOf(o.access(), grants)
}

// openFirewall opens the firewall, unless that has been done. A daemon that runs is asked
// without it, so that a program of the firewall that hangs does not delay the answer.
func (o *grantClient) openFirewall(ctx context.Context) (err error) {
	if !o.opened {
		o.fw, err = firewall.Open(ctx, o.Loaded)
		o.opened = err == nil
	}
	return err
}

func (o *grantClient) close() {
	if o.fw != nil {
		o.fw.Close()
	}
}

// list returns the grants in the kernel that s selects; the daemon adds their users. If
// the firewall does not answer, it returns those that the daemon has opened, with
// [enforce.ErrUnconfirmed].
func (o *grantClient) list(ctx context.Context, s Selection) ([]enforce.Grant, error) {
	a, err := o.do(ctx, request{Do: "list", Select: s}, func(k localCutter, req request) (a answer, err error) {
		a.Grants, err = listSelected(ctx, k, req.Select)
		return a, err
	})
	return a.Grants, err
}

// revoke revokes the grants that s selects and returns them. connections is one of the values
// of request.Connections.
func (o *grantClient) revoke(ctx context.Context, s Selection, connections string) (answer, error) {
	return o.do(ctx, request{Do: "revoke", Select: s, Connections: connections}, func(k localCutter, req request) (answer, error) {
		return revokeSelected(ctx, k, k.rejecter(), req, o.Server.GuardForward)
	})
}

// flush revokes all grants.
func (o *grantClient) flush(ctx context.Context) error {
	_, err := o.do(ctx, request{Do: "flush"}, func(k localCutter, _ request) (answer, error) { return answer{}, k.Flush(ctx) })
	return err
}

// do sends req to the daemon, or calls direct if none runs.
func (o *grantClient) do(ctx context.Context, req request, direct func(localCutter, request) (answer, error)) (answer, error) {
	a, err := ask(o.socket, req)
	if err == nil {
		o.asked, o.titles = true, a.Titles
	}
	switch {
	case err == nil && a.Unconfirmed:
		return *a, enforce.ErrUnconfirmed
	case err == nil:
		return *a, nil
	}
	if err := o.withoutDaemon(req, err); err != nil {
		return answer{}, err
	}
	if err := req.Select.resolve(o.line); err != nil {
		return answer{}, err
	}
	if err := o.openFirewall(ctx); err != nil {
		return answer{}, err
	}
	k, done, err := o.localEnforcer()
	if err != nil || k == nil {
		return answer{}, err
	}
	defer done()
	return direct(localCutter{k, o.access, o.Server.GuardForward}, req)
}

// withoutDaemon returns an error unless the request may be done here, although the daemon
// was asked and returned err.
func (o *grantClient) withoutDaemon(req request, err error) error {
	noDaemon := errors.Is(err, errNoDaemon)
	if !noDaemon && !errors.Is(err, errNoAnswer) {
		return fmt.Errorf("daemon: %w", err)
	}
	if noDaemon && req.Do == "list" { // listing changes nothing
		return nil
	}
	switch pid := o.runningPID(); {
	case pid != 0 && noDaemon:
		return fmt.Errorf("the daemon (pid %d) does not listen at %s, and would open again what is closed behind its back", pid, o.socket)
	case pid != 0:
		return fmt.Errorf("daemon: %w", err)
	}
	return nil
}

// exitGrace is how long a daemon that no longer answers may take to exit.
const exitGrace = time.Second

// runningPID returns the pid of a daemon that runs and is not about to exit, else 0.
func (o *grantClient) runningPID() (pid int) {
	d, err := findDaemon(o.Server.PIDFile)
	if err != nil || d.pid == 0 {
		return 0
	}
	p, err := d.openProcess()
	if err != nil {
		return d.pid
	}
	if p == nil {
		return 0
	}
	defer p.close()
	if p.waitExit(exitGrace) {
		return 0
	}
	return d.pid
}

// externalJournal is the journal of external commands, in the state directory.
const externalJournal = "external.pending"

// localEnforcer returns the firewall, or for external commands their journal; nil
// if that does not exist.
func (o *grantClient) localEnforcer() (k Enforcer, done func(), err error) {
	if o.fw != nil {
		return o.fw, func() {}, nil
	}
	journal := filepath.Join(o.Server.StateDir, externalJournal)
	if _, err := os.Stat(journal); errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	e, err := external.New(external.Config{Journal: journal})
	if err != nil {
		return nil, nil, err
	}
	return externalCommands{e}, func() { e.Close() }, nil
}

// externalCommands is the [Enforcer] of external commands.
type externalCommands struct{ *external.Enforcer }

// Flush runs every pending close command.
func (c externalCommands) Flush(ctx context.Context) error {
	pending, err := c.List(ctx)
	for _, g := range pending {
		err = errors.Join(err, c.Revoke(ctx, g))
	}
	return err
}
