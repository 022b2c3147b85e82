package monitor

// runKeeper is for the end-to-end tests, which need Linux.
func runKeeper() { panic("needs the firewalls of Linux") }
