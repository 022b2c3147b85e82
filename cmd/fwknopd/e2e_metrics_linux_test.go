package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/metrics"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

const metricsPort = "127.0.0.1:9109"

// dialMetrics connects to an endpoint of METRICS_LISTEN in the server's namespace.
func (s *site) dialMetrics(at string) (conn net.Conn, err error) {
	s.Server.Do(func() {
		kind := "tcp"
		if strings.HasPrefix(at, "/") {
			kind = "unix"
		}
		conn, err = net.DialTimeout(kind, at, wait.Timeout)
	})
	return conn, err
}

// scrape asks for the metrics, with the client of the standard library.
func (s *site) scrape(at string) (text string, err error) {
	client := http.Client{Timeout: wait.Timeout, Transport: &http.Transport{
		DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return s.dialMetrics(at) }}}
	r, err := client.Get("http://fwknopd/metrics")
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && (r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != metrics.ContentType) {
		err = fmt.Errorf("%s, %s", r.Status, r.Header.Get("Content-Type"))
	}
	return string(body), err
}

var sample = regexp.MustCompile(`(?m)^([a-z_]+(?:\{.*\})?) (\S+)$`)

// samples returns the values of the metrics by series.
func (s *site) samples(at string) map[string]float64 {
	s.t.Helper()
	text, err := s.scrape(at)
	if err != nil {
		s.t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		if values[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
			s.t.Fatal(err)
		}
	}
	return values
}

// counts waits until the metrics have these values, and returns all.
func (s *site) counts(at string, want map[string]float64) (values map[string]float64) {
	s.t.Helper()
	var wrong string
	if !wait.Until(wait.Timeout, func() bool {
		values, wrong = s.samples(at), ""
		for series, n := range want {
			if got, ok := values[series]; !ok || got != n {
				wrong += fmt.Sprintf("%s is %v, want %v\n", series, got, n)
			}
		}
		return wrong == ""
	}) {
		s.t.Fatal(wrong)
	}
	return values
}

// notFallen fails the test if a counter is lower than before.
func (s *site) notFallen(before, after map[string]float64) {
	s.t.Helper()
	for series, n := range before {
		name, _, _ := strings.Cut(series, "{")
		if strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_bucket") || strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count") {
			if after[series] < n {
				s.t.Errorf("%s fell from %v to %v", series, n, after[series])
			}
		}
	}
}

