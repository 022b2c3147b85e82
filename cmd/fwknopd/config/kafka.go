package config

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"fwknopd/policy/conf"
)

// KafkaSecrets are the files of KAFKA, which only the fleet process uses. It gets them from the
// monitor.
type KafkaSecrets struct {
	Mechanism, User, Password string // of KAFKA_CREDENTIALS; "": no SASL
	CA                        []byte // of KAFKA_TLS; nil: no file
}

// KafkaSecrets reads the files of INGEST KAFKA, and returns what is wrong with them. It is not for
// the worker, which must not see them.
func (l *Loaded) KafkaSecrets() (s KafkaSecrets, problems conf.Problems) {
	if !l.Server.ReadsKafka() {
		return s, nil
	}
	problem := func(keyword string, faults ...string) {
		for _, fault := range faults {
			at := l.Values.Place(keyword)
			problems = append(problems, conf.Problem{Pos: at.Pos, Keyword: at.Name, Text: fault})
		}
	}
	if path := l.Server.KafkaCredentials; path != "" {
		text, faults := readFleetFile(path, true)
		problem("KAFKA_CREDENTIALS", faults...)
		if text != nil {
			var err error
			if s, err = readCredentials(string(text)); err != nil {
				problem("KAFKA_CREDENTIALS", path+err.Error())
			}
		}
	}
	if path := l.Server.KafkaTLS; strings.HasPrefix(path, "/") {
		text, faults := readFleetFile(path, false)
		problem("KAFKA_TLS", faults...)
		if s.CA = text; text != nil && !hasCertificate(text) {
			problem("KAFKA_TLS", path+" has no certificate (PEM)")
		}
	}
	return s, problems
}

// mechanisms are those of SASL that KAFKA_CREDENTIALS may name.
var mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

// readCredentials reads the text of KAFKA_CREDENTIALS: a line for each of MECHANISM, USER and
// PASSWORD, with its value behind a blank; empty lines and those that begin with # count for nothing.
// An error begins with the number of the line, and holds no value.
func readCredentials(text string) (s KafkaSecrets, err error) {
	values := map[string]*string{"MECHANISM": &s.Mechanism, "USER": &s.User, "PASSWORD": &s.Password}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, _ := strings.Cut(line, " ")
		into := values[name]
		switch value = strings.TrimSpace(value); {
		case into == nil:
			return s, fmt.Errorf(":%d: begins with none of MECHANISM, USER and PASSWORD", n)
		case *into != "":
			return s, fmt.Errorf(":%d: %s is there twice", n, name)
		case value == "":
			return s, fmt.Errorf(":%d: %s has no value", n, name)
		case name == "MECHANISM" && !slices.Contains(mechanisms, value):
			return s, fmt.Errorf(":%d: MECHANISM is none of %s", n, strings.Join(mechanisms, ", "))
		}
		*into = value
	}
	for _, name := range []string{"MECHANISM", "USER", "PASSWORD"} {
		if *values[name] == "" {
			return s, fmt.Errorf(": has no %s", name)
		}
	}
	return s, nil
}

// hasCertificate reports whether a text has a certificate in PEM.
func hasCertificate(text []byte) bool { return x509.NewCertPool().AppendCertsFromPEM(text) }

// describeKafka says what is read from Kafka and how, "" if nothing is.
func describeKafka(s *conf.Server) string {
	if !s.ReadsKafka() {
		return ""
	}
	how := map[string]string{"Y": "by TLS", "N": "without TLS"}[s.KafkaTLS]
	if how == "" {
		how = "by TLS with " + s.KafkaTLS
	}
	start := "its end"
	if s.KafkaStart == conf.KafkaEarliest {
		start = "its start"
	}
	group := "the group " + s.KafkaGroup
	if s.KafkaGroup == "" {
		group = "a group named after the host"
	}
	return fmt.Sprintf("%s reads %s at %s, %s; without a place in a topic from %s", group, strings.Join(s.KafkaTopics, ", "),
		strings.Join(s.KafkaBrokers, ", "), how, start)
}
