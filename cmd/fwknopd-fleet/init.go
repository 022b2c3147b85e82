package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd-fleet/node"
	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/policy/conf"
)

// A newMember is one whose credentials are made.
type newMember struct {
	conf.FleetPeer
	path string // of its credentials
	file []byte
}

// initialise implements `fwknopd fleet init`.
func initialise(o *cli.Options, stdout, stderr io.Writer) int {
	line, added, err := newFleet(o)
	if err != nil {
		return cli.Fleet.Refuse(stderr, err)
	}
	if err := writeAll(o.Out, added); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", cli.Fleet, err)
		return exitError
	}
	for _, m := range added {
		fmt.Fprintf(stdout, "# %s: copy %s to /etc/fwknop/fleet.pem there (owner root, mode 0600)\n", m.Name, m.path)
		fmt.Fprintf(stdout, "FLEET              embedded;\nFLEET_NAME         %s;\nFLEET_LISTEN       %s;\nFLEET_PEERS        %s;\n"+
			"FLEET_CREDENTIALS  /etc/fwknop/fleet.pem;\n\n", m.Name, m.Addr, line)
	}
	if o.Add {
		fmt.Fprintf(stdout, "# all others: this line first, one member after the other (reload the daemon, restart a witness)\n"+
			"FLEET_PEERS        %s;\n", line)
	}
	return exitOK
}

// newFleet returns FLEET_PEERS, and the members of the command line with new credentials.
func newFleet(o *cli.Options) (line string, added []newMember, err error) {
	all, err := oldPeers(o)
	if err != nil {
		return "", nil, err
	}
	if len(o.Operands) == 0 {
		return "", nil, errors.New("want NAME=ADDRESS:PORT for each member")
	}
	for _, text := range o.Operands {
		name, address, _ := strings.Cut(text, "=")
		m := newMember{path: filepath.Join(o.Out, name+".pem")}
		if m.file, m.Pin, err = node.NewCredentials(name); err != nil {
			return "", nil, err
		}
		// Read as the daemon will read it.
		peer, err := conf.ParseFleetPeers(name + "@" + address + "/" + m.Pin)
		if err != nil || len(peer) != 1 {
			return "", nil, fmt.Errorf("%q is not NAME=ADDRESS:PORT: %w", text, err)
		}
		m.FleetPeer = peer[0]
		if all, err = enter(all, added, m.FleetPeer); err != nil {
			return "", nil, err
		}
		added = append(added, m)
	}
	if len(all) > conf.MaxFleetMembers {
		return "", nil, fmt.Errorf("%d members: at most %d are possible", len(all), conf.MaxFleetMembers)
	}
	for i, p := range all {
		line += strings.Repeat(" ", min(i, 1)) + p.Name + "@" + p.Addr.String() + "/" + p.Pin
	}
	return line, added, nil
}

// enter returns all members with another one. One of --peers may get another key and address, in its place.
func enter(all []conf.FleetPeer, added []newMember, m conf.FleetPeer) ([]conf.FleetPeer, error) {
	place := -1
	for i, p := range all {
		isNew := slices.ContainsFunc(added, func(n newMember) bool { return n.Name == p.Name })
		switch {
		case p.Name == m.Name && !isNew:
			place = i
		case p.Name == m.Name || p.Addr == m.Addr:
			return nil, fmt.Errorf("%s at %s: %s at %s is a member", m.Name, m.Addr, p.Name, p.Addr)
		}
	}
	if place < 0 {
		return append(all, m), nil
	}
	all[place] = m
	return all, nil
}

// oldPeers returns the members of --peers.
func oldPeers(o *cli.Options) ([]conf.FleetPeer, error) {
	if o.Add != (o.Peers != "") {
		return nil, errors.New("--add and --peers LINE go together")
	}
	line := strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(o.Peers), "FLEET_PEERS")), ";")
	peers, err := conf.ParseFleetPeers(line)
	if err == nil && o.Add && len(peers) == 0 {
		err = errors.New("there is no member in it")
	}
	if err != nil {
		return nil, fmt.Errorf("--peers: %w", err)
	}
	return peers, nil
}

// writeAll writes the credentials in dir, which is made for root alone if it is not there. If one of them
// is there it writes none.
func writeAll(dir string, added []newMember) error {
	if err := os.MkdirAll(cmp.Or(dir, "."), 0o700); err != nil {
		return err
	}
	for _, m := range added {
		if _, err := os.Lstat(m.path); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s is there, and is not overwritten", m.path)
		}
	}
	for _, m := range added {
		if err := writeNew(m.path, m.file); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file that only its owner may read.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
