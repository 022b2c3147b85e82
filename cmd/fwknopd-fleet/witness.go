package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"fwknopd/cmd/fwknopd-fleet/node"
	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/sandbox"
)

// witness implements `fwknopd fleet witness`: a member until SIGTERM or an interrupt.
func witness(o *cli.Options, _, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	cfg, err := witnessConfig(o, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", cli.Fleet, err)
		return exitConfig
	}
	if err := runWitness(ctx, cfg, stderr); err != nil {
		return failed(stderr, err)
	}
	return exitOK
}

// witnessConfig reads the FLEET keywords, and becomes WORKER_USER if it is root.
func witnessConfig(o *cli.Options, stderr io.Writer) (cfg fleetlink.Config, err error) {
	l, problems := config.Load(config.FromFlags(o))
	config.Print(stderr, problems)
	if problems.Failed() {
		return cfg, errors.New("the configuration has errors")
	}
	s := l.Server
	if !s.Fleet.Embedded {
		return cfg, errors.New("a witness is a member of FLEET embedded; an outside cluster has no use for one")
	}
	secrets, problems := l.FleetSecrets()
	config.Print(stderr, problems)
	if problems.Failed() {
		return cfg, errors.New("the configuration has errors")
	}
	cfg = fleetlink.Config{Name: s.FleetName, Listen: s.FleetListen, Dir: s.FleetDir, Credentials: secrets.Credentials, Sandbox: s.Sandbox, Witness: true}
	for _, p := range s.FleetPeers {
		cfg.Peers = append(cfg.Peers, fleetlink.Peer{Name: p.Name, Address: p.Addr, Pin: p.Pin})
	}
	if os.Geteuid() == 0 {
		err = become(s.WorkerUser, cfg.Dir)
	}
	return cfg, err
}

// become makes the directory of a user, and the process that user's.
func become(name, dir string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("WORKER_USER: %w", err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if uid == 0 {
		return errors.New("WORKER_USER is root")
	}
	if err := os.Mkdir(dir, 0o700); err == nil {
		err = os.Chown(dir, uid, gid)
		if err != nil {
			return err
		}
	} else if !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("FLEET_DIR: %w", err)
	}
	return errors.Join(syscall.Setgroups(nil), syscall.Setgid(gid), syscall.Setuid(uid))
}

// runWitness runs a member until ctx ends.
func runWitness(ctx context.Context, cfg fleetlink.Config, stderr io.Writer) error {
	if err := sandbox.NoDumps(); err != nil {
		return err
	}
	log := lineLog(stderr)
	asked, err := listenStatus(cfg.Dir)
	if err != nil {
		return fmt.Errorf("FLEET_DIR: %w", err)
	}
	defer asked.Close()
	if err := confine(cfg, true, log); err != nil {
		return err
	}
	n, err := node.Open(cfg, node.Options{Log: log, Quorum: func(quorum bool, why string) {
		if quorum {
			why = "the fleet has a quorum"
		}
		log(why)
		_, _ = sd.SdNotify(false, "STATUS="+why)
	}})
	if err != nil {
		return err
	}
	defer n.Close()
	go answerStatus(asked, n)
	_, _ = sd.SdNotify(false, sd.SdNotifyReady)
	<-ctx.Done()
	_, _ = sd.SdNotify(false, sd.SdNotifyStopping)
	return nil
}

// lineLog returns what writes a line at a time.
func lineLog(w io.Writer) func(string) {
	var mu sync.Mutex
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, "%s: %s\n", cli.Fleet, text)
	}
}

// socketPath is where a witness is asked for its status.
func socketPath(dir string) string { return filepath.Join(dir, "status.sock") }

// listenStatus makes the socket, on which only this user and root may connect.
func listenStatus(dir string) (*net.UnixListener, error) {
	path := socketPath(dir)
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("another witness answers on %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	return net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
}

// answerStatus answers each connection with the status, one at a time.
func answerStatus(l net.Listener, n *node.Node) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_ = json.NewEncoder(conn).Encode(n.Status()) // who asked has gone, if it fails
		conn.Close()
	}
}
