// Package top implements fwknopd top: a live view of a running daemon. On a terminal it paints
// what is open, the last events and the rates of the sources ([model]); elsewhere it writes a
// line for each event.
//
// Colors are written as control sequences (package ansi). The library lipgloss is left out on
// purpose: it looks at the terminal, and runs tmux, when any program that contains it starts.
//
// Entry point: [Run].
package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

// A daemon is what a view asks; [control.Live] is the running one.
type daemon interface {
	Status() (*report.Status, error)
	Grants() ([]enforce.Grant, report.Titles, error)
	Revoke(key string) error
	Follow(ctx context.Context, last int, take func([][]byte)) error
}

const (
	maxEvents  = 1000 // that a view has
	plainFirst = 10   // events of before, where there is no terminal
	// framesPerSecond bounds how often the screen is written.
	framesPerSecond = 10
)

// Run runs the command and returns its exit code: 1 if no daemon runs.
func Run(args []string, stdout, stderr io.Writer) int {
	o, live, code := control.OpenLive(cli.Top, args, stdout, stderr)
	if o == nil {
		return code
	}
	paint := !o.JSON() && cli.Terminal(stdout)
	last := plainFirst
	if paint {
		last = maxEvents
	}
	if o.Set("last") {
		last = o.Last
	}
	if len(o.Operands) > 0 || last > maxEvents {
		return cli.Top.Refuse(stderr, fmt.Errorf("no operands, and --last at most %d", maxEvents))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	status, err := live.Status()
	if err == nil && paint {
		err = show(ctx, live, status, last, stdout)
	} else if err == nil {
		err = printEvents(ctx, live, last, o.JSON(), stdout, stderr)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(stderr, "fwknopd top: %v\n", cli.Rights(err))
		return 1
	}
	return 0
}

// show paints the view until the user quits.
func show(ctx context.Context, d daemon, status *report.Status, last int, stdout io.Writer) error {
	profile := colorprofile.ASCII
	if cli.Color(stdout) {
		profile = colorprofile.ANSI
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newModel(d, time.Local)
	m.takeStatus(statusMsg{status: status, at: time.Now()})
	runtime.GOMAXPROCS(1) // one is enough, and wakes fewer threads
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithOutput(cli.File(stdout)), tea.WithColorProfile(profile),
		tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler())
	go follow(ctx, d, last, func(objects [][]byte) { p.Send(eventsMsg(objects)) }, func(err error) { p.Send(linkMsg{err}) })
	_, err := p.Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return nil // by a signal
	}
	return err
}
