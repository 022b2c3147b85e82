package demo

import (
	"fmt"
	"io"
)

// live says that there is no live round: it takes a network namespace of Linux.
func live(dir string, stdout io.Writer) error {
	fmt.Fprintln(stdout, "# The live round takes Linux.")
	return nil
}

// Inside refuses: the live round is for Linux.
func Inside(stdout, stderr io.Writer) int {
	fmt.Fprintln(stderr, "fwknopd demo: takes Linux")
	return 1
}
