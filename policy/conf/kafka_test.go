package conf

import (
	"strings"
	"testing"
)

// TestKafka: what INGEST KAFKA needs and what it refuses; the keywords alone have no effect, which
// is said.
func TestKafka(t *testing.T) {
	const sound = "INGEST KAFKA\nKAFKA_BROKERS kafka1.example.com:9093, [fd00::1]:9093\nKAFKA_TOPIC gate.logs\n"
	for _, c := range []struct{ text, want string }{
		{sound, ""},
		{sound + "KAFKA_TLS N\nKAFKA_START earliest\nKAFKA_GROUP g\nKAFKA_CREDENTIALS /etc/fwknop/kafka\n", ""},
		{sound + "KAFKA_TLS /etc/ssl/kafka.pem\n", ""},
		{sound + "KAFKA_TLS kafka.pem\n", "m:4: KAFKA_TLS: \"kafka.pem\" is not Y, N or the absolute path of a file"},
		{sound + "KAFKA_START now\n", "m:4: KAFKA_START: \"now\" is not one of latest, earliest"},
		{"AUTH_MODE KAFKA\n", "m:1: AUTH_MODE: KAFKA needs KAFKA_BROKERS; m:1: AUTH_MODE: KAFKA needs KAFKA_TOPIC"},
		{"INGEST PCAP, KAFKA\nKAFKA_BROKERS a:9092\n", "m:1: INGEST: KAFKA needs KAFKA_TOPIC"},
		{"KAFKA_TOPIC t\nKAFKA_START latest\n", "m:1: warning: KAFKA_TOPIC: has no effect without INGEST KAFKA; m:2: warning: KAFKA_START: has no effect without INGEST KAFKA"},
		{"INGEST KAFKA\nKAFKA_TOPIC a, b/c, a\nKAFKA_BROKERS a:9092\n", "m:2: KAFKA_TOPIC: \"b/c\" is no name of a topic: 1 to 249 letters, digits, dots, - and _; m:2: KAFKA_TOPIC: a is there twice"},
	} {
		s, _, problems := LoadServer(Options{FS: memFS{"m": c.text}, Server: "m", Dialect: C26, Hostname: "Edge1.example.com"})
		var got []string
		for _, p := range problems {
			got = append(got, p.String())
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%q:\n%s, want\n%s", c.text, text, c.want)
		}
		if c.text == sound && (s.KafkaGroup != "fwknopd-edge1" || s.KafkaTLS != "Y" || s.KafkaStart != KafkaLatest) {
			t.Errorf("%+v", s)
		}
	}
	for _, broker := range []string{"a", "a:", ":1", "a:0", "a:65536", "fd00::1:9092", "[a]:1", "a b:1", "kafka://a:1", "[fd00::1:1", "a:+1"} {
		if isHostPort(broker) {
			t.Errorf("%q is taken for a broker", broker)
		}
	}
}
