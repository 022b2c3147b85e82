package main

import (
	"fmt"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/sandbox"
	"fwknopd/policy/conf"
)

// resolving are the files by which names of servers and their certificates are found, and what the
// runtime and NATS ask of the kernel.
var resolving = []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/pki", "/usr/share/ca-certificates",
	"/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/usr/share/zoneinfo", "/etc/localtime",
	"/proc/sys/net/core/somaxconn", "/proc/meminfo", "/sys/fs/cgroup"}

// confine takes from this process what a member does not need, as SANDBOX demands; local: it is asked on
// a unix socket, or tells the service manager. log is told what is missing.
func confine(cfg fleetlink.Config, local bool, log func(string)) error {
	if cfg.Sandbox == conf.SandboxOff {
		return nil
	}
	_, _ = time.Now().Zone() // reads the time zone's file
	r := sandbox.FleetRights{Read: resolving, Local: local}
	if cfg.Dir != "" {
		r.Write = []string{cfg.Dir}
	}
	switch err := sandbox.ApplyFleet(r, cfg.Sandbox == conf.SandboxOn); {
	case err != nil && cfg.Sandbox == conf.SandboxOn:
		return fmt.Errorf("SANDBOX on: %w", err)
	case err != nil:
		log(fmt.Sprintf("SANDBOX: the fleet process is not confined: %v", err))
	}
	return nil
}
