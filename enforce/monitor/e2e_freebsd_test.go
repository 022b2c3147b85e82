package monitor

// runDaemon is for the end-to-end tests, which need Linux.
func runDaemon() { panic("needs the firewalls of Linux") }
