package privsep

import "os"

// processName is the name of both processes in pgrep and top.
const processName = "fwknopd"

// SetProcessName sets the name of this process, which is "exe" after a start through
// /proc/self/exe (see OwnProgram). An error, such as a missing or read-only /proc, is
// ignored.
func SetProcessName() { _ = os.WriteFile("/proc/self/comm", []byte(processName), 0) }

// OwnProgram returns a path of the running program that is valid even if its file has
// been replaced.
func OwnProgram() (string, error) { return "/proc/self/exe", nil }
