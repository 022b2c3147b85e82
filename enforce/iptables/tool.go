package iptables

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	goipt "github.com/coreos/go-iptables/iptables"

	"fwknopd/enforce/command"
	"fwknopd/enforce/ruleset"
)

// A tool is iptables or ip6tables, with the restore program beside it.
type tool struct {
	ipt     *goipt.IPTables // at path, for single commands; see limited
	path    string
	restore string
	v6      bool
	nft     bool // the nf_tables variant
	alarm   time.Duration
	pids    *pidRing // of runs of restore
}

// ErrFamily is the refusal of a grant for whose address family there is no
// program.
var ErrFamily = errors.New("no program for this address family")

// maxListing bounds the output of a program; a rule takes some 200 bytes.
const maxListing = 64 << 20

// open finds the program and its variant. path "" is the usual name.
func open(ctx context.Context, path string, v6 bool, alarm time.Duration, pids *pidRing) (*tool, error) {
	t := &tool{v6: v6, alarm: alarm, pids: pids}
	name := "iptables"
	if v6 {
		name = "ip6tables"
	}
	found, layer, err := find(ctx, cmp.Or(path, name), alarm)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	t.path, t.nft = found, layer == ruleset.IPTablesNFT
	t.restore = found + "-restore"
	if _, err := exec.LookPath(t.restore); err != nil {
		return nil, fmt.Errorf("find %s: %w", filepath.Base(t.restore), err)
	}
	if t.ipt, err = newLibrary(ctx, t); err != nil {
		return nil, fmt.Errorf("probe %s: %w", found, err)
	}
	return t, nil
}

// path6 is the IPv6 program that belongs to an IPv4 one.
func path6(path4 string) string {
	dir, base := filepath.Split(path4)
	return dir + strings.Replace(base, "iptables", "ip6tables", 1)
}

// name is the program in messages.
func (t *tool) name() string {
	if t.v6 {
		return "ip6tables"
	}
	return "iptables"
}

// dump begins to list a table, or the chain of it that is given, see [command.Begin].
func (t *tool) dump(ctx context.Context, table string, chain ...string) (output func() (string, error)) {
	argv := append([]string{t.path, "-t", table, "-w", t.wait(), "-S"}, chain...)
	return command.Begin(ctx, t.command(argv...))
}

// command returns a run of one of the programs, limited in time.
func (t *tool) command(argv ...string) command.Command {
	return command.Command{
		Argv: argv, Environment: os.Environ(), Timeout: t.alarm, MaxOutput: maxListing, KillAtOnce: true,
	}
}

// wait is how many seconds a program waits for the lock of the tables.
func (t *tool) wait() string { return strconv.Itoa(t.waitSeconds()) }

func (t *tool) waitSeconds() int { return max(int(t.alarm.Seconds()), 1) }

// exitNotThere is the status for a chain or rule that does not exist.
const exitNotThere = 1

// isNotThere reports whether a program failed as there is no such chain or rule.
func isNotThere(err error) bool {
	var e *command.FailedError
	return errors.As(err, &e) && e.Status == exitNotThere
}

// isNoTable reports whether a program failed as this kernel does not have the table.
func isNoTable(err error, table string) bool {
	const exitNoTable = 3
	var e *command.FailedError
	return table != "filter" && errors.As(err, &e) && e.Status == exitNoTable
}

// isHanging reports whether a program did not end in time, or was not waited for any
// longer. It is not tried again: that would take as long again.
func isHanging(err error) bool {
	return errors.Is(err, command.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// A script is a text for iptables-restore: commands by table. All commands of a
// table take effect together, or none.
type script struct{ nat, filter, other []string }

func (s *script) add(table, line string) {
	switch table {
	case "nat":
		s.nat = append(s.nat, line)
	case "filter":
		s.filter = append(s.filter, line)
	default:
		s.other = append(s.other, table+" "+line)
	}
}

func (s *script) empty() bool { return len(s.nat)+len(s.filter)+len(s.other) == 0 }

// text puts nat before filter, so that an address is translated before it is let
// through.
func (s *script) text() string {
	var b strings.Builder
	block := func(table string, lines []string) {
		if len(lines) > 0 {
			b.WriteString("*" + table + "\n" + strings.Join(lines, "\n") + "\nCOMMIT\n")
		}
	}
	block("nat", s.nat)
	for _, table := range []string{"mangle", "raw", "security"} {
		var lines []string
		for _, l := range s.other {
			if line, ok := strings.CutPrefix(l, table+" "); ok {
				lines = append(lines, line)
			}
		}
		block(table, lines)
	}
	block("filter", s.filter)
	return b.String()
}

// run feeds the script to iptables-restore.
func (t *tool) run(ctx context.Context, s *script) error { return t.begin(ctx, s)() }

// begin is run that does not wait: what it returns does, see [command.Begin].
func (t *tool) begin(ctx context.Context, s *script) (end func() error) {
	if s.empty() {
		return func() error { return nil }
	}
	c := t.command(t.restore, "--noflush", "-w", t.wait())
	started := t.pids.start()
	defer started(0)
	c.Stdin, c.Started = s.text(), started
	output := command.Begin(ctx, c)
	return func() error {
		_, err := output()
		return err
	}
}
