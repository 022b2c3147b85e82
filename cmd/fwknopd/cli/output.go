package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// An Output is the standard output of a command. It keeps the first error of a write, so that
// no command can lose its output and succeed.
type Output struct {
	file *os.File

	mu  sync.Mutex
	err error
}

// NewOutput returns the output that is written to file.
func NewOutput(file *os.File) *Output { return &Output{file: file} }

// Write implements [io.Writer].
func (o *Output) Write(b []byte) (int, error) {
	n, err := o.file.Write(b)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err == nil {
			o.err = err
		}
	}
	return n, err
}

// File returns the file of an [Output], and another w as it is: for what needs a file, such as a
// program that is started or a terminal whose size is asked for.
func File(w io.Writer) io.Writer {
	if out, ok := w.(*Output); ok {
		return out.file
	}
	return w
}

// Code returns the exit code of a program that ends with code. If that is success although
// output was lost, it says so and returns that of an error.
func (o *Output) Code(program Command, code int, stderr io.Writer) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil || code != exitOK {
		return code
	}
	fmt.Fprintf(stderr, "%s: %v\n", program, o.err)
	return exitError
}
