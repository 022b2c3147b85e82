package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

// grantsUsage is the usage text of `fwknopd grants`.
const grantsUsage = `usage: fwknopd grants list   [--src IP|NET] [--port PROTO/PORT] [--stanza LINE] [--json] [-c FILE] [-O FILE]
       fwknopd grants revoke (--src IP|NET | --port PROTO/PORT | --stanza LINE | --all) [--json] [-c FILE] [-O FILE]
`

// grantsFlags is the parsed command line of `fwknopd grants`.
type grantsFlags struct {
	*pflag.FlagSet
	src, port string
	stanza    int
	all, json bool
	conf      config.Options
	pid, fw   string
	selection Selection
}

// Grants implements `fwknopd grants list|revoke` and returns the exit code.
func Grants(args []string, stdout, stderr io.Writer) int {
	f, verb, err := parseGrants(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		io.WriteString(stdout, grantsUsage)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "fwknopd grants: %v\n%s", err, grantsUsage)
		return exitUsage
	}
	l, problems := loadValid(f.conf)
	if l == nil {
		config.Print(stderr, problems)
		return exitError
	}
	ctx := context.Background()
	o, err := newGrantClient(ctx, l)
	if err != nil {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	defer o.close()
	do := o.list
	if verb == "revoke" {
		do = o.revoke
	}
	grants, err := do(ctx, f.selection)
	if printErr := f.print(stdout, verb, grants); err == nil {
		err = printErr
	}
	if err == nil && verb == "revoke" && len(grants) == 0 {
		err = errors.New("nothing of that is open")
	}
	if err != nil {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	return exitOK
}

func parseGrants(args []string) (*grantsFlags, string, error) {
	f := &grantsFlags{FlagSet: pflag.NewFlagSet("grants", pflag.ContinueOnError)}
	f.SetOutput(io.Discard)
	f.StringVar(&f.src, "src", "", "")
	f.StringVar(&f.port, "port", "", "")
	f.IntVar(&f.stanza, "stanza", 0, "")
	f.BoolVar(&f.all, "all", false, "")
	f.BoolVar(&f.json, "json", false, "")
	f.StringVarP(&f.conf.Config, "config", "c", "", "")
	f.StringSliceVarP(&f.conf.Overrides, "Override-config", "O", nil, "")
	f.StringVarP(&f.pid, "pid-file", "p", "", "")
	f.StringVar(&f.fw, "fw-type", "", "")
	if err := f.Parse(args); err != nil {
		return nil, "", err
	}
	if f.NArg() != 1 || f.Arg(0) != "list" && f.Arg(0) != "revoke" {
		return nil, "", errors.New("want one of list, revoke")
	}
	f.conf.Argv = make(map[string]string)
	for keyword, value := range map[string]string{"FWKNOP_PID_FILE": f.pid, "FIREWALL_TYPE": f.fw} {
		if value != "" {
			f.conf.Argv[keyword] = value
		}
	}
	return f, f.Arg(0), f.parseSelection(f.Arg(0))
}

// parseSelection parses the selection. Revoking everything requires --all.
func (f *grantsFlags) parseSelection(verb string) (err error) {
	if f.src != "" {
		if f.selection.Src, err = parseSource(f.src); err != nil {
			return fmt.Errorf("--src: %w", err)
		}
	}
	if f.port != "" {
		if f.selection.Port, err = parsePort(f.port); err != nil {
			return fmt.Errorf("--port: %w", err)
		}
	}
	if f.selection.Stanza = f.stanza; f.stanza < 0 {
		return errors.New("--stanza: want the line of a SOURCE keyword")
	}
	named := f.selection != (Selection{})
	switch {
	case verb == "revoke" && !named && !f.all:
		return errors.New("say what to close, or --all")
	case named && f.all:
		return errors.New("--all closes everything; leave out the rest")
	}
	return nil
}

// parsePort parses tcp/22, udp/53 or icmp.
func parsePort(text string) (enforce.Port, error) {
	name, number, has := strings.Cut(strings.ToLower(text), "/")
	for _, proto := range []enforce.Proto{enforce.TCP, enforce.UDP, enforce.ICMP, enforce.ICMPv6} {
		p := enforce.Port{Proto: proto}
		if proto.String() != name || p.HasNumber() != has {
			continue
		}
		if !has {
			return p, nil
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 {
			break
		}
		p.Number = uint16(n)
		return p, nil
	}
	return enforce.Port{}, fmt.Errorf("%q is not like tcp/22", text)
}

func (f *grantsFlags) print(w io.Writer, verb string, grants []enforce.Grant) error {
	var text []byte
	switch now := time.Now(); {
	case f.json:
		text = report.GrantsJSON(grants, now)
	case verb == "list":
		text = report.ListText(grants, now)
	default:
		for i := range grants {
			text = fmt.Appendf(text, "closed %s\n", report.ClosedText(&grants[i]))
		}
	}
	_, err := w.Write(text)
	return err
}
