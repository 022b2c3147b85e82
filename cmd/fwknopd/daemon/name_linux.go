package daemon

import "os"

// processName is what pgrep and top show of both processes.
const processName = "fwknopd"

// setName gives this process its name: what is started by way of /proc/self/exe, so
// that it is this very program even if the file has been replaced, is called "exe".
// That it cannot be set (no /proc, or one that is read-only) is nothing to end for.
func setProcessName() { _ = os.WriteFile("/proc/self/comm", []byte(processName), 0) }

// ownProgram is this very program, even if its file has been replaced.
func ownProgram() (string, error) { return "/proc/self/exe", nil }
