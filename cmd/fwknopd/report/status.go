package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// A Status is what a running daemon says about itself, as `status --json` prints it. Members
// may be added, never removed or changed. Counters and Waiting are the word of the worker.
type Status struct {
	V         int     `json:"v"`
	Running   bool    `json:"running"`
	PID       int     `json:"pid,omitempty"`
	WorkerPID int     `json:"worker_pid,omitempty"`
	PIDFile   string  `json:"pid_file"`
	Version   string  `json:"version,omitempty"`
	UptimeS   float64 `json:"uptime_s,omitempty"`

	Config  string    `json:"config,omitempty"` // the main file, "" if there is none
	Stanzas int       `json:"stanzas"`
	Loaded  time.Time `json:"loaded,omitzero"` // when the configuration in force was read
	// Reload is the last one; nil if there was none.
	Reload *Reload `json:"reload,omitempty"`
	// NotApplied is why the worker has another configuration than the monitor, "" if it has not.
	NotApplied string `json:"not_applied,omitempty"`

	Firewall FirewallStatus `json:"firewall"`
	Grants   int            `json:"grants"`
	// Uses are those of the stanzas with ACCESS_USES.
	Uses []Uses `json:"uses,omitempty"`

	// Counters are those of the worker since its start; nil if it did not answer.
	Counters *Counters `json:"counters,omitempty"`
	Restarts int       `json:"worker_restarts"`
	LastEnd  string    `json:"worker_last_end,omitempty"` // why a worker ended last
	Waiting  string    `json:"waiting,omitempty"`

	Fleet *FleetStatus `json:"fleet,omitempty"` // nil: FLEET is not set

	Sandbox    string `json:"sandbox,omitempty"`    // the value of SANDBOX
	Unconfined string `json:"unconfined,omitempty"` // what is missing of it, "" if nothing is
}

// A FirewallStatus is how the firewall does.
type FirewallStatus struct {
	Type string `json:"type,omitempty"`
	// Unconfirmed is set if the firewall does not answer: the grants are those that the
	// daemon has opened.
	Unconfirmed string    `json:"unconfirmed,omitempty"`
	Error       string    `json:"error,omitempty"` // the last one since the start
	ErrorTime   time.Time `json:"error_time,omitzero"`
	// Bypasses are the rules in front of the guard of GUARD_FORWARD that let packets through.
	Bypasses []string `json:"guard_bypasses,omitempty"`
}

// A FleetStatus is how this gateway's part in a fleet does. Quorum and Why are the word of the fleet process.
type FleetStatus struct {
	Name     string    `json:"name"`            // of this member
	Group    string    `json:"group,omitempty"` // "": none
	PID      int       `json:"pid,omitempty"`   // of the fleet process; 0: none runs
	Restarts int       `json:"restarts"`
	LastEnd  string    `json:"last_end,omitempty"` // why one ended last
	Quorum   bool      `json:"quorum"`
	Why      string    `json:"why,omitempty"`  // why there is no quorum
	Since    time.Time `json:"since,omitzero"` // when that was said first; zero: nothing was said yet
	Local    bool      `json:"local"`          // FLEET_ON_PARTITION local
	// Events counts those that this gateway publishes, since the daemon started; nil: none are
	// (FLEET_EVENTS N).
	Events *FleetEvents `json:"events,omitempty"`
}

// FleetEvents counts the events that a gateway publishes to its fleet.
type FleetEvents struct {
	Published uint64 `json:"published"`
	Dropped   uint64 `json:"dropped"` // for want of room, or with a fleet process that died
	Queue     uint64 `json:"queue"`   // wait for a quorum
}

// Text returns whether claims are decided, and what becomes of messages if not.
func (f *FleetStatus) Text() string {
	since := ""
	if !f.Since.IsZero() {
		since = " since " + stampText(f.Since)
	}
	switch {
	case f.Quorum:
		return "quorum" + since
	case f.Local:
		return fmt.Sprintf("no quorum%s: %s; this gateway decides by itself", since, f.Why)
	}
	return fmt.Sprintf("no quorum%s: %s; messages are refused", since, f.Why)
}

// Counters are those of a worker.
type Counters struct {
	Sources     []SourceState `json:"sources"`
	RateLimited uint64        `json:"rate_limited"`
}

// JSON returns s as one object without a newline.
func (s *Status) JSON() []byte { return appendObject(nil, s) }

