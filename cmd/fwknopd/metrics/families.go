package metrics

import (
	"time"

	"fwknopd/cmd/fwknopd/report"
)

// A Kind is the type of a metric.
type Kind string

// The types of metrics.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// A Family is one metric with all its series.
type Family struct {
	Name   string
	Kind   Kind
	Labels []string
	Help   string // one sentence without a full stop
	series func(w *writer)
}

// Readings are what is read when the metrics are asked for.
type Readings struct {
	Version, GoVersion string
	Backend            string // the firewall, "" if there is none
	Firewall, External int    // open grants of the firewall and of external commands, by port
	Restarts           int    // of the worker
	Fleet, Quorum      bool   // there is a fleet, and it has a quorum
	FleetEvents        report.FleetEvents
	ReloadFailed       bool // the last configuration that was read is not in force
	Loaded             time.Time
	Started            time.Time
	CPU                time.Duration // of this process, user and system
	Resident           uint64        // bytes of memory; 0: not known
}

// Families returns all metrics, in the order of the text.
func Families() []Family { return families }

var families = []Family{
	{Name: "fwknop_decisions_total", Kind: Counter, Labels: []string{"verdict", "reason"},
		Help:   "Decisions on packets and sequences, also those that are in the log only as a summary",
		series: (*writer).decisions},
	{Name: "fwknop_ingest_records_total", Kind: Counter, Labels: []string{"source", "outcome"},
		Help:   "Records that the worker read from a source: event, not_ours or malformed",
		series: (*writer).records},
	{Name: "fwknop_ingest_lost_total", Kind: Counter, Labels: []string{"source"},
		Help:   "Records of a source that the kernel or a rotation dropped before they were read",
		series: (*writer).lost},
	{Name: "fwknop_ingest_lag_seconds", Kind: Gauge, Labels: []string{"source"},
		Help:   "How long after its own time the last event of a source was decided, 0 before the first one",
		series: (*writer).lag},
	{Name: "fwknop_active_grants", Kind: Gauge, Labels: []string{"backend"},
		Help:   "Open grants, each port counted, by firewall or external command",
		series: (*writer).active},
	{Name: "fwknop_grant_duration_seconds", Kind: Histogram,
		Help:   "How long grants were open that expired or were revoked, each port counted",
		series: func(w *writer) { w.histogram(w.set.grants) }},
	{Name: "fwknop_enforce_duration_seconds", Kind: Histogram,
		Help:   "How long the firewall took for a change, failed ones included",
		series: func(w *writer) { w.histogram(w.set.changes) }},
	{Name: "fwknop_reconcile_repairs_total", Kind: Counter,
		Help:   "Grants that another program removed from the firewall and that were opened again, each port counted",
		series: func(w *writer) { w.count(w.set.repairs.Load()) }},
	{Name: "fwknop_closed_connections_total", Kind: Counter, Labels: []string{"outcome"},
		Help:   "Connections through grants of stanzas with CLOSE_CONNECTIONS at their end: ended, cut (forwarded or by UDP) or left",
		series: (*writer).connections},
	{Name: "fwknop_fleet_claims_total", Kind: Counter, Labels: []string{"result"},
		Help:   "Claims of messages from the fleet: first, taken or unavailable",
		series: (*writer).claims},
	{Name: "fwknop_fleet_claim_duration_seconds", Kind: Histogram,
		Help:   "How long a message waited for its claim",
		series: (*writer).claimDurations},
	{Name: "fwknop_fleet_quorum", Kind: Gauge,
		Help:   "1 if the fleet has a quorum, else 0, also without FLEET",
		series: func(w *writer) { w.flag(w.read.Fleet && w.read.Quorum) }},
	{Name: "fwknop_fleet_configured", Kind: Gauge,
		Help:   "1 if FLEET is set, else 0",
		series: func(w *writer) { w.flag(w.read.Fleet) }},
	{Name: "fwknop_fleet_degraded_total", Kind: Counter,
		Help:   "Messages that were granted without a quorum of the fleet (FLEET_ON_PARTITION local)",
		series: func(w *writer) { w.count(w.set.degraded.Load()) }},
	{Name: "fwknop_fleet_announcements_total", Kind: Counter, Labels: []string{"result"},
		Help:   "Messages that gateways of a group announce: sent by this one, granted or refused here of others, or dropped for want of room",
		series: (*writer).announcements},
	{Name: "fwknop_fleet_events_total", Kind: Counter, Labels: []string{"outcome"},
		Help: "Events of this gateway for its fleet: published, or dropped for want of room or of a fleet process",
		series: func(w *writer) {
			w.count(w.read.FleetEvents.Published, "published")
			w.count(w.read.FleetEvents.Dropped, "dropped")
		}},
	{Name: "fwknop_fleet_events_queue", Kind: Gauge,
		Help:   "Events of this gateway that wait for a quorum of its fleet",
		series: func(w *writer) { w.count(w.read.FleetEvents.Queue) }},
	{Name: "fwknop_replay_cache_entries", Kind: Gauge,
		Help:   "Messages that are remembered so that they are not taken twice",
		series: func(w *writer) { w.count(w.set.worker.seen) }},
	{Name: "fwknop_worker_restarts_total", Kind: Counter,
		Help:   "Starts of a worker after the first",
		series: func(w *writer) { w.count(uint64(w.read.Restarts)) }},
	{Name: "fwknop_config_last_reload_successful", Kind: Gauge,
		Help:   "1 if the configuration that was read last is in force, else 0",
		series: func(w *writer) { w.flag(!w.read.ReloadFailed) }},
	{Name: "fwknop_config_last_reload_success_timestamp_seconds", Kind: Gauge,
		Help:   "When the configuration in force was read",
		series: func(w *writer) { w.time(w.read.Loaded) }},
	{Name: "fwknop_build_info", Kind: Gauge, Labels: []string{"version", "goversion"},
		Help:   "Always 1; the labels name the version of the program and of Go",
		series: func(w *writer) { w.count(1, w.read.Version, w.read.GoVersion) }},
	{Name: "process_start_time_seconds", Kind: Gauge,
		Help:   "When the daemon started",
		series: func(w *writer) { w.time(w.read.Started) }},
	{Name: "process_cpu_seconds_total", Kind: Counter,
		Help:   "Processor time of the monitor process, user and system",
		series: func(w *writer) { w.float(w.read.CPU.Seconds()) }},
	{Name: "process_resident_memory_bytes", Kind: Gauge,
		Help:   "Memory of the monitor process, 0 where the system does not say",
		series: func(w *writer) { w.count(w.read.Resident) }},
}