// The metrics tell what the daemon did, also of refusals that are not logged one by one, and no
// counter falls when a worker is killed.
func TestE2EMetrics(t *testing.T) {
	t.Parallel()
	for _, firewall := range []string{"nftables", "iptables"} {
		t.Run(firewall, func(t *testing.T) {
			s := newSite(t, firewall)
			s.configure("METRICS_LISTEN "+metricsPort+";\nKNOPWATCHD_CHECK_INTERVAL 1;\n", stanza(""))
			s.start()
			const granted, replayed, mismatch = `fwknop_decisions_total{verdict="granted",reason="spa.granted"}`,
				`fwknop_decisions_total{verdict="refused",reason="spa.replay"}`, `fwknop_decisions_total{verdict="refused",reason="spa.hmac_mismatch"}`
			active := ""
			for series := range s.counts(metricsPort, map[string]float64{granted: 0, mismatch: 0, "fwknop_config_last_reload_successful": 1}) {
				if strings.HasPrefix(series, "fwknop_active_grants") && !strings.Contains(series, "external") {
					active = series
				}
			}
			s.knock(ask()...)
			if !s.open() {
				t.Fatal("not open")
			}
			source := `{source="PCAP ` + netlab.ServerIf + `"}`
			events := `fwknop_ingest_records_total{source="PCAP ` + netlab.ServerIf + `",outcome="event"}`
			before := s.counts(metricsPort, map[string]float64{granted: 1, replayed: 0, active: 1, "fwknop_replay_cache_entries": 1,
				`fwknop_active_grants{backend="external"}`: 0, "fwknop_worker_restarts_total": 0, "fwknop_grant_duration_seconds_count": 0, "fwknop_ingest_lost_total" + source: 0})
			if before[events] < 1 || before["fwknop_enforce_duration_seconds_count"] < 1 || before["fwknop_ingest_lag_seconds"+source] > 5 {
				t.Errorf("%v events, %v changes, lag %v", before[events], before["fwknop_enforce_duration_seconds_count"], before["fwknop_ingest_lag_seconds"+source])
			}
			const junk = 800 // more than privsep.RefusalBurst
			s.junk(junk)
			before = s.counts(metricsPort, map[string]float64{mismatch: junk, granted: 1})
			if n := strings.Count(s.events(), "spa.hmac_mismatch"); n >= junk {
				t.Errorf("%d of %d refusals are logged: none is counted without", n, junk)
			}
			worker := s.worker()
			syscall.Kill(worker, syscall.SIGKILL)
			wait.For(t, "another worker", func() bool { return s.said("main event loop.") == 2 && s.worker() != worker })
			after := s.counts(metricsPort, map[string]float64{"fwknop_worker_restarts_total": 1, "fwknop_replay_cache_entries": 1, granted: 1, mismatch: junk})
			s.notFallen(before, after)
			s.ran("--fw-flush")
			after = s.counts(metricsPort, map[string]float64{active: 0, "fwknop_grant_duration_seconds_count": 1})
			s.knock(ask()...)
			if !s.open() {
				t.Error("not open again")
			}
			last := s.counts(metricsPort, map[string]float64{granted: 2, active: 1})
			s.notFallen(after, last)
			s.isSound(metricsPort)
		})
	}
}

// junk sends n packets whose HMAC is wrong.
func (s *site) junk(n int) {
	s.t.Helper()
	p := packetFor(s.t, s.Client.V4)
	var packets [][]byte
	for i := range n {
		packets = append(packets, fmt.Appendf(nil, "%s%06d", p[:len(p)-6], i))
	}
	post(s.t, s, packets...)
}

// isSound checks the metrics with the tool of Prometheus.
func (s *site) isSound(at string) {
	s.t.Helper()
	netlab.Need(s.t, "promtool")
	text, err := s.scrape(at)
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		s.t.Errorf("promtool: %v\n%s\n%s", err, out, text)
	}
	for _, f := range metrics.Families() {
		if !strings.Contains(text, "\n"+f.Name) {
			s.t.Errorf("no sample of %s", f.Name)
		}
	}
	if strings.Contains(text, s.Client.V4.String()) {
		s.t.Error("the metrics have the address of a client")
	}
}

