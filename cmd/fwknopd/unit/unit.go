// Package unit holds the systemd unit of fwknopd and what its packages are made of. Its only
// code is the tests of both.
package unit
