package daemon

import "os"

// setProcessName does nothing: the process has the name of the file from ownProgram.
func setProcessName() {}

// ownProgram returns the path of this program, which may have been replaced since the
// start.
func ownProgram() (string, error) { return os.Executable() }