// A reload opens, moves and closes the listener. Where the new place cannot be had, the old one
// stays; at the start that is an error.
func TestE2EMetricsListen(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	group, err := user.LookupGroup("adm")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(s.dir, "run", "metrics.sock")
	gone := func(at string) {
		t.Helper()
		if conn, err := s.dialMetrics(at); err == nil {
			conn.Close()
			t.Errorf("%s is still open", at)
		}
	}
	at := func(where, more string) {
		t.Helper()
		if where != "" {
			where = "METRICS_LISTEN " + where + ";\n"
		}
		s.configure(where+more, stanza(""))
	}
	at("", "")
	s.start()
	gone(metricsPort)
	at(socket, "")
	s.reload()
	s.isSound(socket)
	mode := func(want os.FileMode, gid string) {
		t.Helper()
		st, err := os.Stat(socket)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != want || gid != "" && strconv.Itoa(int(st.Sys().(*syscall.Stat_t).Gid)) != gid {
			t.Errorf("the socket has mode %v and group %d", st.Mode(), st.Sys().(*syscall.Stat_t).Gid)
		}
	}
	mode(0o600, "")
	at(socket, "EVENT_LOG_GROUP adm;\n")
	s.reload()
	mode(0o660, group.Gid)
	if st, err := os.Stat(filepath.Dir(socket)); err != nil || st.Mode().Perm()&0o010 == 0 {
		t.Errorf("the group cannot pass the folder: %v, %v", st, err)
	}
	at("[::1]:9109", "")
	s.reload()
	s.isSound("[::1]:9109")
	gone(socket)
	if _, err := os.Lstat(socket); err == nil {
		t.Error("the socket is still there")
	}
	at("0.0.0.0:9109", "METRICS_ANY_ADDRESS Y;\n")
	s.reload()
	s.isSound(metricsPort)

	at(fmt.Sprintf("127.0.0.1:%d", e2ePort), "") // the server of the tests has it
	s.reload()
	s.waitFor("address already in use: they are still offered at 0.0.0.0:9109")
	if got := s.samples(metricsPort)["fwknop_config_last_reload_successful"]; got != 1 {
		t.Errorf("the reload failed: %v", got)
	}
	at("192.0.2.99:9109", "METRICS_ANY_ADDRESS Y;\n") // the same port, and not ours
	s.reload()
	s.waitFor("cannot assign requested address: they are still offered at 0.0.0.0:9109")
	s.isSound(metricsPort)
	s.write("access.conf", "NONSENSE 1\n")
	s.cmd.Process.Signal(syscall.SIGHUP)
	before := s.counts(metricsPort, map[string]float64{"fwknop_config_last_reload_successful": 0})
	at("", "")
	s.reload()
	gone(metricsPort)
	at(metricsPort, "")
	s.reload()
	after := s.counts(metricsPort, map[string]float64{"fwknop_config_last_reload_successful": 1})
	if stamp := "fwknop_config_last_reload_success_timestamp_seconds"; after[stamp] <= before[stamp] {
		t.Errorf("loaded at %v, before at %v", after[stamp], before[stamp])
	}
	s.stop()
	gone(metricsPort)

	for where, want := range map[string]string{
		fmt.Sprintf("127.0.0.1:%d", e2ePort): "METRICS_LISTEN: 127.0.0.1:2222: address already in use",
		filepath.Join(s.dir, "access.conf"):  "there is a file, which is not a socket",
		filepath.Join(s.dir, "no/such/sock"): "no such file or directory",
	} {
		at(where, "")
		s.launch()
		if err := s.cmd.Wait(); err == nil || !strings.Contains(s.out.String(), want) {
			t.Errorf("%s: %v, want %q in\n%s", where, err, want, s.out.String())
		}
	}
	at(metricsPort, "") // what a failed start left does not hinder
	s.start()
	s.isSound(metricsPort)
}

// Clients that send nothing, slowly or too much, a thousand of them, hold up no grant and no
// scrape.
func TestE2EMetricsFlood(t *testing.T) {
	s := newSite(t, "nftables")
	s.configure("METRICS_LISTEN "+metricsPort+";\n", stanza(""))
	s.start()
	descriptors := s.descriptors()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var conns []net.Conn
	for i := range 1000 {
		conn, err := s.dialMetrics(metricsPort)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	go func() { // a byte at a time, until they are closed
		for ctx.Err() == nil {
			for i, conn := range conns {
				_ = conn.SetWriteDeadline(time.Now().Add(time.Millisecond))
				_, _ = conn.Write([]byte("GET /metrics HTTP/1.1\r\nX: xxxxxxxxxxxxx"[i%30 : i%30+1]))
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	if n := s.descriptors(); n > descriptors+20 {
		t.Errorf("%d descriptors, %d before", n, descriptors)
	}
	start := time.Now()
	s.knock(ask()...)
	if !s.open() {
		t.Fatal("no grant")
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the grant took %v", took)
	}
	s.counts(metricsPort, map[string]float64{`fwknop_decisions_total{verdict="granted",reason="spa.granted"}`: 1})
	if out, code := s.ran("grants", "list"); code != 0 || !strings.Contains(out, s.Client.V4.String()) {
		t.Errorf("grants list: %d\n%s", code, out)
	}
}
