package conf

import (
	"strings"
	"testing"
)

func TestEndpoint(t *testing.T) {
	for text, want := range map[string]string{
		"/run/fwknop/metrics.sock": "/run/fwknop/metrics.sock", "/run//x": "/run/x",
		"127.0.0.1:9109": "127.0.0.1:9109", "[::1]:9109": "[::1]:9109", "[::ffff:127.0.0.1]:1": "127.0.0.1:1", "[fe80::1%eth0]:65535": "[fe80::1%eth0]:65535",
		"run/metrics.sock": "", "/run/": "", "/": "", "/" + strings.Repeat("x", maxSocketPath): "", "metrics.sock": "", "127.0.0.1": "", "127.0.0.1:0": "",
		"127.0.0.1:65536": "", "::1:9109": "", "localhost:9109": "", ":9109": "", "9109": "",
	} {
		e, err := parseEndpoint(text)
		if e.String() != want || (err == nil) != (want != "") || e.IsZero() != (want == "") {
			t.Errorf("%s is %q, want %q (%v)", text, e, want, err)
		}
	}
}

// An address that other hosts reach takes METRICS_ANY_ADDRESS.
func TestMetricsAddress(t *testing.T) {
	const refusal = "is not a loopback address; METRICS_ANY_ADDRESS Y allows it"
	for text, refused := range map[string]bool{
		"METRICS_LISTEN 127.0.0.1:9109": false, "METRICS_LISTEN 127.9.9.9:9109": false, "METRICS_LISTEN [::1]:9109": false, "METRICS_LISTEN /run/m.sock": false,
		"METRICS_LISTEN $FWKNOP_RUN_DIR/m.sock": false, "METRICS_LISTEN 0.0.0.0:9109": true, "METRICS_LISTEN [::]:9109": true, "METRICS_LISTEN 192.0.2.1:9109": true,
		"METRICS_LISTEN [fe80::1%lo]:9109": true, "METRICS_LISTEN 0.0.0.0:9109;\nMETRICS_ANY_ADDRESS Y": false, "METRICS_ANY_ADDRESS Y": false,
	} {
		s, _, problems := LoadServer(Options{FS: memFS{"m": text + ";\n"}, Server: "m"})
		if got := problems.Failed() && strings.Contains(problems.Error(), refusal); got != refused || problems.Failed() != refused {
			t.Errorf("%s: %v", text, problems)
		}
		if strings.Contains(text, "RUN_DIR") && s.Metrics.Path != "/var/run/fwknop/m.sock" {
			t.Errorf("the socket is %q", s.Metrics)
		}
	}
}
