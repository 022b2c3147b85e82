package iptables

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	goipt "github.com/coreos/go-iptables/iptables"

	"fwknopd/enforce/ruleset"
)

// A tool is iptables or ip6tables, with the restore program beside it.
type tool struct {
	ipt     *goipt.IPTables
	path    string
	restore string
	v6      bool
	nft     bool // the nf_tables variant
	alarm   time.Duration
	ran     func(pid int) // called for each process that changes rules
}

// ErrFamily is the refusal of a grant for whose address family there is no
// program.
var ErrFamily = errors.New("no program for this address family")

// maxStderr bounds the error text kept of a program.
const maxStderr = 512

// open finds the program and its variant. path "" is the usual name.
func open(path string, v6 bool, alarm time.Duration) (*tool, error) {
	t := &tool{v6: v6, alarm: alarm, ran: func(int) {}}
	proto, name := goipt.ProtocolIPv4, "iptables"
	if v6 {
		proto, name = goipt.ProtocolIPv6, "ip6tables"
	}
	found, layer, err := find(cmp.Or(path, name))
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	t.path, t.nft = found, layer == ruleset.IPTablesNFT
	t.restore = found + "-restore"
	if _, err := exec.LookPath(t.restore); err != nil {
		return nil, fmt.Errorf("find %s: %w", filepath.Base(t.restore), err)
	}
	t.ipt, err = goipt.New(goipt.IPFamily(proto), goipt.Timeout(max(int(alarm.Seconds()), 1)), goipt.Path(found))
	if err != nil {
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

// list returns the lines of iptables -S of a chain; exists is false if there is no such chain.
func (t *tool) list(table, chain string) (lines []string, exists bool, err error) {
	lines, err = t.ipt.List(table, chain)
	if isNotThere(err) || isNoTable(err, table) {
		return nil, false, nil
	}
	return lines, err == nil, err
}

func (t *tool) dump(ctx context.Context, table string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, t.alarm)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.path, "-w", "-t", table, "-S")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s -t %s -S: %w", t.path, table, err)
	}
	return out, nil
}

// exitNotThere is the status for a chain or rule that does not exist.
const exitNotThere = 1

// isNotThere reports whether a program failed as there is no such chain or rule.
func isNotThere(err error) bool {
	var e *goipt.Error
	return errors.As(err, &e) && e.ExitStatus() == exitNotThere
}

// isNoTable reports whether a program failed as this kernel does not have the table.
func isNoTable(err error, table string) bool {
	const exitNoTable = 3
	var e *goipt.Error
	return table != "filter" && errors.As(err, &e) && e.ExitStatus() == exitNoTable
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

// run feeds the script to iptables-restore, with a limit in time and its process
// group killed beyond.
func (t *tool) run(ctx context.Context, s *script) error {
	if s.empty() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.alarm)
	defer cancel()
	wait := strconv.Itoa(max(int(t.alarm.Seconds()), 1))
	cmd := exec.CommandContext(ctx, t.restore, "--noflush", "-w", wait)
	cmd.Stdin = strings.NewReader(s.text())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", t.restore, err)
	}
	t.ran(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		text := stderr.String()
		return fmt.Errorf("%s: %w: %s", filepath.Base(t.restore), errors.Join(ctx.Err(), err), strings.TrimSpace(text[:min(len(text), maxStderr)]))
	}
	return nil
}
