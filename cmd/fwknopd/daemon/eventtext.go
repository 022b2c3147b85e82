package daemon

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"fwknopd/enforce"
)

// epoch returns the end of a grant in seconds since 1970, 0 for a grant without end.
func epoch(g *enforce.Grant) int64 {
	if g.Expires.IsZero() {
		return 0
	}
	return enforce.CeilSecond(g.Expires)
}

// expiryText returns when a grant ends.
func expiryText(g *enforce.Grant) string {
	if g.Expires.IsZero() {
		return ", no end"
	}
	return " until " + g.Expires.UTC().Format(time.RFC3339)
}

// ownerText returns the stanza and user of a grant.
func ownerText(g *enforce.Grant) string {
	if g.Foreign != "" {
		return " (another program's rule)"
	}
	return clientText(g.Stanza, g.User)
}

// clientText returns a stanza and user in parentheses.
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

// blockedText returns which rules still drop what a grant permits.
func blockedText(by []string) string {
	if len(by) == 0 {
		return ""
	}
	return ", still dropped by " + strings.Join(by, ", ")
}

// exitText returns how a program ended.
func exitText(status int, timedOut bool, err error) string {
	switch {
	case err != nil:
		return "could not be started: " + err.Error()
	case timedOut:
		return "took too long and was killed"
	}
	return "ended with " + strconv.Itoa(status)
}

// outputText returns the output of a program behind a colon, "" if there is none.
func outputText(output string) string {
	if output == "" {
		return ""
	}
	return ": " + output
}

// grantPrefix returns a grant as the beginning of an error message.
func grantPrefix(g *enforce.Grant) string {
	if !g.Src.IsValid() {
		return ""
	}
	return g.Text() + ": "
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "this host"
	}
	return name
}
