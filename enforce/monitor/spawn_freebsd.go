package monitor

// noNewPrivs does nothing: on FreeBSD the flag would apply to this whole process, whose
// commands may need sudo. The worker sets it for itself (PROC_NO_NEW_PRIVS_CTL).
func noNewPrivs() error { return nil }

// onFirstThread reports false: nothing is set for a thread.
func onFirstThread() bool { return false }

// killRest does nothing: on FreeBSD a process that the worker leaves survives it.
func killRest(int) {}