// NotRunningJSON returns the object of `status --json` where no daemon has the pid file.
func NotRunningJSON(pidFile string) []byte {
	return appendObject(nil, struct {
		V       int    `json:"v"`
		Running bool   `json:"running"`
		PIDFile string `json:"pid_file"`
	}{1, false, pidFile})
}

// Text returns s as lines of a name and a value.
func (s *Status) Text() string {
	var t table
	t.addf("fwknopd", "%s, up %v", s.Version, time.Duration(s.UptimeS*float64(time.Second)).Round(time.Second))
	t.addf("pid", "%d", s.PID)
	s.addConfig(&t)
	t.addf("firewall", "%s", s.Firewall.Type)
	if f := &s.Firewall; f.Error != "" {
		t.addf("firewall error", "%s %s", stampText(f.ErrorTime), f.Error)
	}
	for _, text := range s.Firewall.Bypasses {
		t.addf("guard", "%s", text)
	}
	t.addf("grants", "%d", s.Grants)
	if text := s.Firewall.Unconfirmed; text != "" {
		t.addf("unconfirmed", "%s", text)
	}
	for i := range s.Uses {
		t.addf("uses", "%s: %s", s.Uses[i].Name, s.Uses[i].text())
	}
	s.addFleet(&t)
	s.addWorker(&t)
	return t.text()
}

func (s *Status) addConfig(t *table) {
	if s.Config != "" {
		t.addf("configuration", "%s", s.Config)
	}
	t.addf("loaded", "%s, %s", stampText(s.Loaded), conf.Count(s.Stanzas, "stanza"))
	if r := s.Reload; r != nil {
		t.addf("last reload", "%s %s", stampText(r.Time), r.Verdict)
		for _, p := range r.Problems {
			if p.Severity == conf.Error {
				t.addf("reload error", "%s", p)
			}
		}
		for _, text := range r.Pending() {
			t.addf("not in force", "%s", text)
		}
	}
	if s.NotApplied != "" {
		t.addf("not applied", "the worker keeps its configuration: %s", s.NotApplied)
	}
}

func (s *Status) addFleet(t *table) {
	f := s.Fleet
	if f == nil {
		return
	}
	t.addf("fleet", "member %s: %s", f.Name, f.Text())
	if f.Group != "" {
		t.addf("fleet group", "%s", f.Group)
	}
	if f.PID == 0 {
		t.addf("fleet process", "none runs, %d restarts", f.Restarts)
	} else {
		t.addf("fleet process", "pid %d, %d restarts", f.PID, f.Restarts)
	}
	if f.LastEnd != "" {
		t.addf("fleet last end", "%s", f.LastEnd)
	}
	if e := f.Events; e != nil {
		t.addf("fleet events", "%d published, %d waiting, %d dropped", e.Published, e.Queue, e.Dropped)
	}
}

func (s *Status) addWorker(t *table) {
	if s.WorkerPID == 0 {
		t.addf("worker", "none runs")
	} else {
		t.addf("worker pid", "%d", s.WorkerPID)
	}
	t.addf("worker restarts", "%d", s.Restarts)
	if s.LastEnd != "" {
		t.addf("worker last end", "%s", s.LastEnd)
	}
	if c := s.Counters; c != nil {
		for _, n := range c.Sources {
			t.addf("source", "%s: %d records, %d events, %d not ours, %d malformed, %d lost", n.Name, n.Records, n.Events, n.NotOurs, n.Malformed, n.Lost)
		}
		t.addf("rate limited", "%d packets refused as %s", c.RateLimited, policy.SPARateLimited)
	} else if s.WorkerPID != 0 {
		t.addf("counters", "the worker does not answer")
	}
	if s.Waiting != "" {
		t.addf("waiting", "%s", s.Waiting)
	}
	t.addf("sandbox", "%s", cmp.Or(s.Unconfined, "complete (SANDBOX "+s.Sandbox+")"))
}

func stampText(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// A table is lines of a name and a value, the values one below the other.
type table [][2]string

func (t *table) addf(name, format string, args ...any) {
	*t = append(*t, [2]string{name + ":", conf.Printable(fmt.Sprintf(format, args...))})
}

func (t table) text() string {
	width := 0
	for _, row := range t {
		width = max(width, len(row[0]))
	}
	var b strings.Builder
	for _, row := range t {
		fmt.Fprintf(&b, "%-*s %s\n", width, row[0], row[1])
	}
	return b.String()
}
