package config

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"

	"fwknopd/ingest/safepath"
)

// maxShadowLine bounds a line of a shadow file.
const maxShadowLine = 4096

// ShadowHash returns the password hash of user in a shadow(5) file, for
// REQUIRE_AUTH_METHOD.
func ShadowHash(file, user string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", errUnreadable
	}
	defer f.Close()
	return findHash(f, user)
}

// SafeShadowHash is ShadowHash for a file that users other than root and our own must
// not be able to replace: that is an error.
func SafeShadowHash(file, user string) (string, error) {
	f, way, own, err := safepath.Open(file)
	if err != nil {
		return "", errUnreadable
	}
	defer f.Close()
	if faults := append(way, own...); len(faults) > 0 {
		return "", errors.New(faults[0].String())
	}
	return findHash(f, user)
}

var errUnreadable = errors.New("shadow file cannot be read")

func findHash(f io.Reader, user string) (string, error) {
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxShadowLine)
	for lines.Scan() {
		name, rest, ok := strings.Cut(lines.Text(), ":")
		if ok && name == user {
			hash, _, _ := strings.Cut(rest, ":")
			return hash, nil
		}
	}
	return "", errors.New("user is not in the shadow file")
}
