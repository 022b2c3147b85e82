package daemon

import "os"

// setName does nothing: a process is called like the file that ownProgram names.
func setProcessName() {}

// ownProgram is the file of this program, or the one that has replaced it.
func ownProgram() (string, error) { return os.Executable() }
