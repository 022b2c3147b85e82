//go:build !race

package fleetlab

const race = false
