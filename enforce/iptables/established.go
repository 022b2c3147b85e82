package iptables

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// acceptsEstablished reports whether one of the rules (lines of -S) accepts
// packets of established connections. Without, a connection ends with the grant
// that let it in.
func acceptsEstablished(lines []string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		words, ok := split(line)
		if !ok || !hasPair(words, "-j", "ACCEPT") {
			return false
		}
		for i, w := range words[:len(words)-1] {
			if (w == "--ctstate" || w == "--state") && words[max(i-1, 0)] != "!" &&
				slices.Contains(strings.Split(words[i+1], ","), "ESTABLISHED") {
				return true
			}
		}
		return false
	})
}

// drops reports whether the rules refuse anything at all.
func drops(lines []string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		words, ok := split(line)
		return ok && (hasPair(words, "-P", "INPUT") && words[len(words)-1] == "DROP" ||
			hasPair(words, "-j", "DROP") || hasPair(words, "-j", "REJECT"))
	})
}

func hasPair(words []string, name, value string) bool {
	for i := range len(words) - 1 {
		if words[i] == name && words[i+1] == value {
			return true
		}
	}
	return false
}

// checkEstablished is done once, at start. IPv6 is often left open altogether;
// then there is nothing to say.
func (b *Backend) checkEstablished(ctx context.Context) error {
	for _, t := range b.tools() {
		ctx, cancel := context.WithTimeout(ctx, b.cfg.Alarm)
		out, err := exec.CommandContext(ctx, t.path, "-t", "filter", "-S").Output()
		cancel()
		if err != nil {
			return fmt.Errorf("%s -S: %w", t.path, err)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if !acceptsEstablished(lines) && (!t.v6 || drops(lines)) {
			b.note("%s: no rule accepts ESTABLISHED packets: a connection is cut when its grant ends", t.name())
		}
	}
	return nil
}

// name is what messages call the program.
func (t *tool) name() string {
	if t.v6 {
		return "ip6tables"
	}
	return "iptables"
}
