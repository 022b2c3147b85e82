package sandbox

import "errors"

// Missing returns what of the sandbox this system lacks: on FreeBSD all of it. The
// worker has the rights of its user.
func Missing() string { return "there is no sandbox on FreeBSD: the worker has the rights of its user" }

// Apply does nothing on FreeBSD. If strict is set, that is an error.
func Apply(_ []string, strict bool) error {
	if strict {
		return errors.New(Missing())
	}
	return nil
}

// ConfineMonitor does nothing on FreeBSD.
func ConfineMonitor() error { return nil }

// Limit does nothing on FreeBSD.
func Limit() error { return nil }
