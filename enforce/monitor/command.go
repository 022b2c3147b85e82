package monitor

import (
	"cmp"

	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/quote"
)

// maxCommands is how many SPA commands run at a time; more are refused.
const maxCommands = 8

// command checks a request for a command against the policy and starts it. Its result is
// an event.
func (m *Monitor) command(c Command) error {
	_, err := m.resolveCommand(c)
	if err != nil {
		err = Refusal(err)
	} else {
		err = m.startCommand(c)
	}
	if err != nil {
		m.reportRefused(Event{Command: c, Err: err})
	}
	return err
}

// startCommand runs a command on its own goroutine. It does not take m.mu: a firewall
// that is slow does not delay commands, nor what the worker requests after them. Nor does it hold
// m.endMu while a use is written.
func (m *Monitor) startCommand(c Command) error {
	if m.isEnding() {
		return ErrGone
	}
	select {
	case m.commandSlots <- struct{}{}:
	default:
		return errBusy
	}
	program, err := m.countCommand(c)
	if err != nil {
		err = Refusal(err)
	} else {
		err = m.runCommand(c, program)
	}
	if err != nil {
		<-m.commandSlots
	}
	return err
}

// countCommand counts a use of the stanza, and returns the program to run by the policy that holds
// when the use is written.
func (m *Monitor) countCommand(c Command) (command.Command, error) {
	name, limit := m.currentPolicy().Limits.Uses(c.Stanza)
	one, err := m.uses.take(name, limit, m.clock.read().wall)
	if err != nil {
		return command.Command{}, err
	}
	if !one.fits(m.currentPolicy().Limits.Uses(c.Stanza)) {
		return command.Command{}, errOtherUses
	}
	return m.resolveCommand(c)
}

// isEnding reports whether no more commands are started.
func (m *Monitor) isEnding() bool {
	m.endMu.Lock()
	defer m.endMu.Unlock()
	return m.ending
}

// runCommand runs a command that has a slot, which it leaves at its end.
func (m *Monitor) runCommand(c Command, program command.Command) error {
	m.endMu.Lock()
	defer m.endMu.Unlock()
	if m.ending {
		return ErrGone
	}
	m.commands.Go(func() {
		defer func() { <-m.commandSlots }()
		result, err := command.Run(m.commandLife, program)
		m.events.add(Event{Time: m.clock.read().wall, Kind: CommandRan, Command: c, Err: err, Result: Result{
			Status: result.Status, Output: result.Output, TimedOut: result.TimedOut, Took: result.Took,
		}})
	})
	return nil
}

// resolveCommand returns the program to run for a command. Only the text comes from the
// request.
func (m *Monitor) resolveCommand(c Command) (command.Command, error) {
	policy := m.currentPolicy()
	limit, err := policy.Limits.Command(c.Stanza, c.From, c.Text, m.clock.read().wall)
	if err != nil {
		return command.Command{}, err
	}
	argv, err := m.argv(limit, c.Text)
	return command.Command{
		Argv: argv, User: limit.User, Group: limit.Group,
		Environment: m.cfg.Environment, Timeout: limit.Timeout,
	}, err
}

// argv returns the argument vector that the stanza configures: the text passed to a shell
// or split at blanks, and with sudo or without.
func (m *Monitor) argv(limit enforce.CommandLimit, text string) ([]string, error) {
	argv := []string{cmp.Or(m.cfg.Shell, "/bin/sh"), "-c", text}
	if !limit.Shell {
		var err error
		if argv, err = quote.Shell.Split(text); err != nil {
			return nil, err
		}
	}
	if len(argv) == 0 || argv[0] == "" {
		return nil, command.ErrEmpty
	}
	if !limit.Sudo {
		return argv, nil
	}
	sudo := []string{cmp.Or(m.cfg.Sudo, "/usr/bin/sudo"), "-n"}
	if limit.SudoUser != "" {
		sudo = append(sudo, "-u", limit.SudoUser)
	}
	if limit.SudoGroup != "" {
		sudo = append(sudo, "-g", command.GroupName(limit.SudoGroup))
	}
	return append(append(sudo, "--"), argv...), nil
}
