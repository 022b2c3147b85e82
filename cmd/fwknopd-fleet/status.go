package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/policy/conf"
)

// showStatus implements `fwknopd fleet status`: 0 if the fleet has a quorum.
func showStatus(o *cli.Options, stdout, stderr io.Writer) int {
	options := config.FromFlags(o)
	options.Offline, options.ServerOnly = true, true
	if main := options.Main(); main != "" {
		f, err := os.Open(main)
		if err != nil {
			return failed(stderr, cli.Rights(err))
		}
		f.Close()
	}
	l, problems := config.Load(options)
	if l == nil || l.Server == nil {
		config.Print(stderr, problems)
		return exitConfig
	}
	s, err := ask(l)
	if err != nil {
		return failed(stderr, err)
	}
	if o.JSON() {
		err = json.NewEncoder(stdout).Encode(s)
	} else {
		err = printStatus(stdout, s)
	}
	if err != nil || !s.Quorum {
		return exitError
	}
	return exitOK
}

// ask returns the status of the member that runs here: a daemon, or a witness.
func ask(l *config.Loaded) (s fleetlink.Status, err error) {
	if l.Server.Fleet.IsZero() {
		return s, errors.New("FLEET is not set: this gateway is alone")
	}
	if s, runs, err := control.AskFleet(l.Server.PIDFile); runs {
		return s, cli.Rights(err)
	}
	conn, err := net.Dial("unix", socketPath(l.Server.FleetDir))
	switch {
	case errors.Is(err, os.ErrPermission):
		return s, cli.Rights(err)
	case err != nil:
		return s, errors.New("neither a daemon nor a witness runs here")
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if err := json.NewDecoder(io.LimitReader(conn, 1<<16)).Decode(&s); err != nil {
		return s, fmt.Errorf("the witness does not answer: %w", err)
	}
	return s, s.Check()
}

// printStatus writes a status as text.
func printStatus(w io.Writer, s fleetlink.Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "fleet:    %s, this member is %s\n", conf.Printable(s.Fleet), conf.Printable(s.Name))
	if s.Group != "" {
		fmt.Fprintf(&b, "group:    %s\n", conf.Printable(s.Group))
	}
	if s.Quorum {
		fmt.Fprintf(&b, "quorum:   yes%s\n", votes(s))
	} else {
		fmt.Fprintf(&b, "quorum:   no: %s\n", conf.Printable(s.Why))
	}
	if !s.Beginning.IsZero() {
		fmt.Fprintf(&b, "messages: sent after %s, at most %v old\n", s.Beginning.UTC().Format(time.RFC3339), seconds(s.Bound))
		fmt.Fprintf(&b, "stored:   %s in %s, on %s%s\n", conf.Count(int(s.Bucket.Claims), "record"), humanize.IBytes(s.Bucket.Bytes),
			conf.Count(s.Bucket.Replicas, "member"), lacking(s.Bucket))
	}
	fmt.Fprintf(&b, "claims:   %d made, %d were taken, %d unavailable\n", s.Claims.First, s.Claims.Taken, s.Claims.Unavailable)
	table := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprint(table, "\nMEMBER\tADDRESS\tSTATE\tHEARD\tCLOCK\n")
	for _, m := range s.Members {
		heard, clock := heardOf(m, s.Asked)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", conf.Printable(m.Name), conf.Printable(m.Address), memberState(m), heard, clock)
	}
	table.Flush()
	_, err := io.WriteString(w, b.String())
	return err
}

// votes says of how many members a majority is needed, and whether they are others than those of FLEET_PEERS.
func votes(s fleetlink.Status) string {
	switch members := len(s.Members); {
	case s.Votes == 0:
		return ""
	case s.Votes > members:
		return fmt.Sprintf(", of %d votes: %d of former members are still counted", s.Votes, s.Votes-members)
	case s.Votes < members:
		return fmt.Sprintf(", of %d votes: new members have none yet", s.Votes)
	}
	return fmt.Sprintf(", of %d votes", s.Votes)
}

// lacking says how many members have not all of what is stored, and may take part in no vote on it yet.
func lacking(b fleetlink.Bucket) string {
	if n := b.Replicas - b.Current; n > 0 {
		return fmt.Sprintf(", of which %s not there or not complete", map[bool]string{true: "one is", false: fmt.Sprint(n, " are")}[n == 1])
	}
	return ""
}

// seconds is a number of seconds as text; 0 is no limit.
func seconds(s float64) string {
	if s == 0 {
		return "any time"
	}
	return (time.Duration(s) * time.Second).String()
}

// memberState says in words what a member is and whether it is there.
func memberState(m fleetlink.Member) string {
	var words []string
	switch {
	case m.Self:
		words = append(words, "this one")
	case m.Connected:
		words = append(words, "connected")
	default:
		words = append(words, "cut off")
	}
	if m.Twin {
		words = append(words, "another has the same name")
	}
	if m.Leader {
		words = append(words, "leads")
	}
	if m.Witness {
		words = append(words, "witness")
	}
	if m.OtherPeers {
		words = append(words, "another FLEET_PEERS")
	}
	return strings.Join(words, ", ")
}

// staleTime is when a member is one that was not heard of: they speak each second.
const staleTime = 3 * time.Second

// heardOf says when a member was heard of last and how its clock differs. The time is that of the
// member that was asked, on whose clock it was heard.
func heardOf(m fleetlink.Member, asked time.Time) (heard, clock string) {
	switch since := asked.Sub(m.Heard).Round(time.Second); {
	case m.Self:
		return "-", "-"
	case m.Heard.IsZero():
		return "never", "-"
	case since >= staleTime:
		return fmt.Sprintf("not heard of for %v", since), "-"
	default:
		heard = "now"
	}
	ahead := time.Duration(m.Clock * float64(time.Second)).Round(time.Second)
	switch {
	case ahead > time.Second:
		return heard, fmt.Sprintf("%v ahead", ahead)
	case ahead < -time.Second:
		return heard, fmt.Sprintf("%v behind", -ahead)
	}
	return heard, "agrees"
}
