package doctor

import (
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/policy/conf"
)

// Doctor says ok of a fleet only where its process says that there is a quorum.
func TestJudgeFleet(t *testing.T) {
	alone, member := new(conf.Server), &conf.Server{Fleet: conf.Fleet{Embedded: true}}
	for _, c := range []struct {
		name   string
		server *conf.Server
		fleet  *report.FleetStatus
		state  string
		text   string
	}{
		{"none", alone, nil, "", ""},
		{"quorum", member, &report.FleetStatus{Name: "a", Quorum: true, Events: new(report.FleetEvents)}, ok, "quorum"},
		{"no events", member, &report.FleetStatus{Name: "a", Quorum: true}, ok, "FLEET_EVENTS N"},
		{"lost events", member, &report.FleetStatus{Name: "a", Quorum: true, Events: &report.FleetEvents{Dropped: 3}}, warning, "3 events not published, and lost"},
		{"no quorum", member, &report.FleetStatus{Name: "a", Why: "alone"}, fix, "alone"},
		{"local", member, &report.FleetStatus{Name: "a", Why: "alone", Local: true}, warning, "alone"},
		{"another configuration", member, nil, fix, ""}, // and no program beside this one
	} {
		if f := judgeFleet(c.server, c.fleet); f.State != c.state || !strings.Contains(f.Text, c.text) {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

func TestJudgeStatus(t *testing.T) {
	at := time.Date(2026, 11, 29, 6, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		change func(*report.Status)
		state  string
		text   string
	}{
		{"as it should be", func(*report.Status) {}, ok, "fwknopd " + cli.Release + " runs as process 7 with the configuration of 2026-11-29T06:00:00Z"},
		{"another version", func(s *report.Status) { s.Version = "0.0.1" }, warning, "process 7 is fwknopd 0.0.1, this is " + cli.Release},
		{"refused", func(s *report.Status) { s.Reload = &report.Reload{Verdict: report.ReloadRefused, Time: at} }, fix, "the new configuration is refused, the old one stays in force, since 2026-11-29T06:00:00Z"},
		{"refused before", func(s *report.Status) { s.Reload = &report.Reload{Verdict: report.ReloadLoaded, Time: at} }, ok, "runs as process 7"},
		{"guards later", func(s *report.Status) {
			r := report.NewReload(at, 1, conf.Problems{{Text: "NAME: is short", Severity: conf.Warning}, report.NextStart("GUARD_FORWARD")})
			s.Reload = &r
		}, warning, "GUARD_FORWARD has changed: that counts from the next start on"},
		{"waiting", func(s *report.Status) { s.Waiting = "waiting for eth0" }, warning, "waiting for eth0"},
		{"not applied", func(s *report.Status) { s.NotApplied = "no keyring" }, warning, "no keyring"},
	} {
		s := &report.Status{PID: 7, Version: cli.Release, Loaded: at}
		c.change(s)
		if list := judgeStatus(s); len(list) != 1 || list[0].State != c.state || !strings.Contains(list[0].Text, c.text) {
			t.Errorf("%s: %+v", c.name, list)
		}
	}
}
