package monitor

// noNewPrivs does nothing: on FreeBSD it would be for this whole process, whose commands
// may need sudo. The worker sets it for itself (PROC_NO_NEW_PRIVS_CTL).
func noNewPrivs() error { return nil }
