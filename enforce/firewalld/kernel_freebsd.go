package firewalld

import (
	"errors"

	"fwknopd/enforce"
)

// removeFromKernel is for Linux, where firewalld runs.
func removeFromKernel(enforce.Grant) error { return errors.ErrUnsupported }
