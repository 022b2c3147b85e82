package daemon

import (
	"fmt"
	"os"
	"syscall"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/fleetlink"
)

// fleetConfig returns what the fleet process is told; nil if none is wanted.
func fleetConfig(l *config.Loaded) (*fleetlink.Config, error) {
	s := l.Server
	if s.Fleet.IsZero() {
		return nil, nil
	}
	secrets, problems := l.FleetSecrets()
	if problems.Failed() {
		return nil, problems
	}
	c := &fleetlink.Config{Servers: s.Fleet.Servers, Name: s.FleetName, Credentials: secrets.Credentials, CA: secrets.CA, Sandbox: s.Sandbox}
	c.Group = s.FleetGroup
	if s.Aging {
		c.MaxAge = s.MaxAge
	}
	if s.Fleet.Embedded {
		c.Listen, c.Dir = s.FleetListen, s.FleetDir
		for _, p := range s.FleetPeers {
			c.Peers = append(c.Peers, fleetlink.Peer{Name: p.Name, Address: p.Addr, Pin: p.Pin})
		}
	}
	return c, nil
}

// makeFleetDir makes the directory of a fleet process that runs as a user, or gives it an empty one
// that is there.
func makeFleetDir(dir string, cred *syscall.Credential) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("FLEET_DIR: %w", err)
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("FLEET_DIR: %w", err)
	}
	owner, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case !st.IsDir() || !ok:
		return fmt.Errorf("FLEET_DIR: %s is no directory", dir)
	case owner.Uid == cred.Uid:
		return nil
	case owner.Uid != 0:
		return fmt.Errorf("FLEET_DIR: %s belongs to user %d and not to WORKER_USER: chown -R %d %[1]s", dir, owner.Uid, cred.Uid)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		return fmt.Errorf("FLEET_DIR: %s belongs to root, holds files, and is for WORKER_USER: chown -R %d %[1]s", dir, cred.Uid)
	}
	if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
		return fmt.Errorf("FLEET_DIR: %w: chown %d %s", err, cred.Uid, dir)
	}
	return nil
}
