package daemon

import (
	"context"
	"errors"
	"os"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
)

// ownProgram returns the path of this program, which may have been replaced since the
// start.
func ownProgram() (string, error) { return os.Executable() }

// sealedFile returns the read end of a pipe with text.
func sealedFile(text []byte) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() {
		defer w.Close()
		_, _ = w.Write(text) // fails if the worker ends before it has read all
	}()
	return r, nil
}

// established reports for each grant whether a connection through it is alive.
type established = func(context.Context, []enforce.Grant) ([]bool, error)

// openConntrack returns an error: with ipfw, keep-state rules keep connections alive.
func openConntrack([]uint16) (_ established, done func(), err error) {
	return nil, nil, errors.New("not on freebsd, where keep-state does this")
}

// cutFunc is the type of Cut in [monitor.Config].
type cutFunc = func(context.Context, []enforce.Grant, func() []enforce.Grant) ([]enforce.Connections, error)

// openCut returns nothing: stanzas with CLOSE_CONNECTIONS are refused.
func openCut(bool, enforce.Guard, *firewall.Firewall) (cut cutFunc, done func(), err error) {
	return nil, func() {}, nil
}

// residentMemory returns 0: it takes a call of libprocstat to know.
func residentMemory() uint64 { return 0 }
