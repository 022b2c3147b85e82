package daemon

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"fwknopd/enforce"
)

func epoch(g *enforce.Grant) int64 {
	if g.Expires.IsZero() {
		return 0
	}
	return enforce.CeilSecond(g.Expires)
}

// ending says when a grant ends.
func expiryText(g *enforce.Grant) string {
	if g.Expires.IsZero() {
		return ", no end"
	}
	return " until " + g.Expires.UTC().Format(time.RFC3339)
}

// owner says for whom a grant is.
func ownerText(g *enforce.Grant) string {
	if g.Foreign != "" {
		return " (another program's rule)"
	}
	return clientText(g.Stanza, g.User)
}

// client says for whom.
func clientText(stanza int, user string) string {
	text := ""
	if stanza != 0 {
		text = fmt.Sprintf(" (stanza %d", stanza)
		if user != "" {
			text += ", user " + user
		}
		text += ")"
	}
	return text
}

// dropped says what drops a grant all the same.
func blockedText(by []string) string {
	if len(by) == 0 {
		return ""
	}
	return ", still dropped by " + strings.Join(by, ", ")
}

// ended says how a program ended.
func exitText(status int, timedOut bool, err error) string {
	switch {
	case err != nil:
		return "could not be started: " + err.Error()
	case timedOut:
		return "took too long and was killed"
	}
	return "ended with " + strconv.Itoa(status)
}

// said is the output of a program, if there is any.
func outputText(output string) string {
	if output == "" {
		return ""
	}
	return ": " + output
}

// prefix names a grant in front of what went wrong with it.
func grantPrefix(g *enforce.Grant) string {
	if !g.Src.IsValid() {
		return ""
	}
	return grantText(g) + ": "
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "this host"
	}
	return name
}
