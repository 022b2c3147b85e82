package conf

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Values of KAFKA_START.
const (
	KafkaLatest   = "latest"
	KafkaEarliest = "earliest"
)

// checkKafka finds what is missing for INGEST KAFKA.
func (ld *loader) checkKafka(v *Values, s *Server) {
	mode := "AUTH_MODE"
	if v.IsSet("INGEST") {
		mode = "INGEST"
	}
	for _, name := range []string{"KAFKA_BROKERS", "KAFKA_TOPIC"} {
		if !v.IsSet(name) {
			ld.at(v, mode, "KAFKA needs "+name)
		}
	}
	ld.checkKafkaLists(v, s)
	if s.KafkaGroup == "" {
		s.KafkaGroup = ld.kafkaGroup(s)
	}
	if s.KafkaGroup == "" && ld.Host != nil {
		ld.at(v, mode, "the name of this host is not known: KAFKA needs KAFKA_GROUP")
	}
	if s.KafkaTLS != "Y" && s.KafkaTLS != "N" && !path.IsAbs(s.KafkaTLS) {
		ld.at(v, "KAFKA_TLS", fmt.Sprintf("%q is not Y, N or the absolute path of a file", clip(s.KafkaTLS)))
	}
}

// kafkaGroup returns the group where no file names one, "" if that is not known.
func (ld *loader) kafkaGroup(s *Server) string {
	host, _, _ := strings.Cut(strings.ToLower(ld.Hostname), ".")
	if name := cmp.Or(s.FleetName, host); name != "" {
		return "fwknopd-" + name
	}
	return ""
}

// checkKafkaLists checks brokers and topics.
func (ld *loader) checkKafkaLists(v *Values, s *Server) {
	for _, b := range s.KafkaBrokers {
		if !isHostPort(b) {
			ld.at(v, "KAFKA_BROKERS", fmt.Sprintf("%q is not host:port, such as kafka1.example.com:9093 or [fd00::1]:9093", clip(b)))
		}
	}
	for i, t := range s.KafkaTopics {
		switch {
		case !isTopic(t):
			ld.at(v, "KAFKA_TOPIC", fmt.Sprintf("%q is no name of a topic: 1 to 249 letters, digits, dots, - and _", clip(t)))
		case slices.Contains(s.KafkaTopics[:i], t):
			ld.at(v, "KAFKA_TOPIC", t+" is there twice")
		}
	}
}

// isHostPort reports whether text is a host name or address with a port.
func isHostPort(text string) bool {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return false
	}
	host, isIPv6 := text[:i], false
	if rest, ok := strings.CutPrefix(host, "["); ok {
		host, isIPv6 = strings.CutSuffix(rest, "]")
	}
	port, err := strconv.ParseUint(text[i+1:], 10, 16)
	return err == nil && port > 0 && host != "" && strings.Contains(host, ":") == isIPv6 && !strings.ContainsAny(host, " \t/@[]")
}

// isTopic reports whether a topic can have this name.
func isTopic(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return name != "" && name != "." && name != ".." && len(name) <= 249 && strings.Trim(name, letters) == ""
}
