package config

import (
	"bufio"
	"errors"
	"os"
	"strings"
)

// maxShadowLine bounds a line of a shadow file.
const maxShadowLine = 4096

// ShadowHash returns the password hash of user in a shadow(5) file, for
// REQUIRE_AUTH_METHOD.
func ShadowHash(file, user string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", errors.New("shadow file cannot be read")
	}
	defer f.Close()
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
