package setup

// routeInterface is for Linux: here the interfaces that are up decide.
func routeInterface() string { return "" }
