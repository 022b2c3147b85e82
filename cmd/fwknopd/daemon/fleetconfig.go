package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/ingest/safepath"
	"fwknopd/policy/conf"
)

// fleetConfig returns what the fleet process is told; nil if none is wanted.
func fleetConfig(l *config.Loaded) (*fleetlink.Config, error) {
	s := l.Server
	kafka, err := kafkaConfig(l)
	switch {
	case err != nil:
		return nil, err
	case s.Fleet.IsZero() && kafka == nil:
		return nil, nil
	case s.Fleet.IsZero():
		return &fleetlink.Config{Sandbox: s.Sandbox, Kafka: kafka}, nil
	}
	secrets, problems := l.FleetSecrets()
	if problems.Failed() {
		return nil, problems
	}
	c := &fleetlink.Config{
		Servers: s.Fleet.Servers, Name: s.FleetName, Credentials: secrets.Credentials, CA: secrets.CA,
		Group: s.FleetGroup, Events: s.FleetEvents, Kafka: kafka, Sandbox: s.Sandbox,
	}
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

// kafkaConfig returns what the fleet process is told of INGEST KAFKA; nil if no topics are read.
func kafkaConfig(l *config.Loaded) (*fleetlink.Kafka, error) {
	s := l.Server
	if !s.ReadsKafka() {
		return nil, nil
	}
	secrets, problems := l.KafkaSecrets()
	if problems.Failed() {
		return nil, problems
	}
	return &fleetlink.Kafka{
		Brokers: s.KafkaBrokers, Topics: s.KafkaTopics, Group: s.KafkaGroup, Earliest: s.KafkaStart == conf.KafkaEarliest,
		TLS: s.KafkaTLS != "N", CA: secrets.CA, Mechanism: secrets.Mechanism, User: secrets.User, Password: secrets.Password,
	}, nil
}

// makeFleetDir makes the directory of a fleet process that runs as a user, or gives it an empty one
// that is there. Who could replace the directory on the way to it could have another one given away.
func makeFleetDir(dir string, cred *syscall.Credential) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("FLEET_DIR: %w", err)
	}
	f, way, _, err := safepath.Open(dir)
	if err != nil {
		return fmt.Errorf("FLEET_DIR: %w", err)
	}
	defer f.Close()
	if len(way) > 0 {
		return fmt.Errorf("FLEET_DIR: %s: %s", dir, way[0])
	}
	if err := giveFleetDir(f, cred); err != nil {
		return fmt.Errorf("FLEET_DIR: %s %w", dir, err)
	}
	return nil
}

// giveFleetDir gives an open directory to a user, if it is root's and empty.
func giveFleetDir(f *os.File, cred *syscall.Credential) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	owner, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case !st.IsDir() || !ok:
		return errors.New("is no directory")
	case owner.Uid == cred.Uid:
		return nil
	case owner.Uid != 0:
		return fmt.Errorf("belongs to user %d and not to WORKER_USER: chown -R %d it", owner.Uid, cred.Uid)
	}
	if entries, err := f.ReadDir(1); len(entries) > 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("belongs to root, holds files, and is for WORKER_USER: chown -R %d it", cred.Uid)
	}
	if err := f.Chown(int(cred.Uid), int(cred.Gid)); err != nil {
		return fmt.Errorf("is for WORKER_USER: %w: chown %d it", err, cred.Uid)
	}
	return nil
}
