package privsep

import "os"

// SetProcessName does nothing: the process has the name of the file from OwnProgram.
func SetProcessName() {}

// OwnProgram returns the path of this program, which may have been replaced since the
// start.
func OwnProgram() (string, error) { return os.Executable() }
